/**
 * What is taken out of messages, and what is not.
 *
 * Path: `holdfast filter test examples/filters/redact.test.ts`; the project's tests run it too.
 * Invariant: a card number passes in neither direction, however it is grouped.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testFilter } from 'holdfast/testing';
import filter from './redact.ts';

test('card numbers are taken out, other numbers stay', async () => {
  await using kit = await testFilter(filter);
  const tunnel = kit.tunnel();
  for (const card of ['4111111111111111', '4111 1111 1111 1111', '4111-1111-1111-1111']) {
    assert.equal((await tunnel.fromClient(`pay ${card} now`)).text, 'pay [card] now');
    assert.equal((await tunnel.fromEndpoint(`was ${card}`)).text, 'was [card]');
  }
  for (const text of ['call 4111111111111112', 'no. 12345', 'nothing at all', '日本語']) {
    assert.equal((await tunnel.fromClient(text)).verdict, 'continue', text);
  }
});

test('words are taken out in any case', async () => {
  await using kit = await testFilter(filter, { config: { words: ['p.w', 'geheim'] } });
  const tunnel = kit.tunnel();
  assert.equal((await tunnel.fromClient('my P.W is GEHEIM')).text, 'my [removed] is [removed]');
  assert.equal((await tunnel.fromClient('pow')).verdict, 'continue');
});

test('a message too large to look at closes; binary is not looked at', async () => {
  await using kit = await testFilter(filter);
  const tunnel = kit.tunnel();
  assert.equal((await tunnel.fromClient(new Uint8Array(100_000))).verdict, 'continue');
  assert.equal((await tunnel.fromClient('x'.repeat(70_000))).code, 1009);
  assert.equal(kit.count('message', 'calls'), 0);
});
