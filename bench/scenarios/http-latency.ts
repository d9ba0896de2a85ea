/**
 * Latency of small requests as the rate grows, from the intended send time.
 *
 * Path: see latency-by-rate.ts; GETs on connections that are kept. Does not say what a request
 * costs where the candidate is saturated; http-get does.
 */
import { Rig } from '../rig/index.ts';
import { declareRatePlots, measureRates, RATE_FIGURES } from './latency-by-rate.ts';
import type { Scenario } from './scenario.ts';

/** See the header. */
export const httpLatency: Scenario = {
  name: 'http-latency',
  question: 'How does the latency of a small GET grow with the rate?',
  groups: [],
  protocol: 'http',
  figures: RATE_FIGURES,
  plots: declareRatePlots('request'),
  claims: [{ sentence: 'nothing is lost or wrong', figure: 'losses', atMost: 0 }],
  measure: async (bench, tally) => {
    await using rig = await Rig.start(bench.parts, bench.candidate, { http: { isBare: false } });
    await measureRates(bench, rig, tally, { payload: 'http' });
  },
};
