/**
 * Latency of small messages as the rate grows, from the intended send time.
 *
 * Path: see latency-by-rate.ts; 64-byte round trips over plain TCP. Does not say what a round trip
 * costs where the candidate is saturated; tcp-echo does.
 */
import { Rig } from '../rig/index.ts';
import { declareRatePlots, measureRates, RATE_FIGURES } from './latency-by-rate.ts';
import type { Scenario } from './scenario.ts';

/** See the header. */
export const tcpLatency: Scenario = {
  name: 'tcp-latency',
  question: 'How does the latency of a 64-byte round trip grow with the rate?',
  groups: [],
  figures: RATE_FIGURES,
  plots: declareRatePlots('round trip'),
  claims: [{ sentence: 'nothing is lost', figure: 'losses', atMost: 0 }],
  measure: async (bench, tally) => {
    await using rig = await Rig.start(bench.parts, bench.candidate);
    await measureRates(bench, rig, tally, {});
  },
};
