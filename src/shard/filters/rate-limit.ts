/**
 * Lets so many things happen in a second, and counts the others.
 *
 * Path: log lines of filters and about filters.
 * Invariant: never more than twice the rate in any second; no timer.
 */

/** A limit of so many in each second. */
export class RateLimit {
  readonly #perSecond: number;
  #secondStartMs = Number.NEGATIVE_INFINITY;
  #taken = 0;
  #omitted = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** True when this one may happen. */
  take(nowMs: number): boolean {
    if (nowMs - this.#secondStartMs >= 1000) {
      this.#secondStartMs = nowMs;
      this.#taken = 0;
    }
    if (this.#taken >= this.#perSecond) {
      this.#omitted++;
      return false;
    }
    this.#taken++;
    return true;
  }

  /** How many did not, since this was asked last. */
  takeOmitted(): number {
    const omitted = this.#omitted;
    this.#omitted = 0;
    return omitted;
  }
}
