/**
 * Small messages on long-lived connections: the part that tcp-echo, tls-echo, http-get and ws-echo
 * share.
 *
 * Path: two loads on one candidate: saturation with 100 active of 1,000 connections, and a fixed
 * rate on the same. The first is the CPU figure, the second the latency.
 */
import type { LoadFlags, LoadResult, Rig } from '../rig/index.ts';
import {
  type Bench,
  declareLatency,
  type Figure,
  gatewayNsPer,
  gatewayShare,
  latencyKeys,
  perSecond,
  runLoad,
  type Tally,
  tallyLatency,
  windowOf,
} from './scenario.ts';

/** Connections that carry messages. */
export const ACTIVE = 100;
const CONNECTIONS = 1_000;

/** What differs: messages a second of the second load, and what the connections speak. */
export interface EchoPlan {
  readonly rate: number;
  readonly flags?: LoadFlags;
}

/** Saturation on so many connections; its CPU for each round trip goes to `key`. */
export async function measureBusy(
  rig: Rig,
  tally: Tally,
  key: string,
  flags: LoadFlags,
): Promise<LoadResult> {
  const busy = await runLoad(rig, 'closed', { active: ACTIVE, ...flags });
  tally.figure(key, gatewayNsPer(busy, busy.answeredInWindow));
  return busy;
}

/** Fills the figures of `declareEcho`; returns both results. */
export async function measureEcho(
  bench: Bench,
  rig: Rig,
  tally: Tally,
  { rate, flags: more }: EchoPlan,
): Promise<readonly LoadResult[]> {
  const connections = Math.ceil(CONNECTIONS / bench.scale.divisor);
  const flags = { connections, ...windowOf(bench.scale), ...more };
  tally.parameter('connections', connections);
  tally.parameter('ratePerSecond', rate);
  const busy = await measureBusy(rig, tally, 'cpu', flags);
  tally.figure('throughput', perSecond(busy, busy.answeredInWindow));
  tally.figure('share', gatewayShare(busy));
  tally.voidUnlessSaturated(busy, ['throughput']);
  const paced = await runLoad(rig, 'open', { active: ACTIVE, rate, ...flags });
  tallyLatency(tally, 'latency', paced.response);
  tally.figure('cpuAtRate', gatewayNsPer(paced, paced.answeredInWindow));
  tally.voidIfLimited(paced, latencyKeys('latency'));
  return [busy, paced];
}

/** The figures of both loads, with what a scenario adds behind the first. */
export function declareEcho(rate: number, more: readonly Figure[], thing = 'round trip'): Figure[] {
  const at = `${rate.toLocaleString('en-US')}/s`;
  return [
    { key: 'cpu', title: `CPU per ${thing}`, unit: 'ns', better: 'lower' },
    ...more,
    { key: 'throughput', title: `${thing}s at saturation`, unit: 'perSecond', better: 'higher' },
    { key: 'share', title: 'core used at saturation', unit: 'ratio', better: 'neither' },
    { key: 'cpuAtRate', title: `CPU per ${thing} at ${at}`, unit: 'ns', better: 'lower' },
    ...declareLatency('latency', `latency at ${at}`),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ];
}
