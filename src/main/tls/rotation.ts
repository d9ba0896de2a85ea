/**
 * Turns the ticket keys on time, and has the snapshot published with them.
 *
 * Path: gateway.ts starts it and tells it the interval after each reload.
 * Invariant: one timer; a key that is overdue when the interval becomes shorter is turned at once.
 * Without TLS nothing is published.
 */
import type { TicketKeys } from './ticket-keys.ts';

/** The longest wait that a timer of Node can have is 24.8 days; intervals end at 7. */
export interface TicketRotationOptions {
  readonly keys: TicketKeys;
  /** Publishes the keys; called after each turn. */
  readonly publish: () => void;
}

/** Keeps the keys turning. */
export class TicketRotation {
  readonly #options: TicketRotationOptions;
  #intervalMs = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: TicketRotationOptions) {
    this.#options = options;
  }

  /** Sets the interval; null stops. The age of the present key counts. */
  configure(intervalMs: number | null): void {
    this.close();
    if (intervalMs === null) return;
    this.#intervalMs = intervalMs;
    this.#schedule();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #schedule(): void {
    const leftMs = Math.max(0, this.#intervalMs - this.#options.keys.ageMs());
    this.#timer = setTimeout(() => {
      this.#options.keys.rotate();
      this.#options.publish();
      this.#schedule();
    }, leftMs);
    this.#timer.unref();
  }
}
