/**
 * Everybody reconnects at once while some work goes on.
 *
 * Path: 500 established connections carry 5,000 messages a second; then 8,000 others are cut by
 * RST and come back, 10,000 in a second at most, so that the generator's own schedule holds beside
 * them. The figure is what the established ones feel meanwhile. Does not say how fast a client
 * library would come back.
 */
import { Rig } from '../rig/index.ts';
import {
  type Bench,
  countLosses,
  declareLatency,
  latencyKeys,
  runLoad,
  type Scenario,
  type Tally,
  tallyLatency,
} from './scenario.ts';

const ESTABLISHED = 500;
const STORM = 8_000;
const RATE = 5_000;
const OPENS_PER_SECOND = 10_000;

async function measure({ parts, candidate, scale }: Bench, tally: Tally): Promise<void> {
  await using rig = await Rig.start(parts, candidate);
  const most = rig.connectionsMax - ESTABLISHED;
  const storm = Math.min(Math.ceil(STORM / scale.divisor), most);
  tally.parameter('storm', storm);
  tally.parameter('established', ESTABLISHED);
  tally.parameter('ratePerSecond', RATE);
  tally.parameter('opensPerSecond', OPENS_PER_SECOND);
  if (most === storm) tally.note(`${storm} instead of ${STORM} connections: the descriptor limit.`);
  const result = await runLoad(rig, 'storm', {
    connections: ESTABLISHED,
    rate: RATE,
    storm,
    'storm-per-second': OPENS_PER_SECOND,
    'storm-after-ms': scale.seconds * 1000,
    'duration-ms': scale.seconds * 3000,
    'drain-ms': 3000,
  });
  tallyLatency(tally, 'before', result.response);
  tallyLatency(tally, 'during', result.duringStorm);
  tallyLatency(tally, 'after', result.afterStorm);
  tally.voidIfLimited(result, latencyKeys('during'));
  tally.figure('reconnect', (result.stormNs ?? 0) / 1e9);
  if (result.stormEnded !== true) {
    tally.void(['reconnect'], 'not everybody was back when the window ended');
  }
  tally.figure('losses', countLosses(result));
}

/** See the header. */
export const reconnectStorm: Scenario = {
  name: 'reconnect-storm',
  question: 'What do established connections feel while 8,000 others are cut and come back?',
  groups: [],
  figures: [
    ...declareLatency('before', 'established, before'),
    ...declareLatency('during', 'established, during'),
    ...declareLatency('after', 'established, after'),
    { key: 'reconnect', title: 'all are back after', unit: 's', better: 'lower' },
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [
    { kind: 'percentiles', histogram: 'during', title: 'Established connections during the storm' },
    { kind: 'bars', figure: 'during.p99', title: 'p99 of the established during the storm' },
  ],
  claims: [{ sentence: 'nothing established is lost', figure: 'losses', atMost: 0 }],
  measure,
};
