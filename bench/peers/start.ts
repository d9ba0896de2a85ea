/**
 * Starting a peer: write its files, start it under guard, wait until it accepts.
 *
 * Path: each peer's file says what to write and what to run; the rest is the same for all and is
 * here.
 * Invariant: a peer that does not accept within START_MS_MAX, or ends before, is a RunFailure that
 * carries the last line of its log.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Guarded, RunFailure, type Running, type StartOptions } from '../rig/index.ts';

const run = promisify(execFile);
const START_MS_MAX = 20_000;
const POLL_MS = 20;
const RELOAD_MS_MAX = 30_000;
const RELOAD_AGAIN_MS = 500;
const RELOAD_POLL_MS = 4;
const RELOAD_POLL_MS_MAX = 32;

/** What a peer runs. */
export interface PeerCommand {
  readonly argv: readonly string[];
  /** Files to write into the folder, by name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Processes that the first one starts after it listens; absent: none. */
  readonly children?: number;
}

function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: '127.0.0.1', port });
  socket.once('connect', () => {
    socket.resetAndDestroy();
    resolve(true);
  });
  socket.once('error', () => resolve(false));
  return promise;
}

/** The line of a log that says what went wrong: the last that names an error, or the last. */
function readComplaint(logPath: string): string {
  const text = existsSync(logPath) ? readFileSync(logPath, 'utf8').trim() : '';
  const lines = text.split('\n');
  return lines.findLast((line) => /error|fail|cannot/i.test(line)) ?? lines.at(-1) ?? '';
}

/** Waits until somebody accepts on the port. */
export async function waitForPort(port: number, peer: Guarded, logPath: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < START_MS_MAX; waitedMs += POLL_MS) {
    if (await accepts(port)) return;
    if (peer.hasEnded()) throw new RunFailure(`it ended at once: ${readComplaint(logPath)}`);
    await delay(POLL_MS);
  }
  throw new RunFailure(
    `it did not accept within ${START_MS_MAX / 1000} s: ${readComplaint(logPath)}`,
  );
}

/** Waits until a peer has all its processes: one that forks after it listens is not whole before. */
async function waitForProcesses(peer: Guarded, count: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < START_MS_MAX; waitedMs += POLL_MS) {
    if (peer.pids().length >= count) return;
    await delay(POLL_MS);
  }
  throw new RunFailure(`it had no ${count} processes within ${START_MS_MAX / 1000} s`);
}

/** Starts a peer and waits until it accepts on the front port and is whole. */
export async function startPeer(
  options: StartOptions,
  command: PeerCommand,
): Promise<Running & { readonly guarded: Guarded }> {
  for (const [name, text] of Object.entries(command.files ?? {})) {
    writeFileSync(join(options.folder, name), text);
  }
  const logPath = join(options.folder, 'peer.log');
  const guarded = await options.processes.startGuarded({
    argv: command.argv,
    cores: options.cores,
    logPath,
    env: { ...command.env, ...options.env },
  });
  await waitForPort(options.frontPort, guarded, logPath);
  await waitForProcesses(guarded, 1 + (command.children ?? 0));
  return {
    guarded,
    address: `127.0.0.1:${options.frontPort}`,
    pids: () => guarded.pids(),
    stop: () => guarded.stop(),
  };
}

const QUESTION = 'GET /generation HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n';

/** What GET /generation answers in front; empty when nobody does. No more than a socket's work. */
function readGeneration({ frontPort }: StartOptions): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ host: '127.0.0.1', port: frontPort });
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (part: string) => {
    text += part;
  });
  socket.once('error', () => resolve(''));
  socket.once('close', () => resolve(/\r\n\r\n(\d+)/.exec(text)?.[1] ?? ''));
  socket.write(QUESTION);
  return promise;
}

/** How a candidate with HTTP gets its next configuration. */
export interface Reloading {
  /** The file that the candidate reads again. */
  readonly file: string;
  /** Its text, with GET /generation answered by the number. */
  readonly configure: (options: StartOptions, generation: number) => string;
  /** Tells the candidate. */
  readonly signal: () => void;
}

/**
 * A reload that is over when requests meet the new routes.
 *
 * @throws RunFailure when they do not within RELOAD_MS_MAX.
 */
export function createReload(options: StartOptions, reloading: Reloading): () => Promise<void> {
  let generation = 0;
  return async () => {
    generation += 1;
    const text = reloading.configure(options, generation);
    writeFileSync(join(options.folder, reloading.file), text);
    const startMs = performance.now();
    let askedMs = Number.NEGATIVE_INFINITY;
    for (let waitMs = RELOAD_POLL_MS; ; waitMs = Math.min(waitMs * 2, RELOAD_POLL_MS_MAX)) {
      const nowMs = performance.now();
      if (nowMs - startMs > RELOAD_MS_MAX) {
        throw new RunFailure(`reload ${generation} had no effect`);
      }
      // A signal that comes while the last reload is not over may be dropped.
      if (nowMs - askedMs > RELOAD_AGAIN_MS) {
        reloading.signal();
        askedMs = nowMs;
      }
      await delay(waitMs);
      if ((await readGeneration(options)) === `${generation}`) return;
    }
  };
}

/** `FRONT_PORT ORIGIN_PORT [CERTIFICATE KEY]`: what our own small peers are told. */
export function listPortsAndTls({ frontPort, originPort, tls }: StartOptions): string[] {
  const pair = tls === undefined ? [] : [tls.certificate, tls.key];
  return [`${frontPort}`, `${originPort}`, ...pair];
}

/** The path of a program, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/usr/local/sbin`;
  return folders
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** The first match of a pattern in what a program says about itself, or undefined. */
export async function askVersion(
  argv: readonly [string, ...string[]],
  pattern: RegExp,
): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await run(argv[0], argv.slice(1), { encoding: 'utf8' });
    return pattern.exec(`${stdout}\n${stderr}`)?.[1];
  } catch {
    return undefined;
  }
}

/** Socket descriptors of a process: what it holds open towards clients and origins. */
export async function countSockets(pid: number): Promise<number> {
  try {
    const { stdout } = await run('find', [`/proc/${pid}/fd`, '-lname', 'socket:*'], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    return stdout.split('\n').length - 1;
  } catch {
    return 0;
  }
}
