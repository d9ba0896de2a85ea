/**
 * Addresses as text and back.
 *
 * Path: src/main/model/address.ts.
 * Invariant under test: formatting and parsing are inverse.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { formatAddress, parseAddress } from '../../../src/main/model/index.ts';

test('what is formatted is parsed as the same', () => {
  const ip = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(ip, fc.integer({ min: 1, max: 65_535 }), (host, port) => {
      assert.deepEqual(parseAddress(formatAddress({ ip: host, port })), { ip: host, port });
    }),
  );
  assert.deepEqual(parseAddress('unix:/run/x.sock'), { path: '/run/x.sock' });
});

for (const text of ['', ':80', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', '::1:80', 'unix:']) {
  test(`"${text}" is no address`, () => {
    assert.equal(parseAddress(text), null);
  });
}

test('names and bracketed IPv4 are no addresses', () => {
  assert.equal(parseAddress('example.org:80'), null);
  assert.equal(parseAddress('[127.0.0.1]:80'), null);
});
