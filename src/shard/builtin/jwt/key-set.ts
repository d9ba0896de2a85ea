/**
 * A JSON Web Key Set (RFC 7517) as it was read: which of its keys may have signed a token.
 *
 * Path: key-source.ts reads sets; verify.ts asks for keys.
 * Invariant: a key is only for the algorithms of its own type (RFC 7518 3.1), so that a public key
 * is never taken for a shared secret. Keys for other uses are left out.
 */
import type { JWK } from 'jose';
import { isSymmetric } from './schema.ts';

/** Keys of one set. */
export const KEYS_MAX = 100;
/** Keys that are tried for a token that does not name its key. */
const TRIED_MAX = 4;
const RSA_BITS_MIN = 2048;

/** What a token says about its signature. */
export interface TokenHead {
  readonly alg: string;
  readonly kid: string | undefined;
}

const CURVES: Readonly<Record<string, string>> = {
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
  EdDSA: 'Ed25519',
  Ed25519: 'Ed25519',
};

function typeFor(algorithm: string): string {
  if (isSymmetric(algorithm)) return 'oct';
  if (/^[RP]S/.test(algorithm)) return 'RSA';
  return algorithm.startsWith('ES') ? 'EC' : 'OKP';
}

function bytesOf(text: unknown): number {
  return typeof text === 'string' ? Buffer.from(text, 'base64url').length : 0;
}

/** True when a key can make signatures of an algorithm that are worth something. */
function isFor(key: JWK, algorithm: string): boolean {
  if (key.kty !== typeFor(algorithm)) return false;
  if (key.alg !== undefined && key.alg !== algorithm) return false;
  if (key.kty === 'oct') return bytesOf(key.k) * 8 >= Number(algorithm.slice(2));
  if (key.kty === 'RSA') return bytesOf(key.n) * 8 >= RSA_BITS_MIN;
  return key.crv === CURVES[algorithm];
}

function isForSignatures(key: JWK): boolean {
  const isUse = key.use === undefined || key.use === 'sig';
  return isUse && (key.key_ops === undefined || key.key_ops.includes('verify'));
}

/** A key without what only its owner should know. */
function toPublic(key: JWK): JWK {
  if (key.kty === 'oct') return key;
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, oth: _oth, ...rest } = key;
  return rest;
}

/** Keys that were read. */
export class KeySet {
  readonly #keys: readonly JWK[];

  constructor(keys: readonly JWK[]) {
    this.#keys = keys;
  }

  /** Keys that may have signed a token, few even when it names none. */
  candidates({ alg, kid }: TokenHead): readonly JWK[] {
    const named = this.#keys.filter(
      (key) => (kid === undefined || key.kid === kid) && isFor(key, alg),
    );
    return named.slice(0, TRIED_MAX);
  }
}

/**
 * Reads a set.
 *
 * @throws Error with one sentence when it is none, or has no key for any of the algorithms.
 */
export function parseKeySet(text: string, algorithms: readonly string[]): KeySet {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
  const list = (parsed as { readonly keys?: unknown } | null)?.keys;
  if (!Array.isArray(list)) throw new Error('it is not a JSON Web Key Set: it has no list "keys"');
  if (list.length > KEYS_MAX) throw new Error(`it has more than ${KEYS_MAX} keys`);
  const keys = (list as unknown[]).filter(
    (key): key is JWK => typeof key === 'object' && key !== null && isForSignatures(key as JWK),
  );
  const usable = keys.filter((key) => algorithms.some((algorithm) => isFor(key, algorithm)));
  if (usable.length === 0) {
    throw new Error(`none of its ${list.length} keys is for ${algorithms.join(', ')}`);
  }
  return new KeySet(usable.map(toPublic));
}
