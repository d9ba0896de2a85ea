/**
 * Tokens that were verified, so that the next request with one of them costs a digest and a look.
 *
 * Path: jwt.ts asks before it verifies.
 * Invariant: holds digests, never tokens. An entry ends with its token; the one that was used least
 * recently goes when there are too many. All go when the keys change, because a key may have been
 * taken back.
 */
import { hash } from 'node:crypto';
import type { ClaimField } from './claims.ts';

/** Tokens without an end, and with a far one, are verified again after this. */
const ENTRY_MS_MAX = 3_600_000;

interface Entry {
  readonly fields: readonly ClaimField[];
  readonly endsAtMs: number;
}

/** The digest of a token. */
export function digestOf(token: string): string {
  return hash('sha256', token, 'base64url');
}

/** Fields of tokens that were verified, by digest. */
export class VerifiedTokens {
  readonly #entries = new Map<string, Entry>();
  readonly #entriesMax: number;
  #epoch = 0;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(digest: string): readonly ClaimField[] | null {
    const entry = this.#entries.get(digest);
    if (entry === undefined) return null;
    this.#entries.delete(digest);
    if (entry.endsAtMs <= Date.now()) return null;
    this.#entries.set(digest, entry);
    return entry.fields;
  }

  /** Counts the times that everything was forgotten; `add` wants it as it was before the check. */
  get epoch(): number {
    return this.#epoch;
  }

  /** @param entry - ends when its token does, clock tolerance included. */
  add(digest: string, entry: Entry, epoch: number): void {
    if (this.#entriesMax === 0 || epoch !== this.#epoch) return;
    const endsAtMs = Math.min(entry.endsAtMs, Date.now() + ENTRY_MS_MAX);
    this.#entries.set(digest, { fields: entry.fields, endsAtMs });
    if (this.#entries.size <= this.#entriesMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  clear(): void {
    this.#epoch++;
    this.#entries.clear();
  }
}
