/**
 * How evenly long-lived connections are spread over workers.
 *
 * Path: 9,000 connections to a candidate with 4 workers; then each worker's share is asked for. The
 * figure is the fullest worker over the mean: what long-lived connections keep for life.
 */
import { Rig, RunFailure } from '../rig/index.ts';
import { type Bench, limitConnections, type Scenario, type Tally } from './scenario.ts';

const CONNECTIONS = 9_000;
const WORKERS = 4;
const TELLING = new Set(['holdfast', 'nginx']);

async function measure(bench: Bench, tally: Tally): Promise<void> {
  const { parts, candidate } = bench;
  await using rig = await Rig.start(parts, candidate, { workers: WORKERS });
  const connections = limitConnections(bench, rig, tally, CONNECTIONS);
  tally.parameter('connections', connections);
  tally.parameter('workers', WORKERS);
  if (rig.placement.isShared) tally.note('Workers share their cores with the load: counts only.');
  const run = rig.load('idle', { steps: connections });
  await run.event('step');
  const byWorker = await rig.running.connectionsByWorker?.();
  run.step();
  await run.result();
  if (byWorker === undefined) throw new RunFailure('it does not tell the connections of a worker');
  const mean = byWorker.reduce((sum, count) => sum + count, 0) / WORKERS;
  tally.figure('skew', Math.max(...byWorker) / mean);
  tally.figure('least', Math.min(...byWorker) / mean);
  tally.parameter('byWorker', byWorker.join(' '));
}

/** See the header. */
export const skew: Scenario = {
  name: 'skew',
  question: 'How uneven are 9,000 long-lived connections over 4 workers?',
  groups: ['tcp'],
  figures: [
    { key: 'skew', title: 'fullest worker over mean', unit: 'ratio', better: 'lower' },
    { key: 'least', title: 'emptiest worker over mean', unit: 'ratio', better: 'higher' },
  ],
  plots: [],
  claims: [
    { sentence: 'the fullest shard is within 5 % of the mean', figure: 'skew', atMost: 1.05 },
  ],
  leavesOut: ({ name, title }) =>
    TELLING.has(name) ? undefined : `${title} does not tell the connections of each worker`,
  measure,
};
