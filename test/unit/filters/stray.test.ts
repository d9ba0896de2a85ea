/**
 * Who threw: a filter, or the gateway itself.
 *
 * Path: stacks as V8 writes them -> stray.ts; test/e2e/filters has the whole with real filters.
 * Invariant under test: code of the gateway is never taken for a filter's, because its shard must
 * end then.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originOf } from '../../../src/shard/filters/index.ts';

const OWN = new URL('../../../src/', import.meta.url).href;

function thrown(...frames: string[]): Error {
  const error = new Error('on purpose');
  error.stack = ['Error: on purpose', ...frames.map((frame) => `    at ${frame}`)].join('\n');
  return error;
}

test('the code nearest to the throw counts', () => {
  const host = `FilterHost.run (${OWN}shard/filters/host.ts:110:5)`;
  const filter = 'Object.onRequest (file:///etc/holdfast/auth.ts?holdfast-program=abc123:3:7)';
  const node = 'node:internal/timers:573:17';
  assert.deepEqual(originOf(thrown(filter, host)), { isOwn: false, program: 'abc123' });
  assert.deepEqual(originOf(thrown(host, filter)), { isOwn: true, program: 'abc123' });
  assert.deepEqual(originOf(thrown(node, host)), { isOwn: true, program: null });
  assert.deepEqual(originOf(thrown(node)), { isOwn: false, program: null });
});

test('packages and built-in filters are not the gateway', () => {
  const redis = 'Socket.fail (file:///app/node_modules/redis/index.js:1:1)';
  const built = `refresh (${OWN}shard/builtin/jwt/key-source.ts:9:9)`;
  assert.equal(originOf(thrown(redis)).isOwn, false);
  assert.equal(originOf(thrown(built)).isOwn, false);
});

test('what is no error is a filter’s: the gateway throws errors', () => {
  for (const value of ['text', null, undefined, 7, {}]) {
    assert.deepEqual(originOf(value), { isOwn: false, program: null });
  }
});
