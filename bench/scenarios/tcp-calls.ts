/**
 * What one forwarded message asks of the kernel and of the allocator.
 *
 * Path: system calls by strace on all processes of the candidate, one connection active and then
 * many; allocations by a preloaded counter, for programs that use the C library's allocator.
 * Does not say how many connections are ready in one turn: with many active that is up to the
 * candidate. The gate counts the core with an exact number (see docs/benchmarks.md).
 */
import { BUSY_CONNECTIONS, TCP_MESSAGES } from '../rig/index.ts';
import { measureCalls } from './calls.ts';
import type { Scenario } from './scenario.ts';

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
  measure: (bench, tally) => measureCalls(bench, tally, { traffic: TCP_MESSAGES, suffix: '' }),
};
