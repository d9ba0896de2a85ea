/**
 * Medians and bootstrap intervals, for the report and for the gate.
 *
 * Path: pure functions, run in the pool's threads (see worker.ts) because they repeat themselves
 * ten thousand times.
 * Invariant: the random numbers come from a fixed seed, so the same raw.json gives the same
 * intervals.
 */

/** A figure with its 95 % interval. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

const RESAMPLES = 10_000;
const SEED = 0x9e3779b9;

/** The middle value, or the mean of the two in the middle. NaN of nothing. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Mulberry32: small, fast, and good enough to choose repeats. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The median of the values, with the percentile-bootstrap interval of that median. */
export function estimate(values: readonly number[]): Estimate {
  const median = medianOf(values);
  if (values.length < 2) return { median, low: median, high: median, count: values.length };
  const random = createRandom(SEED);
  const medians = new Float64Array(RESAMPLES);
  const sample = [...values];
  for (let round = 0; round < RESAMPLES; round += 1) {
    for (let at = 0; at < sample.length; at += 1) {
      sample[at] = values[Math.floor(random() * values.length)] ?? 0;
    }
    medians[round] = medianOf(sample);
  }
  medians.sort();
  return {
    median,
    low: medians[Math.floor(RESAMPLES * 0.025)] ?? median,
    high: medians[Math.floor(RESAMPLES * 0.975)] ?? median,
    count: values.length,
  };
}

/** The slope of y over x by least squares. */
export function slopeOf(points: readonly (readonly [number, number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const up = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const down = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return up / down;
}

/** Ratios of pairs that both have a value; the pair is a repeat. */
export function pairRatios(
  upper: readonly (number | undefined)[],
  lower: readonly (number | undefined)[],
): number[] {
  return upper.flatMap((value, at) => {
    const base = lower[at];
    return value === undefined || base === undefined || base === 0 ? [] : [value / base];
  });
}
