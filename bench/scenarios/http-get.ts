/**
 * A small GET on connections that are kept: what it costs, in CPU and in time.
 *
 * Path: the two loads of echo.ts with HTTP/1.1; then one connection alone, whose every request
 * wakes the candidate; then saturation again with a candidate that adds nothing to requests. Each
 * answer is checked: status, length, and that it is the answer to this request.
 */
import { type LoadFlags, Rig } from '../rig/index.ts';
import { declareEcho, measureBusy, measureEcho } from './echo.ts';
import {
  type Bench,
  declareLatency,
  gatewayNsPer,
  runLoad,
  type Scenario,
  type Tally,
  tallyLatency,
  tallyLosses,
  windowOf,
} from './scenario.ts';

const RATE = 10_000;
const RATE_ALONE = 1_000;
const SHARE_OF_PEERS = 0.9;
const HTTP: LoadFlags = { payload: 'http' };

async function measure(bench: Bench, tally: Tally): Promise<void> {
  const { parts, candidate, scale } = bench;
  const results = [];
  {
    await using rig = await Rig.start(parts, candidate, { http: { isBare: false } });
    tally.parameter('origin', rig.originTitle);
    results.push(...(await measureEcho(bench, rig, tally, { rate: RATE, flags: HTTP })));
    const alone = { connections: 1, ...windowOf(scale), ...HTTP };
    const closed = await runLoad(rig, 'closed', alone);
    tally.figure('cpuAlone', gatewayNsPer(closed, closed.answeredInWindow));
    const open = await runLoad(rig, 'open', { rate: RATE_ALONE, ...alone });
    tallyLatency(tally, 'alone', open.response);
    results.push(closed, open);
  }
  await using rig = await Rig.start(parts, candidate, { http: { isBare: true } });
  const connections = Math.ceil(1_000 / scale.divisor);
  const flags = { connections, ...windowOf(scale), ...HTTP };
  results.push(await measureBusy(rig, tally, 'cpuBare', flags));
  tallyLosses(tally, results);
}

/** See the header. */
export const httpGet: Scenario = {
  name: 'http-get',
  question: 'What does a small GET cost on kept connections, 100 active among 1,000?',
  groups: ['web'],
  protocol: 'http',
  figures: [
    ...declareEcho(
      RATE,
      [
        { key: 'cpuBare', title: 'the same, nothing added', unit: 'ns', better: 'lower' },
        { key: 'cpuAlone', title: 'the same, one connection', unit: 'ns', better: 'lower' },
      ],
      'request',
    ),
    ...declareLatency('alone', 'one connection at 1,000/s'),
  ],
  plots: [
    { kind: 'percentiles', histogram: 'latency', title: 'Latency at 10,000 requests a second' },
    { kind: 'bars', figure: 'cpu', title: 'CPU per request, 100 active among 1,000' },
    { kind: 'bars', figure: 'throughput', title: 'Requests a second on one core' },
  ],
  claims: [
    ...['nginx', 'haproxy'].flatMap((over) => [
      {
        sentence: `CPU per request at most ${SHARE_OF_PEERS} of ${over}`,
        figure: 'cpu',
        over,
        atMost: SHARE_OF_PEERS,
      },
      { sentence: `p99 at most that of ${over}`, figure: 'latency.p99', over, atMost: 1 },
    ]),
    { sentence: 'nothing is lost or wrong', figure: 'losses', atMost: 0 },
  ],
  measure,
};
