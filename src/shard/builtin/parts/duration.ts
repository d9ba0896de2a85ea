/**
 * Durations in the configuration of built-in filters: `250ms`, `10s`, `5m`, `1h`.
 *
 * Path: the schemas of the filters in this directory.
 * Invariant: what a schema yields is a whole number of milliseconds within the range it names; the
 * message of a fault says the range.
 */
import * as z from 'zod';

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** The range of a duration, written as durations are. */
export interface DurationRange {
  readonly from: string;
  readonly to: string;
}

/** Milliseconds of a duration; null when the text is none. */
export function readMs(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  return match === null
    ? null
    : Math.round(Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]);
}

/** A field that holds a duration; yields milliseconds. */
export function duration({ from, to }: DurationRange) {
  const least = readMs(from) ?? 0;
  const most = readMs(to) ?? 0;
  const message = `must be a duration from ${from} to ${to}, such as "${from}"`;
  return z.string({ error: message }).transform((text, about) => {
    const ms = readMs(text);
    if (ms !== null && ms >= least && ms <= most) return ms;
    about.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}
