/**
 * Leaves a filter out for a while when it keeps failing.
 *
 * Path: call.ts asks before each hook and tells how it went.
 * Invariant: while it is open nothing of the filter runs and its failure policy applies; after the
 * cool-down one call tries, and decides. The filter's ends (onEnd) are never left out.
 *
 *   closed --N failures in a row--> open --cool-down--> trying --success--> closed
 *                                     ^-----failure-------'
 */

/** What opens a breaker, and for how long. */
export interface BreakerLimits {
  /** Failures in a row; 0: never. */
  readonly failures: number;
  readonly cooldownMs: number;
}

/** The breaker of one instance. */
export class Breaker {
  readonly #limits: BreakerLimits;
  #state: 'closed' | 'open' | 'trying' = 'closed';
  #failuresInRow = 0;
  #openUntilMs = 0;

  constructor(limits: BreakerLimits) {
    this.#limits = limits;
  }

  get state(): 'closed' | 'open' | 'trying' {
    return this.#state;
  }

  /** True when the filter may be called now. */
  mayCall(nowMs: number): boolean {
    if (this.#state === 'closed') return true;
    if (this.#state === 'trying' || nowMs < this.#openUntilMs) return false;
    this.#state = 'trying';
    return true;
  }

  succeeded(): void {
    this.#failuresInRow = 0;
    this.#state = 'closed';
  }

  /** A call ended without an outcome: the client went away. The next call decides. */
  undecided(): void {
    if (this.#state === 'trying') this.#state = 'open';
  }

  failed(nowMs: number): void {
    this.#failuresInRow++;
    const { failures, cooldownMs } = this.#limits;
    const opens = failures > 0 && this.#failuresInRow >= failures;
    if (this.#state === 'trying' || opens) {
      this.#state = 'open';
      this.#openUntilMs = nowMs + cooldownMs;
    }
  }
}
