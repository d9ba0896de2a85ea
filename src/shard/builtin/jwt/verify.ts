/**
 * Verifies a token: finds its key, and checks it where that is cheapest.
 *
 * Path: jwt.ts -> here -> check-token.ts, on the shard or in the pool.
 * Invariant: the algorithm is one of the configured ones and fits the type of the key, whatever the
 * token says. Most signatures are checked by the threads that Node has for cryptography, which
 * costs the shard some 30 us; those that take ten times longer would hold these few threads up, so
 * they go to the pool, with its queue limit.
 */
import type { Scope } from 'holdfast/sdk';
import { decodeProtectedHeader, type JWK, type JWTPayload } from 'jose';
import { checkToken, type TokenCheck, type TokenRules, type TokenVerdict } from './check-token.ts';
import type { TokenHead } from './key-set.ts';
import type { KeySource } from './key-source.ts';

/** What came of it. */
export type Verified =
  | { readonly kind: 'claims'; readonly claims: JWTPayload }
  | { readonly kind: 'fault'; readonly fault: string }
  /** It cannot be said now: no keys, or too much to do. */
  | { readonly kind: 'unavailable' };

/** Checks of one shard under way at once, and tokens that wait for keys to be read. */
const CHECKS_MAX = 1024;
const WAITING_MAX = 256;
/** Algorithms that take about half a millisecond or more; the others take 20 to 60 us. */
const HEAVY_ALGORITHMS = new Set(['ES384', 'ES512']);
const HEAVY_RSA_BITS = 8192;

const fault = (text: string): Verified => ({ kind: 'fault', fault: text });
const UNAVAILABLE: Verified = { kind: 'unavailable' };

function isHeavy(key: JWK, algorithm: string): boolean {
  const bits = key.kty === 'RSA' ? Buffer.from(`${key.n}`, 'base64url').length * 8 : 0;
  return HEAVY_ALGORITHMS.has(algorithm) || bits > HEAVY_RSA_BITS;
}

function readHead(token: string): TokenHead | null {
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return null;
    return { alg, kid };
  } catch {
    return null;
  }
}

/** Verifies tokens by one configuration. */
export class Verifier {
  readonly #source: KeySource;
  readonly #algorithms: ReadonlySet<string>;
  readonly #rules: TokenRules;
  #checkCount = 0;
  #waitingCount = 0;

  constructor(source: KeySource, algorithms: readonly string[], rules: TokenRules) {
    this.#source = source;
    this.#algorithms = new Set(algorithms);
    this.#rules = rules;
  }

  /** Rejects only as `offload` does. */
  async verify(token: string, offload: Scope<unknown, unknown>['offload']): Promise<Verified> {
    const head = readHead(token);
    if (head === null) return fault('it is not a token');
    if (!this.#algorithms.has(head.alg)) return fault('the algorithm is not taken');
    const keys = await this.#findKeys(head);
    if (keys === null || this.#checkCount >= CHECKS_MAX) return UNAVAILABLE;
    this.#checkCount++;
    try {
      return await this.#check(token, { head, keys, offload });
    } finally {
      this.#checkCount--;
    }
  }

  /** Keys that may have signed; null when no keys are known, or too many tokens wait for them. */
  async #findKeys(head: TokenHead): Promise<readonly JWK[] | null> {
    const found = this.#source.keys?.candidates(head) ?? [];
    if (found.length > 0) return found;
    if (this.#waitingCount >= WAITING_MAX) return null;
    this.#waitingCount++;
    await this.#source.readAgain();
    this.#waitingCount--;
    return this.#source.keys?.candidates(head) ?? null;
  }

  async #check(
    token: string,
    by: {
      readonly head: TokenHead;
      readonly keys: readonly JWK[];
      readonly offload: Scope<unknown, unknown>['offload'];
    },
  ): Promise<Verified> {
    const algorithm = by.head.alg;
    let last = 'the key is not known';
    for (const key of by.keys) {
      const order: TokenCheck = { token, key, algorithm, rules: this.#rules };
      const verdict = isHeavy(key, algorithm)
        ? await by.offload<TokenVerdict>('check', order)
        : await checkToken(order);
      if ('claims' in verdict) return { kind: 'claims', claims: verdict.claims };
      if (!verdict.isSignature) return fault(verdict.fault);
      last = verdict.fault;
    }
    return fault(last);
  }
}
