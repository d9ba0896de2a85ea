/**
 * Fields for access records: what hooks may set, and what of it crosses to the core.
 *
 * Path: `holdfast/testing` plays the core's side and shows what a record would have.
 * Invariant: a field that was set crosses with the next answer, whatever becomes of the hook; a
 * name or value that is none is a failure of the filter and nothing else.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  defineMessageFilter,
  defineNetworkFilter,
  defineStreamFilter,
  type Scope,
} from '../../../src/sdk/index.ts';
import { ANSWER, EDIT, EDIT_WORDS } from '../../../src/shard/filters/layout.ts';
import { LogFields } from '../../../src/shard/filters/log-fields.ts';
import { testFilter } from '../../../src/testing/index.ts';

type AnyScope = Scope<undefined, undefined>;

test('fields are shown by holdfast/testing, beside verdicts and edits', async () => {
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'tag',
      onRequest: (request, { log }) => {
        request.headers.set('x-seen', 'yes');
        log('tenant', 'red');
      },
      onRouted: ({ route }, scope) => scope.log('tenant', route),
      async onResponse({ status }, scope) {
        scope.log('status', `${status}`);
        await Promise.resolve();
        scope.log('later', 'ä€😀');
      },
    }),
  );
  const exchange = kit.exchange();
  assert.deepEqual(exchange.logged, {});
  const { verdict, edits } = await exchange.request();
  assert.deepEqual([verdict, edits.length], ['continue', 1]);
  assert.deepEqual(exchange.logged, { tenant: 'red' });
  await exchange.routed('rooms');
  assert.equal((await exchange.response()).hasWaited, true);
  assert.deepEqual(exchange.logged, { tenant: 'rooms', status: '200', later: 'ä€😀' });
  assert.deepEqual(kit.exchange().logged, {});
});

test('connections and tunnels have fields too', async () => {
  await using doors = await testFilter(
    defineNetworkFilter({
      name: 'door',
      onAccept: ({ client }, { log }) => log('from', client.ip),
      onOpen: async ({ alpn }, { log }) => {
        await Promise.resolve();
        log('alpn', alpn);
      },
    }),
  );
  const connection = doors.connection({ alpn: 'h2' });
  await connection.accept();
  await connection.open();
  assert.deepEqual(connection.logged, { from: '192.0.2.1', alpn: 'h2' });
  await using talk = await testFilter(
    defineMessageFilter({
      name: 'talk',
      needs: { messages: { from: 'both' } },
      onOpen: ({ target }, { log }) => log('target', target),
      onMessage: (message, { log }) => log('last', message.text),
    }),
  );
  const tunnel = talk.tunnel({ target: '/room' });
  await tunnel.open();
  assert.equal((await tunnel.fromClient('one')).verdict, 'continue');
  await tunnel.fromEndpoint('two');
  assert.deepEqual(tunnel.logged, { target: '/room', last: 'two' });
});

test('what was set before a hook failed, or was refused, stays', async () => {
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'fails',
      onRequest(request, { log }) {
        request.headers.set('x-gone', 'yes');
        log('why', 'no luck');
        throw new Error('on purpose');
      },
    }),
  );
  const exchange = kit.exchange();
  const outcome = await exchange.request();
  assert.deepEqual([outcome.verdict, outcome.code], ['respond', 500]);
  assert.deepEqual(exchange.logged, { why: 'no luck' });
});

test('names and values that are none fail the hook', async () => {
  const wrong: readonly (readonly [unknown, unknown, RegExp])[] = [
    ['', 'x', /is not a name/],
    ['Tenant', 'x', /"Tenant" is not a name/],
    ['9a', 'x', /is not a name/],
    ['a b', 'x', /is not a name/],
    ['a'.repeat(33), 'x', /is not a name/],
    [null, 'x', /is not a name/],
    ['good', 1, /"good" of access records is not text/],
    ['good', undefined, /is not text/],
  ];
  for (const [name, value, message] of wrong) {
    await using kit = await testFilter(
      defineStreamFilter({
        name: 'wrong',
        onRequest: (_request, { log }) => log(name as string, value as string),
      }),
    );
    const exchange = kit.exchange();
    assert.equal((await exchange.request()).code, 500);
    assert.match(
      kit.log[0]?.message ?? '',
      /^filter "wrong" \(generation 1\), onRequest: TypeError/,
    );
    assert.match(kit.log[0]?.message ?? '', message);
    assert.deepEqual(exchange.logged, {});
  }
});

test('in onEnd, and when the hook is over, it is too late', async () => {
  const scopes: AnyScope[] = [];
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'late',
      onRequest: (_request, scope) => {
        scopes.push(scope);
      },
      onEnd: (_record, { log }) => log('late', 'x'),
    }),
  );
  const exchange = kit.exchange();
  await exchange.request();
  assert.throws(() => scopes[0]?.log('later', 'x'), /the hook is over/);
  exchange.end();
  assert.match(kit.log[0]?.message ?? '', /onEnd: TypeError: .* the access record is written/);
});

test('one answer has so many fields, each so long', () => {
  const fields = new LogFields();
  for (let i = 0; i < 32; i++) fields.set(`f${i}`, 'x'.repeat(1000));
  assert.throws(() => fields.set('more', 'x'), RangeError);
  fields.set('f3', 'other');
  const taken = fields.take();
  assert.equal(taken.length, 32);
  assert.equal(taken[0]?.value.length, 260);
  assert.equal(taken[3]?.value, 'other');
  assert.ok(fields.isEmpty);
  assert.deepEqual(fields.take(), []);
});

test('core and host have the same numbers of edits', () => {
  const path = '../../../native/epoll/src/proxy/filter_layout.h';
  const header = readFileSync(new URL(path, import.meta.url), 'utf8');
  const valueOf = (name: string): number =>
    Number(new RegExp(`\\b${name} = (\\d+);`).exec(header)?.[1]);
  assert.equal(valueOf('kEditRemove'), EDIT.remove);
  assert.equal(valueOf('kEditLog'), EDIT.log);
  assert.equal(valueOf('kAnswerWords'), ANSWER.edits);
  assert.equal(valueOf('kAnswerEditWords'), EDIT_WORDS);
});
