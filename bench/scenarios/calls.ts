/**
 * What one thing that passes asks of the kernel and of the allocator: the part that tcp-calls and
 * http-calls share.
 *
 * Path: system calls by strace on all processes of the candidate, one connection active and then
 * many; allocations by a preloaded counter, for programs that use the C library's allocator.
 */
import {
  BUSY_CONNECTIONS,
  measureTrafficAllocations,
  measureTrafficSyscalls,
  Rig,
  type Traffic,
} from '../rig/index.ts';
import type { Bench, Tally } from './scenario.ts';

/** The others bring their own allocator, or collect garbage. */
const BY_C_LIBRARY = new Set(['holdfast', 'nginx', 'haproxy', 'node-pipe']);
/** What Node does by itself in the seconds of a measurement, spread over its messages. */
const NOISE = 0.01;

/** What passes. `suffix` marks the keys of its figures. */
export interface CallsKind {
  readonly traffic: Traffic;
  readonly suffix: string;
}

/** Fills `alone`, `busy` and `allocations` with the suffix. */
export async function measureCalls(bench: Bench, tally: Tally, kind: CallsKind): Promise<void> {
  const { parts, candidate } = bench;
  const { traffic, suffix } = kind;
  {
    await using rig = await Rig.start(parts, candidate, traffic.rig);
    for (const [key, active] of [
      ['alone', 1],
      ['busy', BUSY_CONNECTIONS],
    ] as const) {
      const calls = await measureTrafficSyscalls(rig, traffic, active);
      if (typeof calls === 'number') tally.figure(`${key}${suffix}`, calls);
      else tally.note(`No system calls: ${calls}.`);
    }
  }
  if (!BY_C_LIBRARY.has(candidate.name)) return;
  const allocations = await measureTrafficAllocations(parts, candidate, traffic);
  if (typeof allocations === 'number') {
    tally.figure(`allocations${suffix}`, allocations < NOISE ? 0 : allocations);
  }
}
