/**
 * Tokens that were verified, so that the next request with one of them costs a digest and a look.
 *
 * Path: jwt.ts asks before it verifies.
 * Invariant: holds digests, never tokens. An entry ends with its token; the one that was used least
 * recently goes when there are too many. All go when the keys change, because a key may have been
 * taken back.
 */
import { hash } from 'node:crypto';
import { ExpiringMap } from '../parts/index.ts';
import type { ClaimField } from './claims.ts';

/** Tokens without an end, and with a far one, are verified again after this. */
const ENTRY_MS_MAX = 3_600_000;

interface Entry {
  readonly fields: readonly ClaimField[];
  /** Of the token, clock tolerance included; milliseconds since the epoch. */
  readonly endsAtMs: number;
}

/** The digest of a token. */
export function digestOf(token: string): string {
  return hash('sha256', token, 'base64url');
}

/** Fields of tokens that were verified, by digest. */
export class VerifiedTokens {
  readonly #fields: ExpiringMap<readonly ClaimField[]>;
  #epoch = 0;

  constructor(entriesMax: number) {
    this.#fields = new ExpiringMap(entriesMax);
  }

  get(digest: string): readonly ClaimField[] | undefined {
    return this.#fields.get(digest);
  }

  /** Counts the times that everything was forgotten; `add` wants it as it was before the check. */
  get epoch(): number {
    return this.#epoch;
  }

  add(digest: string, { fields, endsAtMs }: Entry, epoch: number): void {
    if (epoch !== this.#epoch) return;
    this.#fields.set(digest, fields, Math.min(endsAtMs, Date.now() + ENTRY_MS_MAX));
  }

  clear(): void {
    this.#epoch++;
    this.#fields.clear();
  }
}
