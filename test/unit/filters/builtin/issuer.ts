/**
 * An issuer of tokens for tests: keys, tokens of any kind, and a key set over HTTP.
 *
 * Path: jwt*.test.ts. Tokens are put together by hand, so that wrong ones can be made too.
 * Invariant: the key set is what the test says at that moment; every request for it is counted and
 * can be awaited.
 */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const SECRET = Buffer.from('a secret of thirty-two bytes!!!!');
export const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const EC384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const ED = generateKeyPairSync('ed25519');

export const PUBLIC_KEYS = [
  { kid: 'r', use: 'sig', alg: 'RS256', ...RSA.publicKey.export({ format: 'jwk' }) },
  { kid: 'e', ...EC.publicKey.export({ format: 'jwk' }) },
  { kid: 'h', ...EC384.publicKey.export({ format: 'jwk' }) },
  { kid: 'd', ...ED.publicKey.export({ format: 'jwk' }) },
];
export const SECRET_KEY = { kid: 's', kty: 'oct', k: SECRET.toString('base64url') };

export interface TokenHead {
  readonly alg: string;
  readonly kid?: string;
  readonly [field: string]: unknown;
}

const SIGNERS: Readonly<Record<string, (input: Buffer) => Buffer>> = {
  HS256: (input) => createHmac('sha256', SECRET).update(input).digest(),
  /** The public key as if it were a secret. */
  confused: (input) =>
    createHmac('sha256', RSA.publicKey.export({ type: 'spki', format: 'pem' }))
      .update(input)
      .digest(),
  RS256: (input) => sign('sha256', input, RSA.privateKey),
  ES256: (input) => sign('sha256', input, { key: EC.privateKey, dsaEncoding: 'ieee-p1363' }),
  ES384: (input) => sign('sha384', input, { key: EC384.privateKey, dsaEncoding: 'ieee-p1363' }),
  EdDSA: (input) => sign(null, input, ED.privateKey),
  none: () => Buffer.alloc(0),
};

const NOW = Math.floor(Date.now() / 1000);
export const CLAIMS = { sub: 'ann', iss: 'https://id.example', aud: 'chat', exp: NOW + 600 };
export { NOW };

/** A token; signed as its head says, or as `by` does. */
export function tokenOf(head: TokenHead, claims: object = CLAIMS, by = head.alg): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part(head)}.${part(claims)}`;
  return `${input}.${SIGNERS[by]?.(Buffer.from(input)).toString('base64url')}`;
}

/** A place that gives out a key set. */
export async function openKeySite() {
  let answer: (response: ServerResponse) => void = (response) => response.end('{"keys":[]}');
  let count = 0;
  const site = createServer((_, response) => {
    count++;
    site.emit('asked');
    answer(response);
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  const { port } = site.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/keys`,
    get count() {
      return count;
    },
    /** What comes from now on. */
    give(next: (response: ServerResponse) => void): void {
      answer = next;
    },
    giveKeys(keys: readonly object[]): void {
      answer = (response) => response.end(JSON.stringify({ keys }));
    },
    /** The next request. */
    asked: () => once(site, 'asked'),
    async [Symbol.asyncDispose]() {
      site.closeAllConnections();
      site.close();
      await once(site, 'close');
    },
  };
}
