/**
 * Programs that read requests in their own ways, in front of a sink each.
 *
 * Path: smuggling.ts puts the gateway before them. Node's origin is the sink itself.
 * Invariant: one that is not on this machine is left out by its name; each runs from a directory of
 * its own, on loopback, without root's files, and ends with its owner.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeDirectory, type Owner } from '../../e2e/harness.ts';
import { type Seen, startSink } from './sink.ts';

/** An origin that runs. */
export interface ForeignOrigin {
  readonly name: string;
  readonly version: string;
  readonly port: number;
  readonly take: Seen['take'];
}

/** Ports and places of one that is to be started. */
interface Place {
  readonly port: number;
  readonly sink: number;
  readonly directory: string;
}

interface Program {
  readonly name: string;
  readonly version: readonly [command: readonly string[], pattern: RegExp];
  /** Writes what it needs and returns its command. */
  readonly prepare: (place: Place) => readonly string[];
}

/** Below the ports that the kernel gives to clients. */
const PORT_MIN = 10_000;
const PORT_MAX = 32_000;
const START_MS = 60_000;
const APACHE_MODULES = '/usr/lib/apache2/modules';
const GO_SOURCE = fileURLToPath(new URL('origin.go', import.meta.url));

function write(directory: string, name: string, lines: readonly string[]): string {
  const file = join(directory, name);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

function prepareNginx({ port, sink, directory }: Place): readonly string[] {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const file = write(directory, 'nginx.conf', [
    'daemon off; master_process off; pid nginx.pid; error_log /dev/null;',
    'events {}',
    'http {',
    ...kinds.map((kind) => `  ${kind}_temp_path ${directory}/${kind};`),
    '  access_log off; client_max_body_size 0; proxy_ignore_client_abort on;',
    '  keepalive_requests 1000000; keepalive_timeout 60s;',
    `  server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${sink}; } }`,
    '}',
  ]);
  return ['nginx', '-p', directory, '-c', file, '-e', '/dev/null'];
}

function prepareApache({ port, sink, directory }: Place): readonly string[] {
  const modules = ['mpm_event', 'authz_core', 'proxy', 'proxy_http'];
  const file = write(directory, 'apache.conf', [
    `ServerRoot ${directory}`,
    'ServerName localhost',
    `Listen 127.0.0.1:${port}`,
    `PidFile ${directory}/apache.pid`,
    'ErrorLog /dev/null',
    ...modules.map((name) => `LoadModule ${name}_module ${APACHE_MODULES}/mod_${name}.so`),
    ...(process.getuid?.() === 0 ? ['User www-data', 'Group www-data'] : []),
    'KeepAlive On',
    'MaxKeepAliveRequests 0',
    'KeepAliveTimeout 60',
    'AllowEncodedSlashes NoDecode',
    `ProxyPass / http://127.0.0.1:${sink}/ nocanon disablereuse=on`,
  ]);
  return ['apache2', '-D', 'FOREGROUND', '-f', file];
}

function prepareHaproxy({ port, sink, directory }: Place): readonly string[] {
  const file = write(directory, 'haproxy.cfg', [
    'global',
    '  maxconn 500',
    '  nbthread 1',
    'defaults',
    '  mode http',
    '  timeout client 60s',
    '  timeout connect 5s',
    '  timeout server 60s',
    '  retries 0',
    '  option httpclose',
    'frontend in',
    `  bind 127.0.0.1:${port}`,
    '  no option httpclose',
    '  option http-keep-alive',
    '  default_backend out',
    'backend out',
    '  option http-server-close',
    `  server sink 127.0.0.1:${sink}`,
  ]);
  return ['haproxy', '-db', '-f', file];
}

function prepareLighttpd({ port, sink, directory }: Place): readonly string[] {
  const uploads = join(directory, 'uploads');
  mkdirSync(uploads, { mode: 0o777 });
  const file = write(directory, 'lighttpd.conf', [
    'server.modules = ("mod_proxy")',
    `server.document-root = "${directory}"`,
    'server.bind = "127.0.0.1"',
    `server.port = ${port}`,
    `server.upload-dirs = ("${uploads}")`,
    'server.max-keep-alive-requests = 1000000',
    'server.max-keep-alive-idle = 60',
    'server.http-parseopts = ("url-normalize" => "disable")',
    `proxy.server = ("" => (("host" => "127.0.0.1", "port" => ${sink})))`,
  ]);
  return ['lighttpd', '-D', '-f', file];
}

function prepareGo({ port, sink, directory }: Place): readonly string[] {
  const program = join(directory, 'origin');
  const built = spawnSync('go', ['build', '-o', program, GO_SOURCE], { encoding: 'utf8' });
  if (built.status !== 0) {
    throw new Error(`go build: ${built.stderr}`);
  }
  return [program, `127.0.0.1:${port}`, `http://127.0.0.1:${sink}`];
}

const PROGRAMS: readonly Program[] = [
  { name: 'nginx', version: [['nginx', '-v'], /nginx\/\S+/], prepare: prepareNginx },
  { name: 'apache', version: [['apache2', '-v'], /Apache\/\S+/], prepare: prepareApache },
  { name: 'haproxy', version: [['haproxy', '-v'], /\d+\.\d+\.\d+/], prepare: prepareHaproxy },
  { name: 'lighttpd', version: [['lighttpd', '-v'], /lighttpd\/\S+/], prepare: prepareLighttpd },
  { name: 'go', version: [['go', 'version'], /go\d\S+/], prepare: prepareGo },
];

/** All that there could be, in the order in which they are shown. */
export const ORIGIN_NAMES: readonly string[] = ['node', ...PROGRAMS.map(({ name }) => name)];

/** The version of a program; null where it is not on this machine. */
function versionOf({ version: [[program = '', ...args], pattern] }: Program): string | null {
  const { stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  return error === undefined ? (pattern.exec(`${stdout}${stderr}`)?.[0] ?? null) : null;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Waits until the port answers; an error where the program ends before. */
async function untilListening(child: ChildProcess, port: number, name: string): Promise<void> {
  let said = '';
  child.stderr?.on('data', (piece: Buffer) => {
    said += piece.toString('latin1');
  });
  const deadline = performance.now() + START_MS;
  while (!(await isListening(port))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      throw new Error(`${name} does not listen: ${said.slice(-600)}`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

async function startProgram(owner: Owner, program: Program): Promise<ForeignOrigin | null> {
  const version = versionOf(program);
  if (version === null) {
    return null;
  }
  const sink = await startSink(owner);
  const directory = makeDirectory(owner);
  // Workers that give up root's rights write into it too.
  chmodSync(directory, 0o777);
  const port = randomInt(PORT_MIN, PORT_MAX);
  const [command = '', ...args] = program.prepare({ port, sink: sink.port, directory });
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  owner.after(async () => {
    if (child.exitCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
  });
  await untilListening(child, port, program.name);
  return { name: program.name, version, port, take: sink.take };
}

/** Starts those of the names that are here; `left` are the names of those that are not. */
export async function startOrigins(
  owner: Owner,
  names: readonly string[] = ORIGIN_NAMES,
): Promise<{ readonly origins: readonly ForeignOrigin[]; readonly left: readonly string[] }> {
  const origins: ForeignOrigin[] = [];
  const left: string[] = [];
  if (names.includes('node')) {
    const sink = await startSink(owner);
    origins.push({ name: 'node', version: process.version, port: sink.port, take: sink.take });
  }
  for (const program of PROGRAMS.filter(({ name }) => names.includes(name))) {
    const origin = await startProgram(owner, program);
    if (origin === null) {
      left.push(program.name);
    } else {
      origins.push(origin);
    }
  }
  return { origins, left };
}
