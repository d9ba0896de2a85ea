/**
 * Many connections that say nothing: what each of them costs while it waits.
 *
 * Path: see idle-mass.ts; plain TCP on both sides, from 1,000 connections to 9,000 or as many as
 * descriptors allow. Does not say what a busy connection costs.
 */
import { declareIdle, type IdleKind, measureIdleMass } from './idle-mass.ts';
import type { Scenario } from './scenario.ts';

const KIND: IdleKind = { suffix: '', title: 'connection' };

/** See the header. */
export const tcpIdleMass: Scenario = {
  name: 'tcp-idle-mass',
  question:
    'How much memory does an idle proxied connection hold, between 1,000 and 9,000 of them?',
  groups: ['tcp'],
  figures: [
    ...declareIdle(KIND),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [
    {
      kind: 'lines',
      series: 'user',
      title: 'User memory against connections',
      x: 'connections',
      y: 'MiB',
    },
    { kind: 'bars', figure: 'user', title: 'User memory per idle connection' },
  ],
  claims: [
    { sentence: 'at most 256 B of user memory for each', figure: 'user', atMost: 256 },
    { sentence: 'nothing is lost', figure: 'losses', atMost: 0 },
  ],
  measure: async (bench, tally) => {
    tally.figure('losses', await measureIdleMass(bench, tally, KIND));
  },
};
