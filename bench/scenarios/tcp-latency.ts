/**
 * Latency of small messages as the rate grows, from the intended send time.
 *
 * Path: one open-loop load for each rate on one candidate, 100 active among 1,000 connections. All
 * candidates get the same rates, so that they are compared at equal work.
 */
import { Rig } from '../rig/index.ts';
import {
  type Bench,
  countLosses,
  declareLatency,
  gatewayNsPer,
  latencyKeys,
  runLoad,
  type Scenario,
  type Tally,
  tallyLatency,
  windowOf,
} from './scenario.ts';

const RATES = [2_000, 10_000, 20_000, 40_000];
const CONNECTIONS = 1_000;
const ACTIVE = 100;

const nameOf = (rate: number): string => `at${rate / 1000}k`;

async function measure({ parts, candidate, scale }: Bench, tally: Tally): Promise<void> {
  await using rig = await Rig.start(parts, candidate);
  let losses = 0;
  for (const rate of RATES) {
    const result = await runLoad(rig, 'open', {
      connections: Math.ceil(CONNECTIONS / scale.divisor),
      active: ACTIVE,
      rate,
      ...windowOf(scale),
    });
    const name = nameOf(rate);
    tallyLatency(tally, name, result.response);
    tally.voidIfLimited(result, latencyKeys(name));
    const cpu = gatewayNsPer(result, result.answeredInWindow);
    if (cpu !== undefined) tally.point('cpu', rate, cpu / 1000);
    if (result.response !== undefined) tally.point('p99', rate, result.response.p99 / 1000);
    losses += countLosses(result);
  }
  tally.figure('losses', losses);
}

/** See the header. */
export const tcpLatency: Scenario = {
  name: 'tcp-latency',
  question: 'How does the latency of a 64-byte round trip grow with the rate?',
  groups: [],
  figures: [
    ...RATES.flatMap((rate) => declareLatency(nameOf(rate), `at ${rate / 1000},000/s`)),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [
    { kind: 'percentiles', histogram: nameOf(20_000), title: 'Latency at 20,000 a second' },
    { kind: 'lines', series: 'p99', title: 'p99 by rate', x: 'round trips a second', y: 'µs' },
    {
      kind: 'lines',
      series: 'cpu',
      title: 'CPU per round trip by rate',
      x: 'round trips a second',
      y: 'µs',
    },
  ],
  claims: [{ sentence: 'nothing is lost', figure: 'losses', atMost: 0 }],
  measure,
};
