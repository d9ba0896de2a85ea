/**
 * Latency as the rate grows: the part that tcp-latency and http-latency share.
 *
 * Path: one open-loop load for each rate on one candidate, 100 active among 1,000 connections. All
 * candidates get the same rates, so that they are compared at equal work.
 */
import type { LoadFlags, LoadResult, Rig } from '../rig/index.ts';
import {
  type Bench,
  declareLatency,
  type Figure,
  gatewayNsPer,
  latencyKeys,
  type Plot,
  runLoad,
  type Tally,
  tallyLatency,
  tallyLosses,
  windowOf,
} from './scenario.ts';

const RATES = [2_000, 10_000, 20_000, 40_000];
const CONNECTIONS = 1_000;
const ACTIVE = 100;

const nameOf = (rate: number): string => `at${rate / 1000}k`;

/** Fills the figures of `RATE_FIGURES`. */
export async function measureRates(
  bench: Bench,
  rig: Rig,
  tally: Tally,
  more: LoadFlags,
): Promise<void> {
  const results: LoadResult[] = [];
  for (const rate of RATES) {
    const result = await runLoad(rig, 'open', {
      connections: Math.ceil(CONNECTIONS / bench.scale.divisor),
      active: ACTIVE,
      rate,
      ...windowOf(bench.scale),
      ...more,
    });
    const name = nameOf(rate);
    tallyLatency(tally, name, result.response);
    tally.voidIfLimited(result, latencyKeys(name));
    const cpu = gatewayNsPer(result, result.answeredInWindow);
    if (cpu !== undefined) tally.point('cpu', rate, cpu / 1000);
    if (result.response !== undefined) tally.point('p99', rate, result.response.p99 / 1000);
    results.push(result);
  }
  tallyLosses(tally, results);
}

/** Figures of both scenarios. */
export const RATE_FIGURES: readonly Figure[] = [
  ...RATES.flatMap((rate) => declareLatency(nameOf(rate), `at ${rate / 1000},000/s`)),
  { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
];

/** Pictures of both scenarios; `thing` is what a rate counts. */
export function declareRatePlots(thing: string): Plot[] {
  const x = `${thing}s a second`;
  return [
    { kind: 'percentiles', histogram: nameOf(20_000), title: 'Latency at 20,000 a second' },
    { kind: 'lines', series: 'p99', title: 'p99 by rate', x, y: 'µs' },
    { kind: 'lines', series: 'cpu', title: `CPU per ${thing} by rate`, x, y: 'µs' },
  ];
}
