/**
 * The part of `holdfast/jwt` that runs in the pool: signatures that take long to check.
 *
 * Path: `offload('check', ...)` in verify.ts -> a thread of the pool -> the verdict.
 * Invariant: pure; each thread imports a key once.
 */
import type { JWK } from 'jose';
import { checkToken, type TokenCheck, type TokenVerdict } from './check-token.ts';

/** Keys that a thread remembers. */
const KEYS_MAX = 100;

const known = new Map<string, JWK>();

/** The same object for the same key. */
function intern(key: JWK): JWK {
  const text = JSON.stringify(key);
  const found = known.get(text);
  if (found !== undefined) return found;
  if (known.size >= KEYS_MAX) known.clear();
  known.set(text, key);
  return key;
}

/** Checks a token. */
export async function check(order: TokenCheck): Promise<TokenVerdict> {
  return await checkToken({ ...order, key: intern(order.key) });
}
