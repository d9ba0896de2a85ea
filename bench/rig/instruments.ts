/**
 * Instruments on a running candidate: system calls by strace, allocations by a preloaded counter.
 *
 * Path: scenarios and the gate send a known number of messages while an instrument looks.
 * Invariant: a figure is the difference of two runs of unlike size, so that opening, closing and
 * what a process does by itself are not in it. An instrument that is not there is a sentence.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BUILD, ROOT } from './build.ts';
import type { Candidate } from './candidate.ts';
import { RunFailure } from './failure.ts';
import type { LoadFlags } from './load.ts';
import { Rig, type RigOptions, type RigParts } from './rig.ts';

const run = promisify(execFile);

/** A figure, or why there is none. */
export type Measured = number | string;

/** Messages of the smaller run; the larger one has three times as many. */
const MESSAGES = 40_000;
const TRACED_MESSAGES = 4_000;
/** Divides every count of messages here, so that each connection has the same part. */
export const BUSY_CONNECTIONS = 40;

/** What is sent while an instrument looks. */
export interface Traffic {
  /** By the names of the load generator. */
  readonly payload: 'tcp' | 'http' | 'websocket';
  /** What is counted for each round trip: a message in each direction, or one request. */
  readonly perRoundTrip: number;
  /** How the candidate is started. */
  readonly rig: RigOptions;
}

const HTTP: RigOptions = { http: { isBare: false } };
/** Messages over TCP. */
export const TCP_MESSAGES: Traffic = { payload: 'tcp', perRoundTrip: 2, rig: {} };
/** Small GETs on connections that are kept. */
export const HTTP_REQUESTS: Traffic = { payload: 'http', perRoundTrip: 1, rig: HTTP };
/** Messages of WebSockets. */
export const WEBSOCKET_MESSAGES: Traffic = { payload: 'websocket', perRoundTrip: 2, rig: HTTP };

/** How much of it. */
export interface Amount {
  /** Messages in both directions, or requests. */
  readonly count: number;
  readonly active: number;
}

/** Sends so much, as fast as it comes back. */
export async function sendTraffic(rig: Rig, traffic: Traffic, amount: Amount): Promise<void> {
  const { payload, perRoundTrip } = traffic;
  const { count, active } = amount;
  const flags: LoadFlags = {
    payload,
    connections: active,
    active,
    messages: count / perRoundTrip,
    watch: false,
    'duration-ms': 60_000,
  };
  const run = rig.load('closed', flags);
  await run.pass('ready');
  const { answeredInWindow = 0 } = await run.result();
  if (answeredInWindow * perRoundTrip < count) {
    throw new RunFailure(`only ${answeredInWindow} round trips came back`);
  }
}

/** Sum of the calls column of `strace -c`; the row of the total is left out. */
export function parseStrace(text: string): number {
  const rows = text.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$/gm);
  let calls = 0;
  for (const [, count, name] of rows) if (name !== 'total') calls += Number(count);
  return calls;
}

async function attach(pids: readonly number[], path: string): Promise<ChildProcess> {
  const strace = spawn(
    'strace',
    ['-f', '-c', '-o', path, ...pids.flatMap((pid) => ['-p', `${pid}`])],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let said = '';
  strace.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
    const attached = said.match(/attached/g)?.length ?? 0;
    if (attached >= pids.length) resolve();
  });
  strace.once('error', reject);
  strace.once('exit', () => reject(new RunFailure(`strace ended: ${said.trim()}`)));
  await promise;
  return strace;
}

/** System calls of all processes of the candidate while `work` runs. */
export async function countSyscalls(rig: Rig, work: () => Promise<void>): Promise<number> {
  const path = join(rig.folder, 'strace.txt');
  const strace = await attach(rig.pids(), path);
  try {
    await work();
  } finally {
    strace.kill('SIGINT');
    await once(strace, 'exit');
  }
  return parseStrace(readFileSync(path, 'utf8'));
}

/** True when strace can be run. */
export async function hasStrace(): Promise<boolean> {
  return run('strace', ['--version']).then(
    () => true,
    () => false,
  );
}

/** System calls of a candidate for each thing sent, with so many connections active at once. */
export async function measureTrafficSyscalls(
  rig: Rig,
  traffic: Traffic,
  active: number,
): Promise<Measured> {
  if (!(await hasStrace())) return 'strace is not installed';
  const count = TRACED_MESSAGES;
  const few = await countSyscalls(rig, () => sendTraffic(rig, traffic, { count, active }));
  const thrice = { count: count * 3, active };
  const many = await countSyscalls(rig, () => sendTraffic(rig, traffic, thrice));
  return (many - few) / (count * 2);
}

/** Builds the library that counts allocations; returns its path. */
async function buildAllocationCounter(): Promise<string> {
  const sources = join(ROOT, 'bench', 'gate', 'harness');
  const out = join(BUILD, 'harness-head');
  const path = join(out, 'count_allocations.so');
  await run('make', ['-s', '-C', sources, `OUT=${out}`, path]);
  return path;
}

/**
 * Allocations of all processes of a candidate for each thing sent. Only for programs that allocate
 * by the C library.
 */
export async function measureTrafficAllocations(
  parts: RigParts,
  candidate: Candidate,
  traffic: Traffic,
): Promise<Measured> {
  const path = join(BUILD, `allocations-${process.pid}`);
  const env = { LD_PRELOAD: await buildAllocationCounter(), HF_ALLOCATIONS: path };
  const read = (): number => Number(readFileSync(path).readBigUInt64LE(0));
  try {
    await using rig = await Rig.start(parts, candidate, { ...traffic.rig, env });
    const send = (count: number): Promise<void> =>
      sendTraffic(rig, traffic, { count, active: BUSY_CONNECTIONS });
    await send(MESSAGES / 10);
    const start = read();
    if (start === 0) throw new RunFailure('the allocation counter counts nothing');
    await send(MESSAGES);
    const between = read();
    await send(MESSAGES * 3);
    const few = between - start;
    return Math.max(0, read() - between - few) / (MESSAGES * 2);
  } finally {
    rmSync(path, { force: true });
  }
}
