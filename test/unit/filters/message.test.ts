/**
 * Message filters in the host: which messages they see, what becomes of them.
 *
 * Path: `holdfast/testing` plays tunnels over the real batches.
 * Invariant: a message that a filter did not ask for never reaches it; one that it may not miss
 * never passes it; bytes are a lease.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  close,
  defineMessageFilter,
  drop,
  type MessageView,
  replace,
} from '../../../src/sdk/index.ts';
import { testFilter } from '../../../src/testing/index.ts';

test('text of clients is seen, and continues, is dropped, replaced or closes', async () => {
  await using kit = await testFilter(
    defineMessageFilter({
      name: 'words',
      needs: { messages: { from: 'client' } },
      onMessage(message) {
        assert.deepEqual([message.from, message.isText], ['client', true]);
        if (message.text === 'drop') return drop();
        if (message.text === 'grüß') return replace('hällo');
        if (message.text === 'close') return close(1008, 'not here');
        return undefined;
      },
    }),
  );
  const tunnel = kit.tunnel();
  assert.equal((await tunnel.fromClient('fine')).verdict, 'continue');
  assert.equal((await tunnel.fromClient('drop')).verdict, 'drop');
  const replaced = await tunnel.fromClient('grüß');
  assert.deepEqual([replaced.verdict, replaced.text], ['replace', 'hällo']);
  const closed = await tunnel.fromClient('close');
  assert.deepEqual([closed.verdict, closed.code, closed.text], ['close', 1008, 'not here']);
  assert.equal(kit.count('message', 'calls'), 4);
  await tunnel.fromClient(new Uint8Array([1]));
  await tunnel.fromEndpoint('text');
  assert.equal(kit.count('message', 'calls'), 4, 'binary and endpoints were not asked for');
  assert.deepEqual(kit.log, []);
});

test('direction and kind are those that needs name', async () => {
  const seen: string[] = [];
  await using kit = await testFilter(
    defineMessageFilter({
      name: 'back',
      needs: { messages: { from: 'endpoint', kinds: ['binary'] } },
      onMessage({ from, isText, bytes, size }) {
        seen.push(`${from} ${isText} ${[...bytes].join()} ${size}`);
      },
    }),
  );
  const tunnel = kit.tunnel();
  await tunnel.fromEndpoint(new Uint8Array([1, 2]));
  await tunnel.fromEndpoint('text');
  await tunnel.fromClient(new Uint8Array([3]));
  assert.deepEqual(seen, ['endpoint false 1,2 2']);
});

test('what a filter may not see for its size closes the tunnel, or passes where it says so', async () => {
  for (const [larger, verdict] of [
    ['close', 'close'],
    ['pass', 'continue'],
  ] as const) {
    await using kit = await testFilter(
      defineMessageFilter({
        name: 'size',
        needs: { messages: { from: 'client', bytesMax: 4, larger } },
        onMessage: () => drop(),
      }),
    );
    const tunnel = kit.tunnel();
    assert.equal((await tunnel.fromClient('1234')).verdict, 'drop');
    const outcome = await tunnel.fromClient('12345');
    assert.equal(outcome.verdict, verdict);
    assert.equal(outcome.code, larger === 'close' ? 1009 : 0);
  }
});

test('a kept view throws, and its kept bytes are empty in development', async () => {
  const kept: { view: MessageView; bytes: Uint8Array; copy: Uint8Array }[] = [];
  await using kit = await testFilter(
    defineMessageFilter({
      name: 'keep',
      needs: { messages: { from: 'client' } },
      onMessage(view) {
        kept.push({ view, bytes: view.bytes, copy: view.copy() });
      },
    }),
  );
  await kit.tunnel().fromClient('secret');
  const [first] = kept;
  assert.throws(() => first?.view.text, /used after its hook ended/);
  assert.throws(() => first?.view.bytes, /used after its hook ended/);
  assert.equal(first?.bytes.length, 0);
  assert.equal(Buffer.from(first?.copy ?? []).toString(), 'secret');
});

test('a message replaced by its own bytes is whole', async () => {
  await using kit = await testFilter(
    defineMessageFilter({
      name: 'same',
      needs: { messages: { from: 'client', kinds: ['binary'] } },
      onMessage: ({ bytes }) => replace(bytes.subarray(1)),
    }),
  );
  const outcome = await kit.tunnel().fromClient(Buffer.from('xabc'));
  assert.equal(outcome.text, 'abc');
});

test('serial filters wait for each message, with the bytes they were given', async () => {
  await using kit = await testFilter(
    defineMessageFilter({
      name: 'serial',
      order: 'serial',
      needs: { messages: { from: 'both' } },
      async onMessage(message) {
        const { bytes } = message;
        await Promise.resolve();
        await new Promise((resolve) => setImmediate(resolve));
        return replace(`${message.text}+${Buffer.from(bytes).toString()}`);
      },
    }),
  );
  const tunnel = kit.tunnel();
  const [up, down] = await Promise.all([tunnel.fromClient('up'), tunnel.fromEndpoint('down')]);
  assert.deepEqual([up.text, down.text], ['up+up', 'down+down']);
});

test('a Promise without order: serial is a failure with its reason', async () => {
  const filter = defineMessageFilter({
    name: 'hasty',
    needs: { messages: { from: 'client' } },
    onMessage: (() => Promise.reject(new Error('unseen'))) as unknown as () => void,
  });
  await using kit = await testFilter(filter);
  const outcome = await kit.tunnel().fromClient('x');
  assert.deepEqual([outcome.verdict, outcome.code], ['close', 1011]);
  assert.match(`${kit.log[0]?.message}`, /"hasty" \(generation 1\), onMessage: .*order: 'serial'/);
});

test('tunnels open with their request, and keep a state of their own', async () => {
  const ends: string[] = [];
  await using kit = await testFilter(
    defineMessageFilter({
      name: 'room',
      needs: { requestHeaders: ['x-user'], messages: { from: 'client' } },
      begin: () => ({ user: '', count: 0 }),
      onOpen(request, { state }) {
        state.user = `${request.headers.get('x-user')}@${request.path}`;
        return state.user.startsWith('null') ? close(3000, 'who are you') : undefined;
      },
      onMessage(message, { state }) {
        state.count++;
        return replace(`${state.user}: ${message.text}`);
      },
      onEnd(record, { state }) {
        ends.push(`${state.user} ${state.count} ${record.code}`);
      },
    }),
  );
  const tunnel = kit.tunnel({ target: '/rooms/1', headers: { 'x-user': 'ann' } });
  assert.equal((await tunnel.open()).verdict, 'continue');
  assert.equal((await tunnel.fromClient('hi')).text, 'ann@/rooms/1: hi');
  tunnel.end({ code: 1000 });
  assert.deepEqual(ends, ['ann@/rooms/1 1 1000']);
  const refused = await kit.tunnel().open();
  assert.deepEqual([refused.code, refused.text], [3000, 'who are you']);
});

test('nonsense in the place of a message fails by policy', async () => {
  const rows: [unknown, RegExp][] = [
    [replace(new Uint8Array([0xff])), /not UTF-8/],
    [replace('x'.repeat(262_145)), /at most 262144/],
    [replace(5 as unknown as string), /neither text nor bytes/],
    [close(1006), /closed with code 1006/],
    [close(1000, 'r'.repeat(124)), /at most 123/],
    [
      { type: 'respond', status: 200 },
      /returned "respond"; it may return nothing, drop, replace, close/,
    ],
    [true, /a value of type boolean/],
    [null, /a value of type object/],
  ];
  for (const [value, expected] of rows) {
    await using kit = await testFilter(
      defineMessageFilter({
        name: 'nonsense',
        needs: { messages: { from: 'client' } },
        onMessage: () => value as undefined,
      }),
    );
    const outcome = await kit.tunnel().fromClient('x');
    assert.deepEqual([outcome.verdict, outcome.code], ['close', 1011], String(expected));
    assert.match(`${kit.log[0]?.message}`, expected);
  }
});
