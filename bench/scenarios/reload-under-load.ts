/**
 * The configuration is loaded again and again while messages flow.
 *
 * Path: 500 connections carry 5,000 messages a second; meanwhile the candidate reloads twice a
 * second. Established connections must not notice. Peers that hand over to new processes keep the
 * old ones until their connections end, which is why their memory grows with each reload.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Rig, readMemory } from '../rig/index.ts';
import {
  type Bench,
  countLosses,
  declareLatency,
  latencyKeys,
  type Scenario,
  type Tally,
  tallyLatency,
} from './scenario.ts';

const ESTABLISHED = 500;
const RATE = 5_000;
const PERIOD_MS = 500;
const RELOADING = new Set(['holdfast', 'nginx', 'haproxy']);

/** Reloads in the given rhythm; returns how often. */
async function reloadUntil(signal: AbortSignal, rig: Rig): Promise<number> {
  let reloads = 0;
  for (;;) {
    await delay(PERIOD_MS);
    if (signal.aborted) return reloads;
    await rig.running.reload?.();
    reloads += 1;
  }
}

async function measure({ parts, candidate, scale }: Bench, tally: Tally): Promise<void> {
  await using rig = await Rig.start(parts, candidate);
  tally.parameter('established', ESTABLISHED);
  tally.parameter('ratePerSecond', RATE);
  const before = readMemory(rig.pids()).userBytes;
  const run = rig.load('open', {
    connections: ESTABLISHED,
    rate: RATE,
    watch: false,
    'duration-ms': scale.seconds * 2000,
    'drain-ms': 2000,
  });
  await run.pass('ready');
  const over = new AbortController();
  const reloading = reloadUntil(over.signal, rig);
  const result = await run.result().finally(() => over.abort());
  const reloads = await reloading;
  tallyLatency(tally, 'latency', result.response);
  tally.voidIfLimited(result, latencyKeys('latency'));
  tally.figure('worst', (result.response?.max ?? 0) / 1000);
  tally.figure('reloads', reloads);
  tally.figure('growth', readMemory(rig.pids()).userBytes - before);
  tally.figure('losses', countLosses(result));
}

/** See the header. */
export const reloadUnderLoad: Scenario = {
  name: 'reload-under-load',
  question: 'What do established connections feel of a reload every half second?',
  groups: [],
  figures: [
    { key: 'reloads', title: 'reloads', unit: 'count', better: 'neither' },
    ...declareLatency('latency', 'latency'),
    { key: 'worst', title: 'latency max', unit: 'us', better: 'lower' },
    { key: 'growth', title: 'user memory added', unit: 'bytes', better: 'lower' },
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [{ kind: 'percentiles', histogram: 'latency', title: 'Latency under reloads' }],
  claims: [{ sentence: 'nothing is lost', figure: 'losses', atMost: 0 }],
  leavesOut: ({ name, title }) =>
    RELOADING.has(name) ? undefined : `${title} does not reload on a signal`,
  measure,
};
