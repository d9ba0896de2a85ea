/**
 * The load generator against the origin alone: can it keep up with what the others are asked?
 *
 * Path: no candidate but `direct`. 18,000 connections in one process, and 100,000 messages a second
 * in open loop; its own CPU is the figure. A report whose generator fails here is not to be trusted
 * at high rates.
 */
import { clientConnectionsMax, Rig } from '../rig/index.ts';
import {
  type Bench,
  countLosses,
  declareLatency,
  runLoad,
  type Scenario,
  type Tally,
  tallyLatency,
} from './scenario.ts';

const CONNECTIONS = 18_000;
const RATE = 100_000;

async function measure({ parts, candidate, scale }: Bench, tally: Tally): Promise<void> {
  // The origin gets the core that a candidate would have had.
  await using rig = await Rig.start(parts, candidate, { originOn: 'gateway' });
  const most = clientConnectionsMax(parts.machine);
  const connections = Math.min(Math.ceil(CONNECTIONS / scale.divisor), most);
  const held = rig.load('idle', { steps: connections });
  await held.pass('step');
  tally.figure('held', (await held.result()).connections?.open);
  const result = await runLoad(rig, 'open', {
    connections: 1_000,
    rate: RATE,
    'duration-ms': scale.seconds * 1000,
  });
  tally.figure('own', result.usage.ownShare);
  tally.figure('sent', ((result.sent ?? 0) / result.usage.wallNs) * 1e9);
  tally.figure('missed', result.missed);
  tally.figure('late', (result.late ?? 0) / Math.max(1, result.sent ?? 1));
  tallyLatency(tally, 'lateness', result.lateness);
  tally.figure('losses', countLosses(result));
}

/** See the header. */
export const generator: Scenario = {
  name: 'generator',
  question: 'Does the load generator hold 18,000 connections and send 100,000 messages a second?',
  groups: [],
  figures: [
    { key: 'held', title: 'connections held', unit: 'count', better: 'higher' },
    { key: 'sent', title: 'messages sent', unit: 'perSecond', better: 'higher' },
    { key: 'own', title: 'share of its core', unit: 'ratio', better: 'lower' },
    { key: 'late', title: 'share sent over 1 ms late', unit: 'ratio', better: 'lower' },
    { key: 'missed', title: 'missed sends', unit: 'count', better: 'lower' },
    ...declareLatency('lateness', 'send behind its time'),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [],
  claims: [],
  leavesOut: ({ role }) => (role === 'floor' ? undefined : 'it is not in the path'),
  measure,
};
