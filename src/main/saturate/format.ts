/**
 * A saturation run as text for the terminal.
 *
 * Path: `holdfast bench URL` and `npm run bench -- http URL` print it.
 * Invariant: flaws stand first, so that nobody quotes the figures under them by mistake.
 */
import type { Saturation } from './saturate.ts';

const NS_PER_US = 1000;
const MIB = 2 ** 20;

function microseconds(ns: number): string {
  const us = ns / NS_PER_US;
  return us < 10_000 ? `${us.toFixed(us < 100 ? 1 : 0)} µs` : `${(us / 1000).toFixed(1)} ms`;
}

/** About eight lines, without colour. */
export function formatSaturation(saturation: Saturation): string {
  const { responses, seconds, perSecond, bytesPerSecond, ownShare, flaws } = saturation;
  const rows = [
    ...flaws.map((flaw) => `not a result: ${flaw}`),
    `${responses.toLocaleString('en-US')} responses in ${seconds.toFixed(1)} s`,
    `${Math.round(perSecond).toLocaleString('en-US')} requests a second, ` +
      `${(bytesPerSecond / MIB).toFixed(2)} MiB/s`,
    `latency p50 ${microseconds(saturation.p50)}, p90 ${microseconds(saturation.p90)}, ` +
      `p99 ${microseconds(saturation.p99)}, p99.9 ${microseconds(saturation.p999)}, ` +
      `max ${microseconds(saturation.max)}`,
    `closed loop: these are latencies at saturation; the load used ` +
      `${Math.round(ownShare * 100)} % of a core`,
  ];
  return `${rows.join('\n')}\n`;
}
