/**
 * Small messages on long-lived connections: what one round trip costs, in CPU and in time.
 *
 * Path: three loads on one candidate: saturation with 100 active of 1,000 connections, a fixed rate
 * on the same, and saturation with 100 active of 9,000. The first is the CPU figure, the second the
 * latency, the third shows whether idle connections make the active ones dearer.
 */
import { proxiedConnectionsMax, Rig } from '../rig/index.ts';
import {
  type Bench,
  countLosses,
  declareLatency,
  gatewayNsPer,
  gatewayShare,
  latencyKeys,
  perSecond,
  runLoad,
  type Scenario,
  type Tally,
  tallyLatency,
} from './scenario.ts';

const FEW = 1_000;
const MANY = 9_000;
const ACTIVE = 100;
const RATE = 10_000;

async function measure({ parts, candidate, scale }: Bench, tally: Tally): Promise<void> {
  await using rig = await Rig.start(parts, candidate);
  const few = Math.ceil(FEW / scale.divisor);
  const wanted = Math.ceil(MANY / scale.divisor);
  const many = Math.min(wanted, proxiedConnectionsMax(parts.machine));
  const times = { 'duration-ms': scale.seconds * 1000, 'warmup-ms': scale.seconds * 250 };
  tally.parameter('connections', few);
  tally.parameter('connectionsMany', many);
  tally.parameter('ratePerSecond', RATE);
  if (many < wanted) tally.note(`${many} instead of ${wanted} connections: the descriptor limit.`);

  const busy = await runLoad(rig, 'closed', { connections: few, active: ACTIVE, ...times });
  tally.figure('cpu', gatewayNsPer(busy, busy.answeredInWindow));
  tally.figure('throughput', perSecond(busy, busy.answeredInWindow));
  tally.figure('share', gatewayShare(busy));
  tally.voidUnlessSaturated(busy, ['throughput']);

  const flags = { connections: few, active: ACTIVE, rate: RATE, ...times };
  const paced = await runLoad(rig, 'open', flags);
  tallyLatency(tally, 'latency', paced.response);
  tally.figure('cpuAtRate', gatewayNsPer(paced, paced.answeredInWindow));
  tally.voidIfLimited(paced, latencyKeys('latency'));

  const wide = await runLoad(rig, 'closed', { connections: many, active: ACTIVE, ...times });
  const cpuMany = gatewayNsPer(wide, wide.answeredInWindow);
  const cpuFew = gatewayNsPer(busy, busy.answeredInWindow);
  tally.figure('cpuMany', cpuMany);
  if (cpuMany !== undefined && cpuFew !== undefined) tally.figure('growth', cpuMany / cpuFew);
  tally.figure('losses', countLosses(busy) + countLosses(paced) + countLosses(wide));
}

/** See the header. */
export const tcpEcho: Scenario = {
  name: 'tcp-echo',
  question:
    'What does a 64-byte round trip cost with 100 active among 1,000 connections, and among 9,000?',
  groups: ['tcp'],
  figures: [
    { key: 'cpu', title: 'CPU per round trip', unit: 'ns', better: 'lower' },
    { key: 'cpuMany', title: 'the same with 9,000 open', unit: 'ns', better: 'lower' },
    { key: 'growth', title: '9,000 over 1,000', unit: 'ratio', better: 'lower' },
    { key: 'throughput', title: 'round trips at saturation', unit: 'perSecond', better: 'higher' },
    { key: 'share', title: 'core used at saturation', unit: 'ratio', better: 'neither' },
    { key: 'cpuAtRate', title: 'CPU per round trip at 10,000/s', unit: 'ns', better: 'lower' },
    ...declareLatency('latency', 'latency at 10,000/s'),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [
    { kind: 'percentiles', histogram: 'latency', title: 'Latency at 10,000 round trips a second' },
    { kind: 'bars', figure: 'cpu', title: 'CPU per round trip, 100 active among 1,000' },
    { kind: 'bars', figure: 'throughput', title: 'Round trips a second on one core' },
  ],
  claims: [
    {
      sentence: 'CPU per round trip at most that of nginx',
      figure: 'cpu',
      over: 'nginx',
      atMost: 1,
    },
    {
      sentence: 'CPU per round trip at most 0.95 of HAProxy',
      figure: 'cpu',
      over: 'haproxy',
      atMost: 0.95,
    },
    { sentence: 'the cost is flat from 1,000 to 9,000 open', figure: 'growth', atMost: 1.05 },
    { sentence: 'nothing is lost', figure: 'losses', atMost: 0 },
  ],
  measure,
};
