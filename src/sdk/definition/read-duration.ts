/**
 * Reads durations as filters write them: a number and a unit, as in the configuration.
 *
 * Path: timeouts, cool-downs and intervals of define* are read once, when they are loaded.
 * Invariant: what is read is a whole number of milliseconds from 1 to DURATION_MS_MAX.
 */

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
/** A day; longer than any filter should think. */
export const DURATION_MS_MAX = 86_400_000;

/** Milliseconds of a duration, or null when it is none or out of range. */
export function readDuration(text: unknown): number | null {
  const match = typeof text === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) : null;
  if (match === null) return null;
  const ms = Math.round(Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]);
  return ms >= 1 && ms <= DURATION_MS_MAX ? ms : null;
}
