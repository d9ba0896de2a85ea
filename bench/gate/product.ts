/**
 * Figures of the whole product, Node included: what the core's own figures cannot show.
 *
 * Path: starts `holdfast run` of a tree with an instrument (strace, an allocation counter, a call
 * counter), sends a known number of messages through it, and divides.
 * Invariant: a figure is read while the product is idle before and after; what Node does by itself
 * meanwhile is below the noise that budgets.json allows. Without an instrument there is a sentence
 * instead of a figure.
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
  measureMessageAllocations,
  measureMessageSyscalls,
  Rig,
  type RigParts,
  ROOT,
  RunFailure,
  readSettledMemory,
  sendMessages,
} from '../rig/index.ts';

const MESSAGES = 40_000;
const TRACED_CONNECTIONS = 500;
const IDLE_STEPS = [1_000, 3_000, 5_000, 7_000, 9_000];
/** Longer than the period of the call counter. */
const READ_AGAIN_MS = 500;

/** User memory of an idle connection in the product, V8's own noise included. */
export async function measureBytes(parts: RigParts, tree: string): Promise<Measured> {
  await using rig = await Rig.start(parts, createHoldfast('head', tree));
  const most = Math.floor(parts.machine.descriptorsMax / 2) - 500;
  const steps = IDLE_STEPS.filter((step) => step <= most);
  if (steps.length < 2) return 'there are too few descriptors';
  const run = rig.load('idle', { steps: steps.join(','), watch: false });
  const points: [number, number][] = [];
  for (const step of steps) {
    await run.event('step');
    points.push([step, (await readSettledMemory(rig.pids())).userBytes]);
    run.step();
  }
  await run.result();
  return slopeOf(points);
}

/** Allocations of the whole process for each message. */
export function measureAllocations(parts: RigParts, tree: string): Promise<Measured> {
  return measureMessageAllocations(parts, createHoldfast('head', tree));
}

/** Calls of JavaScript functions, in all threads, for each message. */
export async function measureCrossings(parts: RigParts, tree: string): Promise<Measured> {
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
  try {
    await using rig = await Rig.start(parts, createHoldfast('head', tree), { env });
    await sendMessages(rig, MESSAGES / 10, BUSY_CONNECTIONS);
    const start = await read();
    if (start === 0) throw new RunFailure('the call counter counts nothing');
    await sendMessages(rig, MESSAGES, BUSY_CONNECTIONS);
    const few = (await read()) - start;
    const between = await read();
    await sendMessages(rig, MESSAGES * 3, BUSY_CONNECTIONS);
    return Math.max(0, (await read()) - between - few) / (MESSAGES * 2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** System calls of the product for each message, one connection ready at a time. */
export async function measureSyscalls(parts: RigParts, tree: string): Promise<Measured> {
  await using rig = await Rig.start(parts, createHoldfast('head', tree));
  return measureMessageSyscalls(rig, 1);
}

/** System calls of the product for a connection that comes, makes one round trip, and goes. */
export async function measureConnectionSyscalls(parts: RigParts, tree: string): Promise<Measured> {
  if (!(await hasStrace())) return 'strace is not installed';
  await using rig = await Rig.start(parts, createHoldfast('head', tree));
  const churn = (count: number) => async (): Promise<void> => {
    const run = rig.load('churn', { connections: 1, count, 'warmup-ms': 0, watch: false });
    await run.pass('ready');
    await run.result();
  };
  const few = await countSyscalls(rig, churn(TRACED_CONNECTIONS));
  const many = await countSyscalls(rig, churn(TRACED_CONNECTIONS * 3));
  return (many - few) / (TRACED_CONNECTIONS * 2);
}
