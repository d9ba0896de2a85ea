/**
 * How long jobs waited and ran, in buckets for metrics.
 *
 * Path: pool.ts records each job; metrics.ts reads.
 * Invariant: fixed bounds, one increment for each value, cumulative when they are read.
 */

/** Upper bounds in seconds. */
export const TIME_BOUNDS: readonly number[] = [
  0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];

/** What was recorded so far. */
export interface TimeCounts {
  readonly bounds: readonly number[];
  /** Cumulative, one for each bound. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

/** Times of jobs. */
export class Times {
  readonly #buckets = TIME_BOUNDS.map(() => 0);
  #count = 0;
  #sum = 0;

  record(ms: number): void {
    const seconds = ms / 1000;
    const bucket = TIME_BOUNDS.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count++;
    this.#sum += seconds;
  }

  /** Mean of all so far, in milliseconds. */
  get meanMs(): number {
    return this.#count === 0 ? 0 : (this.#sum / this.#count) * 1000;
  }

  read(): TimeCounts {
    let sum = 0;
    const counts = this.#buckets.map((bucket) => (sum += bucket));
    return { bounds: TIME_BOUNDS, counts, count: this.#count, sum: this.#sum };
  }
}
