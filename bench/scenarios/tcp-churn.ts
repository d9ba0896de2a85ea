/**
 * Connections that come and go: connect, one round trip, close.
 *
 * Path: 50 places that are refilled at once, ended by FIN from the client and then by RST. The CPU
 * figure is for one accepted, proxied and closed connection with its round trip.
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
  await using rig = await Rig.start(parts, candidate);
  tally.parameter('places', PLACES);
  for (const close of ['fin', 'rst'] as const) {
    const flags = { connections: PLACES, close, ...windowOf(scale) };
    const result = await runLoad(rig, 'churn', flags);
    tally.figure(`${close}Cpu`, gatewayNsPer(result, result.completed));
    tally.figure(`${close}Rate`, perSecond(result, result.completed));
    tally.voidUnlessSaturated(result, [`${close}Rate`]);
    tally.figure(`${close}Failed`, result.connections?.failed);
    if (close === 'fin') tallyLatency(tally, 'opening', result.response);
  }
}

/** See the header. */
export const tcpChurn: Scenario = {
  name: 'tcp-churn',
  question: 'What does a connection cost that is opened, used once and closed?',
  groups: ['tcp'],
  figures: [
    { key: 'finCpu', title: 'CPU per connection, FIN', unit: 'ns', better: 'lower' },
    { key: 'rstCpu', title: 'CPU per connection, RST', unit: 'ns', better: 'lower' },
    { key: 'finRate', title: 'connections, FIN', unit: 'perSecond', better: 'higher' },
    { key: 'rstRate', title: 'connections, RST', unit: 'perSecond', better: 'higher' },
    ...declareLatency('opening', 'connect to first answer'),
    { key: 'finFailed', title: 'failed, FIN', unit: 'count', better: 'lower' },
    { key: 'rstFailed', title: 'failed, RST', unit: 'count', better: 'lower' },
  ],
  plots: [{ kind: 'bars', figure: 'finCpu', title: 'CPU per connection that comes and goes' }],
  claims: [
    {
      sentence: 'CPU per connection at most that of nginx',
      figure: 'finCpu',
      over: 'nginx',
      atMost: 1,
    },
    { sentence: 'no connection fails', figure: 'finFailed', atMost: 0 },
  ],
  measure,
};
