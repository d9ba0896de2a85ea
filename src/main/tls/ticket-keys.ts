/**
 * The keys that session tickets are sealed with: random, made here, shared by all shards.
 *
 * Path: compile.ts puts them into each snapshot; rotation.ts turns them on time.
 * Invariant: every shard knows a key one period before any makes tickets with it, and one period
 * after; so a ticket that one shard makes is read by all. Keys never leave the process and are not
 * kept for the next one: after a start, clients shake hands in full once.
 */

/** What the core takes: a name of 16 bytes and two keys of 32. */
export const TICKET_KEY_BYTES = 80;

/** Keys in use. */
export class TicketKeys {
  readonly #random: (bytes: number) => Uint8Array;
  readonly #nowMs: () => number;
  #previous: Uint8Array | null = null;
  #current: Uint8Array;
  #next: Uint8Array;
  #sinceMs: number;

  constructor(options: {
    readonly random: (bytes: number) => Uint8Array;
    /** Milliseconds; only differences count. */
    readonly nowMs: () => number;
  }) {
    this.#random = options.random;
    this.#nowMs = options.nowMs;
    this.#current = this.#random(TICKET_KEY_BYTES);
    this.#next = this.#random(TICKET_KEY_BYTES);
    this.#sinceMs = this.#nowMs();
  }

  /** The first makes tickets, all of them read tickets. */
  keys(): readonly Uint8Array[] {
    const previous = this.#previous === null ? [] : [this.#previous];
    return [this.#current, ...previous, this.#next];
  }

  /** How long the present key has made tickets. */
  ageMs(): number {
    return this.#nowMs() - this.#sinceMs;
  }

  /** Turns to the next key. The oldest one is forgotten. */
  rotate(): void {
    this.#previous = this.#current;
    this.#current = this.#next;
    this.#next = this.#random(TICKET_KEY_BYTES);
    this.#sinceMs = this.#nowMs();
  }
}
