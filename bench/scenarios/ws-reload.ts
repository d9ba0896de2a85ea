/**
 * The routes change again and again while WebSockets carry messages.
 *
 * Path: 9,000 WebSockets are open and all carry messages, 3,000 a second together. A calm part
 * comes first; then the candidate gets another configuration every 25 ms, or as soon after that as
 * a request has met the routes of the last one, 1,000 times or as often as 40 seconds allow. Peers
 * that hand over to new processes keep the old ones for their WebSockets.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type HttpOptions, Rig, readMemory } from '../rig/index.ts';
import {
  type Bench,
  declareLatency,
  latencyKeys,
  limitConnections,
  type Scenario,
  type Tally,
  tallyLatency,
  tallyLosses,
} from './scenario.ts';

const RELOADING = new Set(['holdfast', 'nginx', 'haproxy']);
const WEBSOCKETS = 9_000;
const RATE = 3_000;
const RELOADS = 1_000;
/** From one reload to the next, where the candidate is fast enough. */
const PERIOD_MS = 25;
/** For the reloads of one candidate; who is slower gets fewer. */
const RELOADING_S_MAX = 40;
const CALM_SHARE = 2;
const TIMES_CALM = 2;

/** Reloads one after the other; returns how often, and how long each took. */
async function reload(rig: Rig, wanted: number): Promise<{ reloads: number; eachMs: number }> {
  const endMs = performance.now() + RELOADING_S_MAX * 1000;
  let reloads = 0;
  let tookMs = 0;
  while (reloads < wanted && performance.now() < endMs) {
    const startMs = performance.now();
    await rig.running.reload?.();
    const reloadMs = performance.now() - startMs;
    reloads += 1;
    tookMs += reloadMs;
    await delay(Math.max(0, PERIOD_MS - reloadMs));
  }
  return { reloads, eachMs: tookMs / Math.max(1, reloads) };
}

async function measure(bench: Bench, tally: Tally, http: HttpOptions): Promise<void> {
  const { parts, candidate, scale } = bench;
  await using rig = await Rig.start(parts, candidate, { http });
  const connections = limitConnections(bench, rig, tally, WEBSOCKETS);
  tally.parameter('webSockets', connections);
  tally.parameter('ratePerSecond', RATE);
  const run = rig.load('phases', {
    payload: 'websocket',
    connections,
    rate: RATE,
    watch: false,
    'duration-ms': (RELOADING_S_MAX * 2 + scale.seconds * CALM_SHARE) * 1000,
    'drain-ms': 3000,
  });
  await run.pass('ready');
  await delay(scale.seconds * CALM_SHARE * 1000, undefined, { signal: parts.signal });
  const before = readMemory(rig.pids()).userBytes;
  run.step();
  const { reloads, eachMs } = await reload(rig, Math.ceil(RELOADS / scale.divisor));
  run.step();
  const result = await run.result();
  tallyLatency(tally, 'calm', result.response);
  tallyLatency(tally, 'reloading', result.secondPhase);
  const keys = [...latencyKeys('calm'), ...latencyKeys('reloading'), 'times'];
  tally.voidIfLimited(result, keys);
  if (result.response !== undefined && result.secondPhase !== undefined) {
    tally.figure('times', result.secondPhase.p999 / result.response.p999);
    tally.figure('worst', result.secondPhase.max / 1000);
  }
  tally.figure('reloads', reloads);
  tally.figure('each', eachMs * 1000);
  tally.figure('growth', readMemory(rig.pids()).userBytes - before);
  tally.figure('closed', result.connections?.lost);
  tallyLosses(tally, [result]);
}

/** See the header. */
export const wsReload: Scenario = {
  name: 'ws-reload',
  question: 'What do 9,000 WebSockets feel of 1,000 reloads that change the routes?',
  groups: ['web'],
  protocol: 'websocket',
  figures: [
    { key: 'reloads', title: 'reloads', unit: 'count', better: 'neither' },
    { key: 'each', title: 'until a request meets the new routes', unit: 'us', better: 'lower' },
    ...declareLatency('calm', 'echo, calm'),
    ...declareLatency('reloading', 'echo, reloading'),
    { key: 'times', title: 'p99.9 reloading over calm', unit: 'ratio', better: 'lower' },
    { key: 'worst', title: 'echo max, reloading', unit: 'us', better: 'lower' },
    { key: 'growth', title: 'user memory added', unit: 'bytes', better: 'lower' },
    { key: 'closed', title: 'WebSockets closed', unit: 'count', better: 'lower' },
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [
    { kind: 'percentiles', histogram: 'reloading', title: 'Echoes while the routes change' },
    { kind: 'bars', figure: 'times', title: 'p99.9 while reloading, as a multiple of calm' },
  ],
  claims: [
    { sentence: '1,000 reloads', figure: 'reloads', atLeast: RELOADS },
    { sentence: 'no WebSocket is closed', figure: 'closed', atMost: 0 },
    { sentence: 'no message is lost', figure: 'losses', atMost: 0 },
    {
      sentence: `p99.9 at most ${TIMES_CALM} times that of calm`,
      figure: 'times',
      atMost: TIMES_CALM,
    },
  ],
  leavesOut: ({ name, title }) =>
    RELOADING.has(name) ? undefined : `${title} does not reload on a signal`,
  measure: (bench, tally) => measure(bench, tally, { isBare: false }),
};

/** The same, where every message is looked at, and each reload brings other code for that. */
export const wsFilterReload: Scenario = {
  ...wsReload,
  name: 'ws-filter-reload',
  question: 'What do 9,000 WebSockets feel of 1,000 reloads that swap the code of their filter?',
  groups: ['filters'],
  plots: [],
  leavesOut: ({ role }) => (role === 'product' ? undefined : 'it has no such filters'),
  measure: (bench, tally) => measure(bench, tally, { isBare: false, filters: 'swap' }),
};
