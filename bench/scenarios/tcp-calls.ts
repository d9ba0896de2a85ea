/**
 * What one forwarded message asks of the kernel and of the allocator.
 *
 * Path: system calls by strace on all processes of the candidate, one connection active and then
 * many; allocations by a preloaded counter, for programs that use the C library's allocator.
 * Does not say how many connections are ready in one turn: with many active that is up to the
 * candidate. The gate counts the core with an exact number (see docs/benchmarks.md).
 */
import {
  BUSY_CONNECTIONS,
  measureMessageAllocations,
  measureMessageSyscalls,
  Rig,
} from '../rig/index.ts';
import type { Bench, Scenario, Tally } from './scenario.ts';

/** The others bring their own allocator, or collect garbage. */
const BY_C_LIBRARY = new Set(['holdfast', 'nginx', 'haproxy', 'node-pipe']);
/** What Node does by itself in the seconds of a measurement, spread over its messages. */
const NOISE = 0.01;

async function measure({ parts, candidate }: Bench, tally: Tally): Promise<void> {
  await using rig = await Rig.start(parts, candidate);
  for (const [key, active] of [
    ['alone', 1],
    ['busy', BUSY_CONNECTIONS],
  ] as const) {
    const calls = await measureMessageSyscalls(rig, active);
    if (typeof calls === 'number') tally.figure(key, calls);
    else tally.note(`No system calls: ${calls}.`);
  }
  if (!BY_C_LIBRARY.has(candidate.name)) return;
  const allocations = await measureMessageAllocations(parts, candidate);
  if (typeof allocations === 'number') {
    tally.figure('allocations', allocations < NOISE ? 0 : allocations);
  }
}

/** See the header. */
export const tcpCalls: Scenario = {
  name: 'tcp-calls',
  question: 'How many system calls and allocations does one forwarded message cost?',
  groups: ['tcp'],
  figures: [
    { key: 'alone', title: 'system calls, one connection active', unit: 'ratio', better: 'lower' },
    {
      key: 'busy',
      title: `system calls, ${BUSY_CONNECTIONS} connections active`,
      unit: 'ratio',
      better: 'lower',
    },
    { key: 'allocations', title: 'allocations', unit: 'ratio', better: 'lower' },
  ],
  plots: [],
  claims: [
    {
      sentence: 'at most 2 + 2/k system calls per message, k = 1 ready in a turn',
      figure: 'alone',
      atMost: 4,
    },
    { sentence: 'no allocation per message', figure: 'allocations', atMost: 0 },
  ],
  leavesOut: ({ role }) => (role === 'floor' ? 'there is nothing to look at' : undefined),
  measure,
};
