/**
 * HAProxy as Debian packages it, in tcp mode or, for HTTP and WebSocket, in http mode.
 *
 * Path: one process with as many threads as workers asked for, under its own master, as it runs in
 * service. Beyond the defaults: room for the connections, no logging, and long timeouts. Splicing
 * keeps its default (off), as does the 16 KiB buffer, which HAProxy takes only while bytes are
 * under way. With HTTP: connections to the origin are reused always. With TLS: versions 1.2 and 1.3
 * and tickets, as by default.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Candidate,
  type Presence,
  type Running,
  type StartOptions,
  TLS_VERSIONS,
} from '../rig/index.ts';
import { askVersion, createReload, findProgram, startPeer } from './start.ts';

const INSTALL = 'apt-get install haproxy';
const FILE = 'haproxy.cfg';
const RELOAD_MS = 150;
/** Descriptors HAProxy needs beside two for each connection. */
const SPARE_DESCRIPTORS = 200;

/** What the front does with HTTP beside passing it on. */
function configureHttp({ http }: StartOptions, generation: number): string {
  if (http === undefined) return '';
  const identity = http.isBare
    ? ''
    : `
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]`;
  const answer = `status 200 content-type text/plain string "${generation}"`;
  return `
  option http-keep-alive
  http-reuse always
  timeout http-keep-alive 1h
  timeout tunnel 1h
  http-request return ${answer} if { path /generation }${identity}`;
}

function configure(options: StartOptions, generation = 0): string {
  const tls = options.tls === undefined ? '' : ` ssl crt ${options.tls.both}`;
  return `# Written by bench/peers/haproxy.ts for one measurement.
global
  nbthread ${options.workers}
  maxconn ${Math.floor((options.connectionsMax - SPARE_DESCRIPTORS) / 2)}
defaults
  mode ${options.http === undefined ? 'tcp' : 'http'}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen front
  bind 127.0.0.1:${options.frontPort} backlog 4096${tls}${configureHttp(options, generation)}
  server origin 127.0.0.1:${options.originPort}
`;
}

async function find(): Promise<Presence> {
  const program = findProgram('haproxy');
  const version =
    program === undefined ? undefined : await askVersion([program, '-v'], /version (\S+)/);
  return version === undefined ? { missing: INSTALL } : { version };
}

async function start(options: StartOptions): Promise<Running> {
  const program = findProgram('haproxy') ?? 'haproxy';
  const running = await startPeer(options, {
    argv: [program, '-W', '-f', `${options.folder}/${FILE}`],
    files: { [FILE]: configure(options) },
    children: 1,
  });
  const signal = (): void => void process.kill(running.guarded.pid, 'SIGUSR2');
  const reloadTcp = async (): Promise<void> => {
    signal();
    await delay(RELOAD_MS);
  };
  return {
    ...running,
    reload:
      options.http === undefined
        ? reloadTcp
        : createReload(options, { file: FILE, configure, signal }),
  };
}

/** HAProxy. */
export const haproxy: Candidate = {
  name: 'haproxy',
  title: 'HAProxy',
  role: 'peer',
  carries: ['tcp', 'http', 'websocket'],
  tlsVersions: TLS_VERSIONS,
  find,
  start,
};
