/**
 * Tokens that are right, and tokens that are not.
 *
 * Path: `holdfast filter test examples/filters/auth-jwt.test.ts`; the project's tests run it too.
 * Invariant: no wrong token gets through, and nobody can say who they are by themselves.
 */
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { testFilter } from 'holdfast/testing';
import filter from './auth-jwt.ts';

const SECRET = Buffer.from('a secret of thirty-two bytes!!!!');
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const CONFIG = {
  issuer: 'https://id.example.com',
  audience: 'chat',
  keys: [
    { kid: 's', kty: 'oct', alg: 'HS256', k: SECRET.toString('base64url') },
    { kid: 'r', alg: 'RS256', ...RSA.publicKey.export({ format: 'jwk' }) },
    { kid: 'e', alg: 'ES256', ...EC.publicKey.export({ format: 'jwk' }) },
  ],
};
const now = Math.floor(Date.now() / 1000);
const CLAIMS = { sub: 'ann', iss: CONFIG.issuer, aud: ['chat', 'mail'], exp: now + 60 };

type Header = { readonly alg: string; readonly kid: string };

function tokenOf(header: Header, claims: object, key: Header['alg'] = header.alg): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part(header)}.${part(claims)}`;
  const signers: Record<string, () => Buffer> = {
    HS256: () => createHmac('sha256', SECRET).update(input).digest(),
    RS256: () => sign('sha256', Buffer.from(input), RSA.privateKey),
    ES256: () =>
      sign('sha256', Buffer.from(input), { key: EC.privateKey, dsaEncoding: 'ieee-p1363' }),
    none: () => Buffer.alloc(0),
  };
  return `${input}.${signers[key]?.().toString('base64url')}`;
}

async function ask(authorization?: string) {
  await using kit = await testFilter(filter, { config: CONFIG });
  const headers = { 'x-user': 'root', ...(authorization !== undefined && { authorization }) };
  const exchange = kit.exchange({ headers });
  const outcome = await exchange.request();
  assert.deepEqual(kit.log, []);
  return { outcome, user: exchange.requestHeaders['x-user'] };
}

test('a token of each kind of key lets through, with its subject', async () => {
  for (const header of [
    { alg: 'HS256', kid: 's' },
    { alg: 'RS256', kid: 'r' },
    { alg: 'ES256', kid: 'e' },
  ]) {
    const { outcome, user } = await ask(`Bearer ${tokenOf(header, CLAIMS)}`);
    assert.deepEqual([outcome.verdict, user], ['continue', 'ann'], header.alg);
  }
});

test('every other token is refused, with the reason', async () => {
  const good = { alg: 'HS256', kid: 's' };
  const rows: [string | undefined, string][] = [
    [undefined, 'Bearer'],
    ['Basic YTpi', 'Bearer'],
    [`Bearer ${'x'.repeat(9000)}`, 'Bearer'],
    ['Bearer not.a.token', 'unknown key'],
    [`Bearer ${tokenOf({ alg: 'none', kid: 's' }, CLAIMS)}`, 'wrong algorithm'],
    [`Bearer ${tokenOf({ alg: 'HS256', kid: 'r' }, CLAIMS)}`, 'wrong algorithm'],
    [`Bearer ${tokenOf({ alg: 'RS256', kid: 'r' }, CLAIMS, 'HS256')}`, 'wrong signature'],
    [`Bearer ${tokenOf(good, CLAIMS)}x`, 'wrong signature'],
    [`Bearer ${tokenOf(good, { ...CLAIMS, exp: now - 60 })}`, 'expired'],
    [`Bearer ${tokenOf(good, { ...CLAIMS, nbf: now + 600 })}`, 'not valid yet'],
    [`Bearer ${tokenOf(good, { ...CLAIMS, iss: 'evil' })}`, 'wrong issuer'],
    [`Bearer ${tokenOf(good, { ...CLAIMS, aud: 'mail' })}`, 'wrong audience'],
    [`Bearer ${tokenOf(good, { ...CLAIMS, sub: '' })}`, 'no subject'],
  ];
  for (const [authorization, why] of rows) {
    const { outcome } = await ask(authorization);
    assert.deepEqual([outcome.verdict, outcome.code], ['respond', 401], why);
    assert.ok(outcome.headers['www-authenticate']?.includes(why), why);
  }
});

test('a busy pool is not an open door', async () => {
  const { OffloadError } = await import('holdfast/sdk');
  const verify = (): never => {
    throw new OffloadError('shed', 'the queue is full');
  };
  await using kit = await testFilter(filter, { config: CONFIG, offload: { verify } });
  const authorization = `Bearer ${tokenOf({ alg: 'RS256', kid: 'r' }, CLAIMS)}`;
  const outcome = await kit.exchange({ headers: { authorization } }).request();
  assert.deepEqual([outcome.verdict, outcome.code], ['respond', 503]);
});
