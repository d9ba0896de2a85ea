/**
 * Foreign TLS clients: how each is found, started and judged.
 *
 * Path: main.ts runs every peer that this machine has against every way of keeping records.
 * Invariant: a peer that is not there is skipped by its name; one that is there and fails is a
 * failure with what it said. Programs are started without a shell.
 */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Rig } from './rig.ts';

export const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
export type Version = (typeof VERSIONS)[number];

/** What a peer did. */
export interface Outcome {
  readonly handshake: string;
  readonly echo: boolean;
  /** Null: the peer cannot. */
  readonly halfClose: boolean | null;
  readonly update: string | null;
}

/** One foreign client. */
export interface Peer {
  readonly name: string;
  /** Null: not on this machine. */
  readonly version: () => string | null;
  readonly run: (rig: Rig, records: string, version: Version) => Promise<Outcome>;
}

const STEP_MS = 60_000;
const MIB = 1024 * 1024;

function clientFile(name: string): string {
  return fileURLToPath(new URL(`clients/${name}`, import.meta.url));
}

/** The first line that matches of what a program says about itself. */
function ask(command: readonly string[], pattern: RegExp): string | null {
  const [program = '', ...args] = command;
  try {
    const said = execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return pattern.exec(said)?.[0] ?? null;
  } catch {
    return null;
  }
}

/** A program with pipes whose answers can be waited for. */
class Conversation {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<number | null>;
  #said: Buffer[] = [];
  #complained = '';
  #hasEnded = false;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(command: readonly string[]) {
    const [program = '', ...args] = command;
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#complained += error.message;
        resolve(-1);
      });
      this.#child.once('close', (code) => {
        this.#hasEnded = true;
        this.#stir();
        resolve(code);
      });
    });
    this.#child.stdin.on('error', () => {});
    this.#child.stdout.on('data', (piece: Buffer) => {
      this.#said.push(piece);
      this.#stir();
    });
    this.#child.stderr.on('data', (piece: Buffer) => {
      this.#complained += piece.toString('latin1');
      this.#stir();
    });
  }

  get said(): string {
    return Buffer.concat(this.#said).toString('latin1');
  }

  get complained(): string {
    return this.#complained;
  }

  say(text: string): void {
    this.#child.stdin.write(text);
  }

  finish(): void {
    this.#child.stdin.end();
  }

  /** Waits until `isThere` holds. */
  async until(what: string, isThere: () => boolean): Promise<void> {
    const deadline = performance.now() + STEP_MS;
    while (!isThere()) {
      if (this.#hasEnded || performance.now() > deadline) {
        const tail = `${this.said.slice(-300)}\n${this.#complained.slice(-600)}`;
        this.#child.kill('SIGKILL');
        throw new Error(`no ${what}; it said:\n${tail}`);
      }
      const timer = setTimeout(() => this.#stir(), 500);
      await this.#wake.promise;
      clearTimeout(timer);
    }
  }

  /** Starts anew with what is said. */
  forget(): void {
    this.#said = [];
  }

  async end(): Promise<number | null> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STEP_MS);
    const code = await this.#ended;
    clearTimeout(timer);
    return code;
  }

  #stir(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}

/** A client of ours that prints its outcome. */
function ownClient(
  name: string,
  parts: { version: () => string | null; command: readonly string[] },
): Peer {
  return {
    name,
    version: parts.version,
    run: async (rig, records, version) => {
      const port = `${rig.port(`echo-${records}`)}`;
      const talk = new Conversation([...parts.command, port, rig.ca, version]);
      const code = await talk.end();
      if (code !== 0) {
        throw new Error(`exit ${code}: ${talk.complained.slice(-800)}`);
      }
      return JSON.parse(talk.said) as Outcome;
    },
  };
}

/** Lines that no client takes for a command, a mebibyte of them in all. */
const MARK = '~0123456789abcdef';
const LINE = `${MARK.repeat(240)}\n`;
/** What programs print besides is never this. */
const MARKS = 240;
const LINES = Math.ceil(MIB / LINE.length);

/** Sends lines to an echo and waits for each batch, so that commands stand at the start of a read. */
async function echoLines(talk: Conversation, lines: number): Promise<void> {
  for (let sent = 0; sent < lines; sent += 16) {
    const batch = Math.min(16, lines - sent);
    talk.say(LINE.repeat(batch));
    await talk.until('echo', () => talk.said.split(MARK).length > MARKS * batch);
    talk.forget();
  }
}

async function runOpenssl(rig: Rig, records: string, version: Version): Promise<Outcome> {
  const flag = version === 'TLSv1.3' ? '-tls1_3' : '-tls1_2';
  const port = rig.port(`echo-${records}`);
  const talk = new Conversation([
    'openssl',
    's_client',
    '-connect',
    `127.0.0.1:${port}`,
    '-servername',
    'localhost',
    '-CAfile',
    rig.ca,
    '-verify_return_error',
    '-max_send_frag',
    '700',
    '-read_buf',
    '1',
    flag,
  ]);
  // Tickets are told of when they are read: with the first data.
  await talk.until('handshake', () => /Verify return code: .*\n[^]*?---\n/.test(talk.said));
  const handshake = /New, .* Cipher is (\S+)/.exec(talk.said)?.[1] ?? '';
  const isGood = talk.said.includes('Verify return code: 0');
  talk.forget();
  const commands = version === 'TLSv1.3' ? ['k\n', 'K\n', 'K\n', 'k\n'] : [];
  for (const command of commands) {
    await echoLines(talk, Math.ceil(LINES / 4));
    const before = talk.complained.length;
    talk.say(command);
    await talk.until('KEYUPDATE', () => talk.complained.includes('KEYUPDATE', before));
  }
  await echoLines(talk, commands.length === 0 ? LINES : 16);
  talk.finish();
  await talk.end();
  return {
    handshake: `${version} ${handshake}${isGood ? '' : ', not verified'}`,
    echo: isGood,
    halfClose: null,
    update: commands.length === 0 ? null : 'both forms, in the middle of traffic',
  };
}

async function runGnutls(rig: Rig, records: string, version: Version): Promise<Outcome> {
  const priority = version === 'TLSv1.3' ? '+VERS-TLS1.3' : '+VERS-TLS1.2';
  const talk = new Conversation([
    'gnutls-cli',
    '--port',
    `${rig.port(`echo-${records}`)}`,
    '--x509cafile',
    rig.ca,
    '--priority',
    `NORMAL:-VERS-ALL:${priority}`,
    '--inline-commands',
    'localhost',
  ]);
  await talk.until('handshake', () => talk.said.includes('Simple Client Mode'));
  const handshake = /Description: (.*)/.exec(talk.said)?.[1] ?? '';
  const isGood = talk.said.includes('The certificate is trusted');
  talk.forget();
  const commands =
    version === 'TLSv1.3' ? ['^rekey1^\n', '^rekey^\n', '^rekey^\n', '^rekey1^\n'] : [];
  let rekeyed = 0;
  for (const command of commands) {
    await echoLines(talk, Math.ceil(LINES / 4));
    talk.say(command);
    await talk.until('rekey', () => /[Rr]ekey|[Kk]ey update/.test(talk.said + talk.complained));
    rekeyed++;
    talk.forget();
  }
  await echoLines(talk, commands.length === 0 ? LINES : 16);
  talk.finish();
  await talk.end();
  return {
    handshake,
    echo: isGood,
    halfClose: null,
    update: rekeyed === 0 ? null : 'both forms, in the middle of traffic',
  };
}

async function runCurl(rig: Rig, records: string, version: Version): Promise<Outcome> {
  const body = 'h'.repeat(MIB);
  const talk = new Conversation([
    'curl',
    '--silent',
    '--show-error',
    '--cacert',
    rig.ca,
    '--data-binary',
    '@-',
    version === 'TLSv1.3' ? '--tlsv1.3' : '--tlsv1.2',
    '--tls-max',
    version.slice(4),
    '--verbose',
    `https://localhost:${rig.port(`http-both-${records}`)}/`,
  ]);
  talk.say(body);
  talk.finish();
  const code = await talk.end();
  const handshake = /SSL connection using (.*)/.exec(talk.complained)?.[1] ?? '';
  if (code !== 0) {
    throw new Error(`exit ${code}: ${talk.complained.slice(-600)}`);
  }
  return { handshake, echo: talk.said === body, halfClose: null, update: null };
}

/** All of them. */
export const PEERS: readonly Peer[] = [
  {
    name: 'openssl',
    version: () => ask(['openssl', 'version'], /OpenSSL \S+/),
    run: runOpenssl,
  },
  {
    name: 'gnutls',
    version: () => ask(['gnutls-cli', '--version'], /gnutls-cli \S+/),
    run: runGnutls,
  },
  {
    name: 'curl',
    version: () => ask(['curl', '--version'], /curl \S+ .*?OpenSSL\/\S+/),
    run: runCurl,
  },
  ownClient('go', {
    version: () => ask(['go', 'version'], /go\d\S+/),
    command: ['go', 'run', clientFile('client.go')],
  }),
  ownClient('java', {
    version: () => ask(['java', '--version'], /^\S+ \S+/),
    command: ['java', clientFile('Client.java')],
  }),
  ownClient('node', {
    version: () => `node ${process.version}, OpenSSL ${process.versions.openssl}`,
    command: [process.execPath, clientFile('client.ts')],
  }),
  ownClient('python', {
    version: () =>
      ask(
        [
          'python3',
          '-c',
          'import ssl, sys; print("Python", sys.version.split()[0], ssl.OPENSSL_VERSION)',
        ],
        /Python \S+ OpenSSL \S+/,
      ),
    command: ['python3', clientFile('client.py')],
  }),
];
