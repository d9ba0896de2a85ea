/**
 * `holdfast/jwt` against tokens and requests that nobody thought of.
 *
 * Path: fast-check breaks good tokens and makes up fields; the filter runs in the kit.
 * Invariant: what was signed cannot be changed by anybody else; no input makes the filter fail,
 * because a failure would be everybody's.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import * as fc from 'fast-check';
import jwt from 'holdfast/jwt';
import { testFilter } from 'holdfast/testing';
import { CLAIMS, PUBLIC_KEYS, SECRET_KEY, tokenOf } from './issuer.ts';

const DIRECTORY = mkdtempSync(join(tmpdir(), 'holdfast-jwt-'));
after(() => rmSync(DIRECTORY, { recursive: true }));
writeFileSync(join(DIRECTORY, 'keys.json'), JSON.stringify({ keys: [...PUBLIC_KEYS, SECRET_KEY] }));
const CONFIG = {
  keys: { file: 'keys.json', cooldown: '1h' },
  algorithms: ['HS256', 'RS256', 'ES256', 'EdDSA'],
  token: ['authorization', { cookie: 'sid' }, { query: 't' }],
  removeToken: true,
  claims: { 'x-user': 'sub' },
};
const RUNS = { numRuns: 300 };
const HEADS = [
  { alg: 'HS256', kid: 's' },
  { alg: 'RS256', kid: 'r' },
  { alg: 'ES256', kid: 'e' },
  { alg: 'EdDSA', kid: 'd' },
];

const openKit = () => {
  return testFilter(jwt, { config: CONFIG, base: pathToFileURL(`${DIRECTORY}/`).href });
};
const CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=';

test('nothing that was signed can be changed', async () => {
  await using kit = await openKit();
  const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
  const character = fc.constantFrom(...CHARACTERS);
  const change = fc.record({ head: fc.constantFrom(...HEADS), place, character });
  await fc.assert(
    fc.asyncProperty(change, async ({ head, place, character }) => {
      const token = tokenOf(head, CLAIMS);
      const signed = token.slice(0, token.lastIndexOf('.'));
      const at = Math.floor(place * signed.length);
      const changed = `${token.slice(0, at)}${character}${token.slice(at + 1)}`;
      const headers = { authorization: `Bearer ${changed}` };
      const { verdict, code } = await kit.exchange({ headers }).request();
      if (changed === token) assert.equal(verdict, 'continue');
      else assert.equal(code, 401, changed);
    }),
    RUNS,
  );
  assert.deepEqual(kit.log, []);
});

test('no field, cookie or query makes it fail, or lets anybody in', async () => {
  await using kit = await openKit();
  const text = fc.string({ unit: 'binary-ascii', maxLength: 200 });
  const value = fc.oneof(
    text,
    text.map((one) => `Bearer ${one}`),
    text.map((one) => `sid=${one}; ${one}`),
    fc.array(fc.base64String(), { maxLength: 4 }).map((parts) => `Bearer ${parts.join('.')}`),
    fc.json().map((json) => `Bearer ${Buffer.from(json).toString('base64url')}.e30.AA`),
  );
  const script = fc.record({
    headers: fc.dictionary(
      fc.constantFrom('authorization', 'cookie', 'x-user'),
      fc.array(value, { maxLength: 2 }),
    ),
    target: fc.string({ unit: 'grapheme-ascii', maxLength: 100 }).map((one) => `/?t=${one}`),
  });
  await fc.assert(
    fc.asyncProperty(script, async (made) => {
      const { code } = await kit.exchange(made).request();
      assert.ok(code === 400 || code === 401, `${code}`);
    }),
    RUNS,
  );
  assert.deepEqual(kit.log, []);
});
