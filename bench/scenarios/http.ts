/**
 * HTTP/1.1 through the candidates: saturation at fixed concurrency, and reloads under load.
 *
 * Path: autocannon in a process of its own on the load core (see src/main/saturate), the HTTP
 * origin in Node beside it: load and origin that are not ours. What a request costs is asked by
 * http-get, whose load is never the limit.
 * Invariant: a run with one failed, missing or wrong answer is void. What serves as the origin is a
 * parameter of every run, so the report shows it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Saturation, saturate } from '../../src/main/saturate/index.ts';
import { httpOrigin, Rig, readCpuNs } from '../rig/index.ts';
import type { Bench, Scenario, Tally } from './scenario.ts';

const CONNECTIONS = 64;
const BODY = 'hello, holdfast\n';
const RECONNECT_EVERY = 10;
const RELOAD_MS = 100;
const SATURATED_SHARE = 0.9;
const RELOADING = new Set(['holdfast', 'nginx', 'haproxy']);
const RIG = { origin: httpOrigin, http: { isBare: false } };
const LATENCIES = ['p50', 'p99', 'p999'] as const;

interface Passed {
  readonly saturation: Saturation;
  /** CPU of the candidate for each response, undefined for the floor. */
  readonly cpu: number | undefined;
  readonly share: number;
}

async function pass(rig: Rig, bench: Bench, reconnectEvery: number): Promise<Passed> {
  const pids = rig.pids();
  const before = readCpuNs(pids);
  const saturation = await saturate({
    url: `http://${rig.running.address}/`,
    connections: CONNECTIONS,
    seconds: Math.max(1, bench.scale.seconds),
    reconnectEvery,
    expectBody: BODY,
    prefix: ['taskset', '-c', rig.placement.load],
    signal: bench.parts.signal,
  });
  const spent = readCpuNs(pids) - before;
  return {
    saturation,
    cpu: pids.length === 0 ? undefined : spent / saturation.responses,
    share: spent / (saturation.seconds * 1e9),
  };
}

async function measureSaturation(bench: Bench, tally: Tally): Promise<void> {
  const { parts, candidate } = bench;
  await using rig = await Rig.start(parts, candidate, RIG);
  tally.parameter('origin', rig.originTitle);
  tally.parameter('connections', CONNECTIONS);
  const steady = await pass(rig, bench, 0);
  tally.figure('cpu', steady.cpu);
  tally.figure('rate', steady.saturation.perSecond);
  tally.figure('share', candidate.role === 'floor' ? undefined : steady.share);
  for (const key of LATENCIES) tally.figure(key, steady.saturation[key] / 1000);
  const { flaws } = steady.saturation;
  if (flaws.length > 0) tally.void(['rate', ...LATENCIES], flaws.join('; '));
  else if (candidate.role !== 'floor' && steady.share < SATURATED_SHARE) {
    const percent = Math.round(steady.share * 100);
    tally.void(['rate'], `the candidate used ${percent} % of its core: the load was the limit`);
  }
  const churning = await pass(rig, bench, RECONNECT_EVERY);
  tally.figure('churnCpu', churning.cpu);
  tally.figure('wrong', countWrong(steady.saturation) + countWrong(churning.saturation));
}

const countWrong = ({ errors, mismatches, non2xx }: Saturation): number =>
  errors + mismatches + non2xx;

/** Saturation over HTTP/1.1. */
export const httpSaturation: Scenario = {
  name: 'http-saturation',
  question: 'What does an HTTP/1.1 request cost on 64 kept-alive connections, and with reconnects?',
  groups: ['web'],
  protocol: 'http',
  figures: [
    { key: 'cpu', title: 'CPU per request', unit: 'ns', better: 'lower' },
    { key: 'churnCpu', title: 'the same, reconnecting every 10', unit: 'ns', better: 'lower' },
    { key: 'rate', title: 'requests', unit: 'perSecond', better: 'higher' },
    { key: 'share', title: 'core used', unit: 'ratio', better: 'neither' },
    { key: 'p50', title: 'latency at saturation p50', unit: 'us', better: 'lower' },
    { key: 'p99', title: 'latency at saturation p99', unit: 'us', better: 'lower' },
    { key: 'p999', title: 'latency at saturation p99.9', unit: 'us', better: 'lower' },
    { key: 'wrong', title: 'wrong or missing answers', unit: 'count', better: 'lower' },
  ],
  plots: [{ kind: 'bars', figure: 'cpu', title: 'CPU per HTTP/1.1 request' }],
  claims: [{ sentence: 'every answer is right', figure: 'wrong', atMost: 0 }],
  measure: measureSaturation,
};

async function measureReload(bench: Bench, tally: Tally): Promise<void> {
  const { parts, candidate } = bench;
  await using rig = await Rig.start(parts, candidate, RIG);
  tally.parameter('origin', rig.originTitle);
  const over = new AbortController();
  const reloading = (async () => {
    let reloads = 0;
    for (;;) {
      await delay(RELOAD_MS);
      if (over.signal.aborted) return reloads;
      await rig.running.reload?.();
      reloads += 1;
    }
  })();
  const { saturation } = await pass(rig, bench, RECONNECT_EVERY).finally(() => over.abort());
  tally.figure('reloads', await reloading);
  tally.figure('responses', saturation.responses);
  tally.figure('wrong', countWrong(saturation));
}

/** Correctness under reload. */
export const httpReload: Scenario = {
  name: 'http-reload',
  question: 'Is a single answer lost while the configuration is reloaded again and again?',
  groups: ['web'],
  protocol: 'http',
  figures: [
    { key: 'reloads', title: 'reloads', unit: 'count', better: 'neither' },
    { key: 'responses', title: 'answers', unit: 'count', better: 'neither' },
    { key: 'wrong', title: 'wrong or missing answers', unit: 'count', better: 'lower' },
  ],
  plots: [],
  claims: [{ sentence: 'no answer is lost', figure: 'wrong', atMost: 0 }],
  leavesOut: ({ name, title }) =>
    RELOADING.has(name) ? undefined : `${title} does not reload on a signal`,
  measure: measureReload,
};
