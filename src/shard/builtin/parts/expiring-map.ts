/**
 * A map of bounded size whose entries end by themselves.
 *
 * Path: what built-in filters remember: tokens that were verified, decisions of a service.
 * Invariant: never more than `entriesMax` entries; the one that was used least recently goes first.
 * An entry that has ended is not seen any more, and goes when it is asked for or pushed out. No
 * timers.
 */

interface Entry<Value> {
  readonly value: Value;
  readonly endsAtMs: number;
}

/** Values by text, for a time. */
export class ExpiringMap<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #entriesMax: number;

  /** @param entriesMax - 0 remembers nothing. */
  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value; undefined when there is none any more. */
  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.endsAtMs <= Date.now()) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** @param endsAtMs - milliseconds since the epoch. */
  set(key: string, value: Value, endsAtMs: number): void {
    if (this.#entriesMax === 0) return;
    this.#entries.delete(key);
    this.#entries.set(key, { value, endsAtMs });
    if (this.#entries.size <= this.#entriesMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  clear(): void {
    this.#entries.clear();
  }
}
