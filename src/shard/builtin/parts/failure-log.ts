/**
 * Tells the log that something outside fails, without filling it.
 *
 * Path: filters that ask a service over the network.
 * Invariant: the first failure is told at once, then one line for each interval, with the count of
 * those since the last one.
 */
import type { FilterLog } from 'holdfast/sdk';

const INTERVAL_MS = 5000;

/** Failures of one service. */
export class FailureLog {
  readonly #log: FilterLog;
  #toldAtMs = -Infinity;
  #omitted = 0;

  constructor(log: FilterLog) {
    this.#log = log;
  }

  /** @param message - without anything that a client said. */
  tell(message: string): void {
    const now = performance.now();
    if (now - this.#toldAtMs < INTERVAL_MS) {
      this.#omitted++;
      return;
    }
    this.#toldAtMs = now;
    this.#log.warn(message, { ...(this.#omitted > 0 && { failuresSince: this.#omitted }) });
    this.#omitted = 0;
  }
}
