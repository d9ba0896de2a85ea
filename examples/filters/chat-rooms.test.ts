/**
 * Rooms go where they belong.
 *
 * Path: `holdfast filter test examples/filters/chat-rooms.test.ts`; the project's tests run it too.
 * Invariant: the same room has the same key, whatever else the request says.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testFilter } from 'holdfast/testing';
import filter from './chat-rooms.ts';

test('the room is the key, and is told to the endpoint', async () => {
  await using kit = await testFilter(filter, { place: 'route' });
  for (const target of ['/rooms/blue', '/rooms/blue?token=1']) {
    const exchange = kit.exchange({ target });
    const outcome = await exchange.routed('rooms', 'chat');
    assert.deepEqual([outcome.verdict, outcome.hash, outcome.cluster], ['choose', 'blue', '']);
    assert.equal(exchange.requestHeaders['x-room'], 'blue');
  }
});

test('some rooms have a cluster of their own', async () => {
  await using kit = await testFilter(filter, { config: { vip: ['gold'] } });
  const outcome = await kit.exchange({ target: '/rooms/gold' }).routed();
  assert.deepEqual([outcome.hash, outcome.cluster], ['gold', 'chat-vip']);
});

test('what is no room is nobody’s', async () => {
  await using kit = await testFilter(filter);
  for (const target of ['/rooms/', '/rooms/a/b', '/rooms/A', `/rooms/${'x'.repeat(65)}`]) {
    assert.equal((await kit.exchange({ target }).routed()).code, 404, target);
  }
});
