/**
 * Requests need a JSON Web Token (RFC 7519) that one of the configured keys signed.
 *
 * Configuration: `use: ./filters/auth-jwt.ts`, `with: { issuer, audience, keys: [JWK, ...] }`.
 * The endpoint gets the subject as x-user, and never a client's own x-user. Signatures with shared
 * secrets are checked at once; those with public keys cost more, so they go to the pool.
 * Invariant: the algorithm is the key's, whatever the token says, so none can be talked down.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { defineStreamFilter, respond } from 'holdfast/sdk';
import * as z from 'zod';
import type { Signed } from './auth-jwt-worker.ts';

const KEY = z.looseObject({
  kid: z.string(),
  kty: z.enum(['oct', 'RSA', 'EC']),
  alg: z.enum(['HS256', 'RS256', 'ES256']),
});
type Key = z.infer<typeof KEY>;

interface Claims {
  readonly sub?: unknown;
  readonly iss?: unknown;
  readonly aud?: unknown;
  readonly exp?: unknown;
  readonly nbf?: unknown;
}

/** A token and whatever is wrong with it are far below this. */
const TOKEN_LENGTH_MAX = 8192;
const LEEWAY_SECONDS = 30;

const unauthorized = (why: string) =>
  respond(401, { 'www-authenticate': `Bearer error="invalid_token", error_description="${why}"` });

function readPart(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown;
  } catch {
    return null;
  }
}

function hasSharedSecretSignature(key: Key, { input, signature }: Signed): boolean {
  const secret = Buffer.from(String(key['k']), 'base64url');
  const expected = createHmac('sha256', secret).update(input).digest();
  const given = Buffer.from(signature, 'base64url');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** What is wrong with the claims; null when nothing is. */
function faultOf(claims: Claims, rule: { issuer: string; audience: string }): string | null {
  const now = Date.now() / 1000;
  const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  if (claims.iss !== rule.issuer) return 'wrong issuer';
  if (!audiences.includes(rule.audience)) return 'wrong audience';
  if (typeof claims.exp !== 'number' || claims.exp < now - LEEWAY_SECONDS) return 'expired';
  if (typeof claims.nbf === 'number' && claims.nbf > now + LEEWAY_SECONDS) return 'not valid yet';
  return typeof claims.sub === 'string' && claims.sub !== '' ? null : 'no subject';
}

export default defineStreamFilter({
  name: 'auth-jwt',
  config: z.strictObject({
    issuer: z.string(),
    audience: z.string(),
    keys: z.array(KEY).min(1),
  }),
  needs: { requestHeaders: ['authorization', 'x-user'] },
  onError: 'closed',
  timeout: '500ms',
  offload: new URL('./auth-jwt-worker.ts', import.meta.url),
  setup: ({ config }) => ({
    rule: { issuer: config.issuer, audience: config.audience },
    keys: new Map(config.keys.map((key) => [key.kid, key])),
  }),
  async onRequest(request, { shared, offload }) {
    const [scheme, token = ''] = request.headers.get('authorization')?.split(' ') ?? [];
    if (scheme?.toLowerCase() !== 'bearer' || token.length > TOKEN_LENGTH_MAX) {
      return respond(401, { 'www-authenticate': 'Bearer' });
    }
    const [head = '', body = '', signature = '', ...more] = token.split('.');
    const header = readPart(head) as { readonly kid?: string; readonly alg?: string } | null;
    const key = shared.keys.get(`${header?.kid}`);
    if (more.length > 0 || key === undefined) return unauthorized('unknown key');
    if (header?.alg !== key.alg) return unauthorized('wrong algorithm');
    const signed: Signed = { input: `${head}.${body}`, signature };
    const isSigned =
      key.alg === 'HS256'
        ? key.kty === 'oct' && hasSharedSecretSignature(key, signed)
        : await offload<boolean>('verify', { key, signed });
    if (!isSigned) return unauthorized('wrong signature');
    const claims = (readPart(body) ?? {}) as Claims;
    const fault = faultOf(claims, shared.rule);
    if (fault !== null) return unauthorized(fault);
    request.headers.set('x-user', encodeURIComponent(String(claims.sub)));
    return undefined;
  },
});
