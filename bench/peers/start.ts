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
