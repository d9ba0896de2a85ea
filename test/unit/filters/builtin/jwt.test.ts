/**
 * `holdfast/jwt` with keys from a file: tokens that are right, and every kind that is not.
 *
 * Path: the filter runs in the kit, imported by the name that a configuration says.
 * Invariant: no wrong token gets through, and nobody can say what only a token may say.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import jwt from 'holdfast/jwt';
import { OffloadError } from 'holdfast/sdk';
import { type RequestScript, testFilter } from 'holdfast/testing';
import { CLAIMS, NOW, PUBLIC_KEYS, SECRET_KEY, type TokenHead, tokenOf } from './issuer.ts';

const DIRECTORY = mkdtempSync(join(tmpdir(), 'holdfast-jwt-'));
after(() => rmSync(DIRECTORY, { recursive: true }));
writeFileSync(
  join(DIRECTORY, 'keys.json'),
  JSON.stringify({ keys: [...PUBLIC_KEYS, SECRET_KEY, { kty: 'AKP' }, 'nonsense'] }),
);
const BASE = pathToFileURL(join(DIRECTORY, 'holdfast.yaml')).href;
const CONFIG = {
  keys: { file: './keys.json', cooldown: '1h' },
  issuer: 'https://id.example',
  audience: ['chat', 'mail'],
  algorithms: ['HS256', 'RS256', 'ES256', 'ES384', 'EdDSA'],
  clockTolerance: '30s',
  claims: { 'X-User': 'sub', 'x-roles': 'realm.roles' },
};
const RS: TokenHead = { alg: 'RS256', kid: 'r' };

async function openKit(config: object = {}, options: object = {}) {
  return await testFilter(jwt, { config: { ...CONFIG, ...config }, base: BASE, ...options });
}

/** One request with a token. */
async function ask(token: string | undefined, config: object = {}) {
  await using kit = await openKit(config);
  const headers = { ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  const exchange = kit.exchange({ headers });
  const outcome = await exchange.request();
  assert.deepEqual(kit.log, []);
  return { outcome, headers: exchange.requestHeaders };
}

test('a token of each kind of key lets through, and its claims become fields', async () => {
  const heads: TokenHead[] = [
    { alg: 'HS256', kid: 's' },
    RS,
    { alg: 'ES256', kid: 'e' },
    { alg: 'ES384', kid: 'h' },
    { alg: 'EdDSA', kid: 'd' },
    { alg: 'RS256' },
  ];
  for (const head of heads) {
    const claims = { ...CLAIMS, realm: { roles: ['a', 'b,c'] } };
    const { outcome, headers } = await ask(tokenOf(head, claims));
    assert.equal(outcome.verdict, 'continue', head.alg);
    assert.deepEqual([headers['x-user'], headers['x-roles']], ['ann', 'a,b%2Cc']);
    assert.ok(headers['authorization']?.startsWith('Bearer '));
  }
});

test('every other token is refused, with the reason', async () => {
  const parts = tokenOf(RS).split('.');
  const rows: [string, string][] = [
    ['not-a-token', 'not a token'],
    ['a.b.c', 'not a token'],
    ['x'.repeat(9000), 'not a token'],
    [`${parts[0]}..${parts[2]}`, 'signature is wrong'],
    [tokenOf({ alg: 'none' }), 'algorithm is not taken'],
    [tokenOf({ alg: 'None' }, CLAIMS, 'none'), 'algorithm is not taken'],
    [tokenOf({ alg: 'HS512', kid: 's' }, CLAIMS, 'HS256'), 'algorithm is not taken'],
    [tokenOf({ alg: 'RS256', kid: 'other' }), 'key is not known'],
    [tokenOf({ alg: 'HS256', kid: 'r' }, CLAIMS, 'confused'), 'key is not known'],
    [tokenOf({ alg: 'HS256' }, CLAIMS, 'confused'), 'signature is wrong'],
    [tokenOf({ alg: 'ES256', kid: 'r' }, CLAIMS, 'RS256'), 'key is not known'],
    [tokenOf(RS, CLAIMS, 'HS256'), 'signature is wrong'],
    [tokenOf(RS, CLAIMS, 'none'), 'signature is wrong'],
    [
      `${parts[0]}.${tokenOf(RS, { ...CLAIMS, sub: 'eve' }).split('.')[1]}.${parts[2]}`,
      'signature',
    ],
    [tokenOf(RS, { ...CLAIMS, exp: NOW - 60 }), 'expired'],
    [tokenOf(RS, { ...CLAIMS, exp: 'tomorrow' }), 'claim exp is not valid'],
    [tokenOf(RS, { ...CLAIMS, exp: undefined }), 'claim exp is missing'],
    [tokenOf(RS, { ...CLAIMS, nbf: NOW + 600 }), 'not valid yet'],
    [tokenOf(RS, { ...CLAIMS, iss: 'https://evil.example' }), 'claim iss is wrong'],
    [tokenOf(RS, { ...CLAIMS, aud: ['other'] }), 'claim aud is wrong'],
    [tokenOf(RS, { ...CLAIMS, aud: undefined }), 'claim aud is missing'],
    [tokenOf(RS, { ...CLAIMS, sub: 'x'.repeat(5000) }), 'claim sub is too long'],
    [tokenOf({ ...RS, crit: ['exp'], exp: 1 }), 'extensions that are not known'],
    [tokenOf({ ...RS, kid: 7 } as never), 'not a token'],
    [tokenOf(RS, ['a', 'list']), 'not a token'],
  ];
  await using kit = await openKit();
  for (const [token, why] of rows) {
    const headers = { authorization: `Bearer ${token}` };
    const outcome = await kit.exchange({ headers }).request();
    assert.deepEqual([outcome.verdict, outcome.code], ['respond', 401], why);
    const given = outcome.headers['www-authenticate'] ?? '';
    assert.match(given, /^Bearer error="invalid_token", error_description="[^"]+"$/);
    assert.ok(given.includes(why), `${given} / ${why}`);
  }
  assert.deepEqual(kit.log, []);
});

test('times are taken with the tolerance', async () => {
  const late = { ...CLAIMS, exp: NOW - 10, nbf: NOW + 10 };
  assert.equal((await ask(tokenOf(RS, late))).outcome.verdict, 'continue');
  const strict = { clockTolerance: '0ms' };
  assert.equal((await ask(tokenOf(RS, late), strict)).outcome.code, 401);
});

test('a request without a token is challenged, or passes, without the fields of claims', async () => {
  const spoofed: RequestScript = { headers: { 'x-user': 'root', 'x-roles': 'admin', 'x-o': '1' } };
  await using rejecting = await openKit({ realm: 'chat' });
  const refused = await rejecting.exchange(spoofed).request();
  assert.deepEqual(
    [refused.code, refused.headers],
    [401, { 'www-authenticate': 'Bearer realm="chat"' }],
  );
  const basic = { authorization: 'Basic YTpi' };
  assert.equal((await rejecting.exchange({ headers: basic }).request()).code, 401);
  await using passing = await openKit({ onMissing: 'pass' });
  const exchange = passing.exchange(spoofed);
  assert.equal((await exchange.request()).verdict, 'continue');
  assert.deepEqual(exchange.requestHeaders, { 'x-o': '1' });
  const wrong = { headers: { authorization: 'Bearer a.b.c' } };
  assert.equal((await passing.exchange(wrong).request()).code, 401);
});

test('what a client says in the field of a claim is replaced, also when the token lacks it', async () => {
  await using kit = await openKit();
  const authorization = `Bearer ${tokenOf(RS)}`;
  const headers = { authorization, 'x-user': ['root', 'root2'], 'x-roles': 'admin' };
  const exchange = kit.exchange({ headers });
  assert.equal((await exchange.request()).verdict, 'continue');
  assert.deepEqual(exchange.requestHeaders, { authorization, 'x-user': 'ann' });
});

test('a token is found where the configuration says, the first place first', async () => {
  const token = [
    { header: 'x-token' },
    { cookie: 'sid' },
    { query: 'access token' },
    'authorization',
  ];
  const good = tokenOf(RS);
  const rows: [RequestScript, string][] = [
    [{ headers: { 'x-token': good } }, 'continue'],
    [{ headers: { cookie: `a=b; sid=${good}; c=d` } }, 'continue'],
    [{ target: `/x?a=1&access+token=${good}&b=2` }, 'continue'],
    [{ target: `/x?access%20token=${good}` }, 'continue'],
    [{ headers: { authorization: `bearer   ${good}` } }, 'continue'],
    [{ headers: { 'x-token': good, authorization: 'Bearer bad' } }, 'continue'],
    [{ headers: { 'x-token': 'bad', authorization: `Bearer ${good}` } }, 'respond'],
    [{ headers: { cookie: `xsid=${good}` } }, 'respond'],
  ];
  await using kit = await openKit({ token });
  for (const [script, verdict] of rows) {
    assert.equal((await kit.exchange(script).request()).verdict, verdict, JSON.stringify(script));
  }
  for (const script of [
    { headers: { 'x-token': [good, good] } },
    { headers: { cookie: [`sid=${good}`, `sid=${good}`] } },
    { target: `/?access+token=${good}&access%20token=other` },
    { headers: { authorization: [`Bearer ${good}`, 'Bearer x'] } },
  ]) {
    const outcome = await kit.exchange(script).request();
    assert.equal(outcome.code, 400, JSON.stringify(script));
    assert.ok(outcome.headers['www-authenticate']?.includes('invalid_request'));
  }
});

test('the token can be taken out, and nothing else with it', async () => {
  const token = ['authorization', { header: 'x-token' }, { cookie: 'sid' }, { query: 't' }];
  await using kit = await openKit({ token, removeToken: true, claims: {} });
  const good = tokenOf(RS);
  const rows: [RequestScript, string, object][] = [
    [{ headers: { authorization: `Bearer ${good}`, a: 'b' } }, '/', { a: 'b' }],
    [{ headers: { 'x-token': good } }, '/', {}],
    [{ headers: { cookie: `a=b; sid=${good};c=d` } }, '/', { cookie: 'a=b; c=d' }],
    [{ headers: { cookie: `sid=${good}` } }, '/', {}],
    [{ target: `/x?a=%41&t=${good}&b` }, '/x?a=%41&b', {}],
    [{ target: `/x?t=${good}` }, '/x', {}],
  ];
  for (const [script, target, headers] of rows) {
    // The second time it is known already.
    for (const _ of [1, 2]) {
      const exchange = kit.exchange(script);
      assert.equal((await exchange.request()).verdict, 'continue');
      assert.deepEqual([exchange.requestTarget, exchange.requestHeaders], [target, headers]);
    }
  }
  const huge = { cookie: `a=${'x'.repeat(40_000)}; sid=${good}` };
  assert.equal((await kit.exchange({ headers: huge }).request()).code, 400);
});

test('a token that was verified is known until it ends', async () => {
  await using kit = await openKit({ clockTolerance: '0ms', cacheEntries: 2 });
  const headers = (claims: object = CLAIMS) => {
    return { authorization: `Bearer ${tokenOf(RS, claims)}` };
  };
  const waited = async (claims?: object) =>
    (await kit.exchange({ headers: headers(claims) }).request()).hasWaited;
  const waits = [await waited(), await waited()];
  // Two more push the first one out.
  waits.push(await waited({ ...CLAIMS, sub: 'bob' }), await waited({ ...CLAIMS, sub: 'cid' }));
  waits.push(await waited());
  assert.deepEqual(waits, [true, false, true, true, true]);
  await using none = await openKit({ cacheEntries: 0 });
  for (const _ of [1, 2]) {
    assert.equal((await none.exchange({ headers: headers() }).request()).hasWaited, true);
  }
});

test('fields of different claims differ, whatever is in them', async () => {
  const texts = [
    'é',
    '%C3%A9',
    'a,b',
    ' ann',
    'ann',
    'ann ',
    'a\r\nb',
    '\u0000',
    '\ud800',
    '𝄞',
    '%',
  ];
  const values: unknown[] = [...texts, ['a', 'b'], { a: 'b' }, 5, true, null, [], ''];
  const seen = new Map<string | undefined, unknown>();
  await using kit = await openKit();
  for (const sub of values) {
    const headers = { authorization: `Bearer ${tokenOf(RS, { ...CLAIMS, sub })}` };
    const exchange = kit.exchange({ headers });
    assert.equal((await exchange.request()).verdict, 'continue');
    const field = exchange.requestHeaders['x-user'];
    if (field === undefined) continue;
    assert.match(field, /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/);
    assert.ok(!seen.has(field), `${String(sub)} and ${String(seen.get(field))}`);
    seen.set(field, sub);
  }
  assert.deepEqual(seen.get('a,b'), ['a', 'b']);
});

test('signatures that take long are checked in the pool; a busy pool is no open door', async () => {
  const heads = { heavy: { alg: 'ES384', kid: 'h' }, light: RS };
  const check = (): never => {
    throw new OffloadError('shed', 'the queue is full');
  };
  await using kit = await openKit({}, { offload: { check } });
  const ask384 = kit.exchange({ headers: { authorization: `Bearer ${tokenOf(heads.heavy)}` } });
  const outcome = await ask384.request();
  assert.deepEqual([outcome.code, outcome.headers['retry-after']], [503, '5']);
  const light = kit.exchange({ headers: { authorization: `Bearer ${tokenOf(heads.light)}` } });
  assert.equal((await light.request()).verdict, 'continue');
});

test('a WebSocket is checked by the request that opens it, on a route as on a listener', async () => {
  await using kit = await openKit({}, { place: 'route' });
  const exchange = kit.exchange({ headers: { 'x-user': 'root' } });
  assert.equal((await exchange.request()).verdict, 'continue');
  assert.equal((await exchange.routed()).code, 401);
});

test('a configuration that cannot be is refused, with the field and the reason', async () => {
  const rows: [object, RegExp][] = [
    [{ algorithms: undefined }, /must list the algorithms/],
    [{ algorithms: [] }, /must list the algorithms/],
    [{ algorithms: ['none'] }, /never taken/],
    [{ algorithms: ['RS257'] }, /must be one of RS256/],
    [{ keys: undefined }, /either "file" or "url"/],
    [{ keys: {} }, /either "file" or "url"/],
    [{ keys: { file: 'a', url: 'https://b/' } }, /either "file" or "url"/],
    [{ keys: { url: 'ftp://a/' } }, /http or https URL/],
    [{ keys: { url: 'https://a/' }, algorithms: ['HS256'] }, /use keys.file/],
    [{ keys: { file: 'a', refresh: '2d' } }, /must be a duration from 10ms to 24h/],
    [{ claims: { host: 'sub' } }, /belongs to the gateway/],
    [{ claims: { authorization: 'sub' } }, /where tokens are/],
    [{ token: ['Authorization'] }, /must be "authorization", \{ header/],
    [{ onMissing: 'maybe' }, /must be "reject" or "pass"/],
    [{ realm: 'a"b' }, /without quotes/],
    [{ audiance: 'x' }, /audiance/],
    [{ keys: { file: './nowhere.json' } }, /keys cannot be read from .*nowhere.json/],
    [{ keys: { file: './bad.json' } }, /it is not JSON/],
    [{ keys: { file: './empty.json' } }, /no list "keys"/],
    [{ algorithms: ['PS512'], keys: { file: './few.json' } }, /none of its 1 keys is for PS512/],
  ];
  writeFileSync(join(DIRECTORY, 'bad.json'), '{');
  writeFileSync(join(DIRECTORY, 'empty.json'), '[]');
  writeFileSync(join(DIRECTORY, 'few.json'), JSON.stringify({ keys: [PUBLIC_KEYS[1]] }));
  for (const [config, message] of rows) {
    await assert.rejects(openKit(config), message, JSON.stringify(config));
  }
});
