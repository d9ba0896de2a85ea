/**
 * The part of auth-jwt.ts that runs in the pool: signatures with public keys.
 *
 * Path: `offload('verify', ...)` in the filter -> a thread of the pool -> true or false.
 * Invariant: pure: a key and a signature in, an answer out; keys are parsed once for each thread.
 */
import {
  createPublicKey,
  type JsonWebKeyInput,
  type KeyObject,
  verify as verifySignature,
} from 'node:crypto';

/** What was signed, and the signature in base64url. */
export interface Signed {
  readonly input: string;
  readonly signature: string;
}

const parsed = new Map<string, KeyObject>();
const KEYS_MAX = 100;

function parse(key: JsonWebKeyInput['key']): KeyObject {
  const text = JSON.stringify(key);
  let found = parsed.get(text);
  if (found === undefined) {
    found = createPublicKey({ key, format: 'jwk' });
    if (parsed.size < KEYS_MAX) parsed.set(text, found);
  }
  return found;
}

/** True when the key made the signature. */
export function verify({ key, signed }: { key: JsonWebKeyInput['key']; signed: Signed }): boolean {
  const { input, signature } = signed;
  return verifySignature(
    'sha256',
    Buffer.from(input),
    { key: parse(key), dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  );
}
