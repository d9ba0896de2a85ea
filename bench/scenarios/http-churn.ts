/**
 * Clients of HTTP that come for one request: connect, GET with Connection: close, end.
 *
 * Path: 50 places that are refilled at once. The candidate ends each connection after its answer;
 * towards the origin it keeps connections.
 */
import { Rig } from '../rig/index.ts';
import {
  type Bench,
  declareLatency,
  gatewayNsPer,
  perSecond,
  runLoad,
  type Scenario,
  type Tally,
  tallyLatency,
  windowOf,
} from './scenario.ts';

const PLACES = 50;

async function measure({ parts, candidate, scale }: Bench, tally: Tally): Promise<void> {
  await using rig = await Rig.start(parts, candidate, { http: { isBare: false } });
  tally.parameter('places', PLACES);
  const flags = { connections: PLACES, payload: 'http-close', ...windowOf(scale) };
  const result = await runLoad(rig, 'churn', flags);
  tally.figure('cpu', gatewayNsPer(result, result.completed));
  tally.figure('rate', perSecond(result, result.completed));
  tally.voidUnlessSaturated(result, ['rate']);
  tallyLatency(tally, 'opening', result.response);
  tally.figure('failed', result.connections?.failed);
}

/** See the header. */
export const httpChurn: Scenario = {
  name: 'http-churn',
  question: 'What does a connection cost that is opened for one GET?',
  groups: ['web'],
  protocol: 'http',
  figures: [
    { key: 'cpu', title: 'CPU per connection', unit: 'ns', better: 'lower' },
    { key: 'rate', title: 'connections', unit: 'perSecond', better: 'higher' },
    ...declareLatency('opening', 'connect to answer'),
    { key: 'failed', title: 'failed', unit: 'count', better: 'lower' },
  ],
  plots: [{ kind: 'bars', figure: 'cpu', title: 'CPU per connection with one GET' }],
  claims: [{ sentence: 'no connection fails', figure: 'failed', atMost: 0 }],
  measure,
};
