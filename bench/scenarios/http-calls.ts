/**
 * What a request and a message of a WebSocket ask of the kernel and of the allocator.
 *
 * Path: see calls.ts; small GETs on connections that are kept, then echoed messages. Of a candidate
 * that does not do WebSocket there are the figures of requests.
 */
import { BUSY_CONNECTIONS, HTTP_REQUESTS, WEBSOCKET_MESSAGES } from '../rig/index.ts';
import { type CallsKind, measureCalls } from './calls.ts';
import type { Figure, Scenario } from './scenario.ts';

const KINDS = [
  { traffic: HTTP_REQUESTS, suffix: 'Request', title: 'request' },
  { traffic: WEBSOCKET_MESSAGES, suffix: 'Message', title: 'WebSocket message' },
] as const satisfies readonly (CallsKind & { readonly title: string })[];

const declare = (key: string, title: string): Figure => ({
  key,
  title,
  unit: 'ratio',
  better: 'lower',
});

/** See the header. */
export const httpCalls: Scenario = {
  name: 'http-calls',
  question: 'How many system calls and allocations does a request or a WebSocket message cost?',
  groups: ['web'],
  protocol: 'http',
  figures: KINDS.flatMap(({ suffix, title }) => [
    declare(`alone${suffix}`, `system calls per ${title}, one connection active`),
    declare(`busy${suffix}`, `system calls per ${title}, ${BUSY_CONNECTIONS} active`),
    declare(`allocations${suffix}`, `allocations per ${title}`),
  ]),
  plots: [],
  claims: KINDS.map(({ suffix, title }) => ({
    sentence: `no allocation per ${title}`,
    figure: `allocations${suffix}`,
    atMost: 0,
  })),
  leavesOut: ({ role }) => (role === 'floor' ? 'there is nothing to look at' : undefined),
  measure: async (bench, tally) => {
    for (const kind of KINDS) {
      const { payload } = kind.traffic;
      if (bench.candidate.carries.includes(payload)) await measureCalls(bench, tally, kind);
    }
  },
};
