/**
 * Many clients of HTTP that keep their connection and say nothing: what each of them costs.
 *
 * Path: see idle-mass.ts; each connection has made one request, whose connection to the origin went
 * back to the pool. Only clients are counted: the pool holds what was once needed at the same time,
 * and does not grow with them. They open few at a time: buffers of requests under way are not what
 * idle connections hold.
 */
import { declareIdle, type IdleKind, measureIdleMass } from './idle-mass.ts';
import type { Scenario } from './scenario.ts';

const BYTES_MAX = 384;
const OPENING = 16;
const KIND: IdleKind = {
  suffix: '',
  title: 'client',
  http: { isBare: false },
  flags: { payload: 'http', opening: OPENING },
};

/** See the header. */
export const httpIdleMass: Scenario = {
  name: 'http-idle-mass',
  question: 'How much memory does an idle keep-alive client hold, between 1,000 and 9,000 of them?',
  groups: ['web'],
  protocol: 'http',
  figures: [
    ...declareIdle(KIND),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [
    {
      kind: 'lines',
      series: 'user',
      title: 'User memory against keep-alive clients',
      x: 'clients',
      y: 'MiB',
    },
    { kind: 'bars', figure: 'user', title: 'User memory per idle keep-alive client' },
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
