/**
 * Small text messages on WebSockets: what one costs there and back, in CPU and in time.
 *
 * Path: the two loads of echo.ts with masked text frames; saturation with 100 active of 9,000; and
 * the same bytes over plain TCP through the same program, because a WebSocket shall cost what a TCP
 * tunnel costs.
 */
import { type LoadFlags, Rig } from '../rig/index.ts';
import { declareEcho, measureBusy, measureEcho } from './echo.ts';
import {
  type Bench,
  limitConnections,
  type Scenario,
  type Tally,
  tallyLosses,
  windowOf,
} from './scenario.ts';

const RATE = 10_000;
const MANY = 9_000;
const CONNECTIONS = 1_000;
const WEBSOCKET: LoadFlags = { payload: 'websocket' };

async function measure(bench: Bench, tally: Tally): Promise<void> {
  const { parts, candidate, scale } = bench;
  const window = windowOf(scale);
  const results = [];
  {
    await using rig = await Rig.start(parts, candidate, { http: { isBare: false } });
    tally.parameter('origin', rig.originTitle);
    results.push(...(await measureEcho(bench, rig, tally, { rate: RATE, flags: WEBSOCKET })));
    const connections = limitConnections(bench, rig, tally, MANY);
    tally.parameter('connectionsMany', connections);
    const flags = { connections, ...window, ...WEBSOCKET };
    results.push(await measureBusy(rig, tally, 'cpuMany', flags));
  }
  if (candidate.carries.includes('tcp')) {
    await using rig = await Rig.start(parts, candidate);
    const flags = { connections: Math.ceil(CONNECTIONS / scale.divisor), ...window };
    results.push(await measureBusy(rig, tally, 'cpuTcp', flags));
  }
  tallyLosses(tally, results);
}

/** See the header. */
export const wsEcho: Scenario = {
  name: 'ws-echo',
  question: 'What does an echoed WebSocket message of 64 bytes cost, 100 active among 1,000?',
  groups: ['web'],
  protocol: 'websocket',
  figures: declareEcho(
    RATE,
    [
      { key: 'cpuMany', title: 'the same with 9,000 open', unit: 'ns', better: 'lower' },
      { key: 'cpuTcp', title: 'the same over TCP', unit: 'ns', better: 'lower' },
    ],
    'echo',
  ).map((figure) => (figure.key === 'throughput' ? { ...figure, title: 'echoes' } : figure)),
  plots: [
    { kind: 'percentiles', histogram: 'latency', title: 'Latency at 10,000 echoes a second' },
    { kind: 'bars', figure: 'cpu', title: 'CPU per echoed message, 100 active among 1,000' },
  ],
  claims: [
    {
      sentence: 'CPU per echo at most that of nginx for TCP',
      figure: 'cpu',
      over: 'nginx',
      overFigure: 'cpuTcp',
      atMost: 1,
    },
    {
      sentence: 'CPU per echo at most that of HAProxy for WebSocket',
      figure: 'cpu',
      over: 'haproxy',
      atMost: 1,
    },
    { sentence: 'nothing is lost', figure: 'losses', atMost: 0 },
  ],
  measure,
};
