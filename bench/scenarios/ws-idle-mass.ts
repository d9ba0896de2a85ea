/**
 * Many WebSockets that say nothing: what each of them costs while it waits.
 *
 * Path: see idle-mass.ts; each has been upgraded and echoed one message, so both sides of the
 * tunnel stand. They open few at a time: buffers of requests under way are not what idle
 * connections hold.
 */
import { declareIdle, type IdleKind, measureIdleMass } from './idle-mass.ts';
import type { Scenario } from './scenario.ts';

const BYTES_MAX = 256;
const OPENING = 16;
const KIND: IdleKind = {
  suffix: '',
  title: 'WebSocket',
  http: { isBare: false },
  flags: { payload: 'websocket', opening: OPENING },
};

/** See the header. */
export const wsIdleMass: Scenario = {
  name: 'ws-idle-mass',
  question: 'How much memory does an idle WebSocket hold, between 1,000 and 9,000 of them?',
  groups: ['web'],
  protocol: 'websocket',
  figures: [
    ...declareIdle(KIND),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [
    {
      kind: 'lines',
      series: 'user',
      title: 'User memory against WebSockets',
      x: 'WebSockets',
      y: 'MiB',
    },
    { kind: 'bars', figure: 'user', title: 'User memory per idle WebSocket' },
  ],
  claims: [
    {
      sentence: `at most ${BYTES_MAX} B of user memory for each`,
      figure: 'user',
      atMost: BYTES_MAX,
    },
    { sentence: 'nothing is lost', figure: 'losses', atMost: 0 },
  ],
  measure: async (bench, tally) => {
    tally.figure('losses', await measureIdleMass(bench, tally, KIND));
  },
};
