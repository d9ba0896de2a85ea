/**
 * Bytes that any peer can make again from a seed, and 64-bit checksums of what came out.
 *
 * Path: both ends of a transfer in a test; raw_peer.py makes and checks the same.
 * Invariant: the same seed gives the same bytes, and a longer run begins with the shorter one.
 */
import { createHash, type Hash } from 'node:crypto';

/** Bytes that look random. */
export function makeBytes(seed: string, bytes: number): Buffer {
  return createHash('shake128', { outputLength: bytes }).update(seed).digest();
}

/** The 64-bit checksum of some bytes, as 16 hexadecimal digits. */
export function checksumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

/** A checksum over what comes piece by piece. */
export class Checksum {
  readonly #hash: Hash = createHash('sha256');
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(piece: Uint8Array): void {
    this.#hash.update(piece);
    this.#bytes += piece.length;
  }

  /** Of all pieces so far. */
  value(): string {
    return this.#hash.copy().digest('hex').slice(0, 16);
  }
}

/** A reproducible source of small numbers (xorshift32), for lengths and pauses. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed | 0) === 0 ? 1 : seed | 0;
  }

  /** From 0 to `below - 1`. */
  below(below: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % below;
  }
}
