/**
 * One message for everybody: the shape of push and chat.
 *
 * Path: 5,000 clients wait; the origin writes each publication to all of them at once, through the
 * candidate. Latency runs from the intended time of the publication to each delivery, and to the
 * last.
 */
import { Rig } from '../rig/index.ts';
import {
  type Bench,
  declareLatency,
  gatewayNsPer,
  latencyKeys,
  limitConnections,
  runLoad,
  type Scenario,
  type Tally,
  tallyLatency,
} from './scenario.ts';

const SUBSCRIBERS = 5_000;
const RATE = 4;

async function measure(bench: Bench, tally: Tally): Promise<void> {
  const { parts, candidate, scale } = bench;
  await using rig = await Rig.start(parts, candidate);
  // One of the connections publishes.
  const subscribers = limitConnections(bench, rig, tally, SUBSCRIBERS + 1) - 1;
  tally.parameter('subscribers', subscribers);
  tally.parameter('publicationsPerSecond', RATE);
  const result = await runLoad(rig, 'fanout', {
    connections: subscribers,
    rate: RATE,
    'duration-ms': scale.seconds * 1000,
  });
  tallyLatency(tally, 'delivery', result.response);
  tallyLatency(tally, 'completion', result.completion);
  tally.voidIfLimited(result, [...latencyKeys('delivery'), ...latencyKeys('completion')]);
  tally.figure('cpu', gatewayNsPer(result, (result.publications ?? 0) * subscribers));
  tally.figure('losses', (result.unanswered ?? 0) + (result.connections?.lost ?? 0));
}

/** See the header. */
export const fanOut: Scenario = {
  name: 'fan-out',
  question: 'How long until one message has reached all of 5,000 clients?',
  groups: [],
  figures: [
    { key: 'cpu', title: 'CPU per delivery', unit: 'ns', better: 'lower' },
    ...declareLatency('delivery', 'delivery'),
    ...declareLatency('completion', 'last delivery'),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [
    { kind: 'percentiles', histogram: 'delivery', title: 'Publication to delivery' },
    { kind: 'bars', figure: 'cpu', title: 'CPU per delivery' },
  ],
  claims: [{ sentence: 'nothing is lost', figure: 'losses', atMost: 0 }],
  measure,
};
