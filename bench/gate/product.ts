/**
 * Figures of the whole product, Node included: what the core's own figures cannot show.
 *
 * Path: starts `holdfast run` of a tree with an instrument (strace, an allocation counter, a call
 * counter), sends a known number of messages through it, and divides.
 * Invariant: a figure is the difference of two runs of unlike size, less what the idle product does
 * in the time by which the larger one is longer; so a slow machine gives the same figure. What is
 * left of Node's own work is below the noise that budgets.json allows. Without an instrument there
 * is a sentence instead of a figure.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createHoldfast } from '../peers/index.ts';
import { slopeOf } from '../report/index.ts';
import {
  BUILD,
  BUSY_CONNECTIONS,
  countSyscalls,
  hasStrace,
  type Measured,
  measureTrafficAllocations,
  Rig,
  type RigParts,
  ROOT,
  RunFailure,
  readSettledMemory,
  sendTraffic,
  TCP_MESSAGES,
  type Traffic,
} from '../rig/index.ts';

const MESSAGES = 40_000;
const TRACED_MESSAGES = 4_000;
const TRACED_CONNECTIONS = 500;
/** How long the product is watched while nothing is asked of it. */
const IDLE_MS = 1_500;
const IDLE_STEPS = [1_000, 3_000, 5_000, 7_000, 9_000];
/** Connections that open at a time: what a burst leaves behind is not what idle ones hold. */
const OPENING = 16;
/** Longer than the period of the call counter. */
const READ_AGAIN_MS = 500;

/** Something that was counted while something was done. */
interface Count {
  readonly events: number;
  readonly ms: number;
}

/** Events for each of the `things` by which `many` did more than `few`, without those of `idle`. */
export function perThing(
  counts: { readonly idle: Count; readonly few: Count; readonly many: Count },
  things: number,
): number {
  const { idle, few, many } = counts;
  const byItself = (idle.events / idle.ms) * (many.ms - few.ms);
  return Math.max(0, many.events - few.events - byItself) / things;
}

/** What is measured: the product of a tree, under this traffic. */
export interface ProductSubject {
  readonly parts: RigParts;
  readonly tree: string;
  /** Absent: messages over TCP. */
  readonly traffic?: Traffic;
}

/** User memory of an idle connection in the product, V8's own noise included. */
export async function measureBytes(subject: ProductSubject): Promise<Measured> {
  const { parts, tree, traffic = TCP_MESSAGES } = subject;
  await using rig = await Rig.start(parts, createHoldfast('head', tree), traffic.rig);
  const most = Math.floor(parts.machine.descriptorsMax / 2) - 500;
  const steps = IDLE_STEPS.filter((step) => step <= most);
  if (steps.length < 2) return 'there are too few descriptors';
  const run = rig.load('idle', {
    steps: steps.join(','),
    payload: traffic.payload,
    opening: OPENING,
    watch: false,
  });
  const points: [number, number][] = [];
  for (const step of steps) {
    await run.event('step');
    points.push([step, (await readSettledMemory(rig.pids())).userBytes]);
    run.step();
  }
  await run.result();
  return slopeOf(points);
}

/** Allocations of the whole process for each message or request. */
export function measureAllocations(subject: ProductSubject): Promise<Measured> {
  const { parts, tree, traffic = TCP_MESSAGES } = subject;
  return measureTrafficAllocations(parts, createHoldfast('head', tree), traffic);
}

/** Calls of JavaScript functions, in all threads, for each message or request. */
export async function measureCrossings(subject: ProductSubject): Promise<Measured> {
  const { parts, tree, traffic = TCP_MESSAGES } = subject;
  const folder = join(BUILD, `crossings-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const probe = join(ROOT, 'bench', 'gate', 'probe-crossings.mjs');
  const env = { NODE_OPTIONS: `--import=${probe}`, HF_CROSSINGS: folder };
  const read = async (): Promise<number> => {
    await delay(READ_AGAIN_MS);
    const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
    if (files.length < 2) throw new RunFailure('the call counter does not run in every thread');
    const counts = files.map(
      (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as { calls: number },
    );
    return counts.reduce((sum, { calls }) => sum + calls, 0);
  };
  let last = { calls: 0, ms: 0 };
  const count = async (work: () => Promise<unknown>): Promise<Count> => {
    await work();
    const before = last;
    last = { calls: await read(), ms: performance.now() };
    return { events: last.calls - before.calls, ms: last.ms - before.ms };
  };
  try {
    const options = { ...traffic.rig, env };
    await using rig = await Rig.start(parts, createHoldfast('head', tree), options);
    const send = (messages: number): Promise<void> =>
      sendTraffic(rig, traffic, { count: messages, active: BUSY_CONNECTIONS });
    const { events } = await count(() => send(MESSAGES / 10));
    if (events === 0) throw new RunFailure('the call counter counts nothing');
    const idle = await count(() => delay(IDLE_MS));
    const few = await count(() => send(MESSAGES));
    const many = await count(() => send(MESSAGES * 3));
    return perThing({ idle, few, many }, MESSAGES * 2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function countCalls(rig: Rig, work: () => Promise<unknown>): Promise<Count> {
  let ms = 0;
  const events = await countSyscalls(rig, async () => {
    const startedMs = performance.now();
    await work();
    ms = performance.now() - startedMs;
  });
  return { events, ms };
}

/** System calls of the product while it does `work` that often, and three times as often. */
async function measureCalls(
  subject: ProductSubject,
  work: { readonly times: number; readonly run: (rig: Rig, times: number) => Promise<void> },
): Promise<Measured> {
  if (!(await hasStrace())) return 'strace is not installed';
  const { parts, tree, traffic = TCP_MESSAGES } = subject;
  await using rig = await Rig.start(parts, createHoldfast('head', tree), traffic.rig);
  const idle = await countCalls(rig, () => delay(IDLE_MS));
  const few = await countCalls(rig, () => work.run(rig, work.times));
  const many = await countCalls(rig, () => work.run(rig, work.times * 3));
  return perThing({ idle, few, many }, work.times * 2);
}

/** System calls of the product for each message or request, one connection ready at a time. */
export function measureSyscalls(subject: ProductSubject): Promise<Measured> {
  const { traffic = TCP_MESSAGES } = subject;
  return measureCalls(subject, {
    times: TRACED_MESSAGES,
    run: (rig, count) => sendTraffic(rig, traffic, { count, active: 1 }),
  });
}

/** System calls of the product for a connection that comes, makes one round trip, and goes. */
export function measureConnectionSyscalls(subject: ProductSubject): Promise<Measured> {
  return measureCalls(subject, {
    times: TRACED_CONNECTIONS,
    run: async (rig, count) => {
      const run = rig.load('churn', { connections: 1, count, 'warmup-ms': 0, watch: false });
      await run.pass('ready');
      await run.result();
    },
  });
}
