/**
 * Small messages on long-lived connections: what one round trip costs, in CPU and in time.
 *
 * Path: three loads on one candidate: the two of echo.ts, and saturation with 100 active of 9,000,
 * which shows whether idle connections make the active ones dearer.
 */
import { Rig } from '../rig/index.ts';
import { declareEcho, measureBusy, measureEcho } from './echo.ts';
import {
  type Bench,
  countLosses,
  gatewayNsPer,
  limitConnections,
  type Scenario,
  type Tally,
  windowOf,
} from './scenario.ts';

const MANY = 9_000;
const RATE = 10_000;

async function measure(bench: Bench, tally: Tally): Promise<void> {
  const { parts, candidate, scale } = bench;
  await using rig = await Rig.start(parts, candidate);
  const [busy, paced] = await measureEcho(bench, rig, tally, { rate: RATE });
  const connections = limitConnections(bench, rig, tally, MANY);
  tally.parameter('connectionsMany', connections);
  const flags = { connections, ...windowOf(scale) };
  const wide = await measureBusy(rig, tally, 'cpuMany', flags);
  const cpuMany = gatewayNsPer(wide, wide.answeredInWindow);
  const cpuFew = busy && gatewayNsPer(busy, busy.answeredInWindow);
  if (cpuMany !== undefined && cpuFew !== undefined) tally.figure('growth', cpuMany / cpuFew);
  const all = [busy, paced, wide];
  tally.figure(
    'losses',
    all.reduce((sum, each) => sum + (each ? countLosses(each) : 0), 0),
  );
}

/** See the header. */
export const tcpEcho: Scenario = {
  name: 'tcp-echo',
  question:
    'What does a 64-byte round trip cost with 100 active among 1,000 connections, and among 9,000?',
  groups: ['tcp'],
  figures: declareEcho(RATE, [
    { key: 'cpuMany', title: 'the same with 9,000 open', unit: 'ns', better: 'lower' },
    { key: 'growth', title: '9,000 over 1,000', unit: 'ratio', better: 'lower' },
  ]),
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
