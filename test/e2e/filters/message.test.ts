/**
 * Message filters through real sockets: WebSocket messages that are dropped, replaced, held up.
 *
 * Path: client -> gateway with filters of this file -> origin that hands out its end.
 * Invariant under test: what crosses is whole messages, in order, each way; the other messages are
 * the bytes that were sent; a filter that waits holds up its own tunnel and nothing else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteStream } from '../http/byte-stream.ts';
import { checksumOf, makeBytes } from '../tcp/pattern.ts';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  clientFrame,
  closePayload,
  endpointFrame,
  PING,
  PONG,
  readCloseCode,
  readFrame,
  TEXT,
} from '../websocket/frames.ts';
import { handshake, type Joined, Sockets } from '../websocket/ws-scene.ts';
import { type FilterTexts, messageFilter, routesOf, said, shareFilters } from './filter-scene.ts';

const TEXTS: FilterTexts = {
  'words.ts': messageFilter(
    'words',
    `needs: { messages: { from: 'client', kinds: ['text'], bytesMax: 1000, larger: 'close' } },
  onMessage(message) {
    if (message.text === 'drop') return drop();
    if (message.text === 'close') return close(4001, 'enough');
    if (message.text.startsWith('say ')) return replace(message.text.slice(4).toUpperCase());
    if (message.text === 'throw') throw new Error('on purpose');
    return undefined;
  }`,
  ),
  'answers.ts': messageFilter(
    'answers',
    `needs: { messages: { from: 'endpoint', kinds: ['text', 'binary'], bytesMax: 70_000, larger: 'pass' } },
  onMessage(message) {
    if (message.isText) return replace('<' + message.text + '>');
    return message.size === 3 ? replace(Uint8Array.from(message.bytes).reverse()) : undefined;
  }`,
  ),
  'serial.ts': messageFilter(
    'serial',
    `order: 'serial', timeout: '5s',
  needs: { messages: { from: 'both', kinds: ['text'], bytesMax: 4096, larger: 'close' } },
  async onMessage(message) {
    const text = message.text;
    await pause(text.startsWith('slow') ? 30 : 0);
    return text === 'drop' ? drop() : replace(text + '!');
  }`,
  ),
  'gate.ts': messageFilter(
    'gate',
    `order: 'serial', timeout: '20s',
  setup: ({ log }) => ({ log, open: Promise.withResolvers<void>() }),
  needs: { messages: { from: 'client', kinds: ['text', 'binary'], bytesMax: 100_000, larger: 'close' } },
  async onMessage(message, { shared }) {
    if (message.isText) { shared.open.resolve(); return undefined; }
    shared.log.info('a message waits');
    await shared.open.promise;
    return undefined;
  }`,
  ),
  'door.ts': messageFilter(
    'door',
    `needs: { messages: { from: 'both' } }, setup: ({ log }) => log, begin: () => ({ user: '', count: 0 }),
  async onOpen(request, { state }) {
    await pause(5);
    state.user = request.query('user') ?? '';
    return state.user === 'mallory' ? close(4403, 'no') : undefined;
  },
  onMessage(message, { state }) {
    state.count++;
    return replace(state.user + state.count + ': ' + message.text);
  },
  onEnd(record, { shared, state }) {
    shared.info('tunnel of ' + state.user + ' ended', { count: state.count, ...record });
  }`,
  ),
  'never.ts': messageFilter(
    'never',
    "order: 'serial', timeout: '50ms', needs: { messages: { from: 'client' } }, onMessage: () => new Promise<undefined>(() => {})",
  ),
  'never-open.ts': messageFilter(
    'never-open',
    "order: 'serial', timeout: '50ms', onError: 'open', needs: { messages: { from: 'client' } }, onMessage: () => new Promise<undefined>(() => {})",
  ),
};

/** Three messages of a client, and no more for an hour. */
const LIMIT = {
  use: 'holdfast/rate-limit',
  with: { count: 'messages', rate: '1/h', burst: 3, by: ['path'] },
};

const names = Object.keys(TEXTS).map((file) => file.replace('.ts', ''));

const shared = shareFilters(TEXTS, () => ({
  isRouted: true,
  http: routesOf([
    ...names.map((name) => ({
      path: `/${name}`,
      filters: [`./${name}.ts`],
      more: { websocket: true },
    })),
    { path: '/both', filters: ['./words.ts', './answers.ts'], more: { websocket: true } },
    { path: '/plain', more: { websocket: true } },
    { path: '/limited', filters: [LIMIT], more: { websocket: true } },
    { path: '/limited-words', filters: [LIMIT, './words.ts'], more: { websocket: true } },
  ]),
}));

async function join(t: Parameters<Sockets['join']>[0], path: string): Promise<Joined> {
  const scene = shared.scene();
  const sockets = new Sockets(scene.origin, path.split('?')[0]);
  return sockets.join(t, scene, { text: handshake(path) });
}

async function readText(stream: ByteStream): Promise<string> {
  const { opcode, payload, isFinal } = await readFrame(stream);
  assert.deepEqual([opcode, isFinal], [TEXT, true]);
  return payload.toString();
}

test('messages are dropped, replaced and passed on, in their order', async (t) => {
  const { client, endpoint } = await join(t, '/words');
  client.send(
    Buffer.concat(
      ['one', 'drop', 'say two', 'drop', 'three'].map((text) => clientFrame(TEXT, text)),
    ),
  );
  const texts = [await readText(endpoint), await readText(endpoint), await readText(endpoint)];
  assert.deepEqual(texts, ['one', 'TWO', 'three']);
  endpoint.send(endpointFrame(TEXT, 'drop'));
  assert.equal(await readText(client), 'drop', 'the other direction was not asked for');
});

for (const path of ['/limited', '/limited-words']) {
  test(`too many messages of a client end ${path} with 1008, those before arrive`, async (t) => {
    const { client, endpoint } = await join(t, path);
    for (const text of ['one', 'two', 'three']) {
      client.send(clientFrame(TEXT, text));
      assert.equal(await readText(endpoint), text);
      endpoint.send(endpointFrame(TEXT, 'not counted'));
      assert.equal(await readText(client), 'not counted');
    }
    client.send(clientFrame(TEXT, 'four'));
    assert.equal(await readCloseCode(client), 1008);
  });
}

test('what was not asked for are the bytes that were sent', async (t) => {
  const { client, endpoint } = await join(t, '/words');
  const payload = makeBytes('binary', 300_000);
  const bytes = Buffer.concat([
    clientFrame(BINARY, payload.subarray(0, 100_000), { isFinal: false }),
    clientFrame(PING, 'in between'),
    clientFrame(CONTINUATION, payload.subarray(100_000)),
    clientFrame(PONG, 'unasked'),
  ]);
  client.send(bytes);
  const frames = [];
  for (let i = 0; i < 4; i++) frames.push(await readFrame(endpoint));
  const content = frames.filter(({ opcode }) => opcode === BINARY || opcode === CONTINUATION);
  assert.equal(checksumOf(Buffer.concat(content.map((each) => each.payload))), checksumOf(payload));
  const others = frames.map(({ opcode }) => opcode).filter((opcode) => opcode >= CLOSE);
  assert.deepEqual(others, [PING, PONG]);
});

test('fragments are one message to a filter, however they are cut', async (t) => {
  const { client, endpoint } = await join(t, '/words');
  const bytes = Buffer.concat([
    clientFrame(TEXT, 'say ', { isFinal: false }),
    clientFrame(PING, 'p'),
    clientFrame(CONTINUATION, 'h\u00e4ppy', { isFinal: false }),
    clientFrame(CONTINUATION, ''),
  ]);
  for (const byte of bytes) {
    client.send(Uint8Array.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const frames = [await readFrame(endpoint), await readFrame(endpoint)];
  const text = frames.find(({ opcode }) => opcode === TEXT);
  assert.equal(text?.payload.toString(), 'H\u00c4PPY');
  assert.ok(frames.some(({ opcode }) => opcode === PING));
});

test('a filter closes the tunnel with its code, both ends', async (t) => {
  const { client, endpoint } = await join(t, '/words');
  client.send(clientFrame(TEXT, 'before'));
  client.send(clientFrame(TEXT, 'close'));
  client.send(clientFrame(TEXT, 'after'));
  assert.equal(await readText(endpoint), 'before');
  assert.equal(await readCloseCode(client), 4001);
  const { opcode } = await readFrame(endpoint);
  assert.equal(opcode, CLOSE);
});

test('the reason of a close is told to an end that has to wait for it', async (t) => {
  const { client, endpoint } = await join(t, '/words');
  const slow = endpointFrame(TEXT, 'slow');
  endpoint.send(slow.subarray(0, 4));
  assert.deepEqual(await client.take(4), slow.subarray(0, 4));
  client.send(clientFrame(TEXT, 'close'));
  // The endpoint learns it at once, and ends its frame behind that.
  assert.equal((await readFrame(endpoint)).payload.subarray(2).toString(), 'enough');
  endpoint.send(slow.subarray(4));
  assert.deepEqual(await client.take(slow.length - 4), slow.subarray(4));
  const { opcode, payload } = await readFrame(client);
  assert.deepEqual([opcode, payload.subarray(2).toString()], [CLOSE, 'enough']);
});

test('a message that is too large ends the tunnel where the filter says so', async (t) => {
  const { client } = await join(t, '/words');
  client.send(clientFrame(TEXT, 'x'.repeat(1001)));
  assert.equal(await readCloseCode(client), 1009);
});

test('a message that is too large passes where the filter says so', async (t) => {
  const { client, endpoint } = await join(t, '/answers');
  const large = 'y'.repeat(70_001);
  endpoint.send(endpointFrame(TEXT, large));
  endpoint.send(endpointFrame(TEXT, 'z'.repeat(60_000)));
  assert.equal(await readText(client), large);
  assert.equal(await readText(client), `<${'z'.repeat(60_000)}>`);
});

test('binary messages are bytes, and stay binary', async (t) => {
  const { client, endpoint } = await join(t, '/answers');
  endpoint.send(endpointFrame(BINARY, Uint8Array.of(1, 2, 3)));
  endpoint.send(endpointFrame(BINARY, Uint8Array.of(1, 2, 3, 4)));
  const first = await readFrame(client);
  const second = await readFrame(client);
  assert.deepEqual([first.opcode, [...first.payload]], [BINARY, [3, 2, 1]]);
  assert.deepEqual([second.opcode, [...second.payload]], [BINARY, [1, 2, 3, 4]]);
});

test('two filters of one route see each their own direction', async (t) => {
  const { client, endpoint } = await join(t, '/both');
  client.send(clientFrame(TEXT, 'say hi'));
  endpoint.send(endpointFrame(TEXT, 'say hi'));
  assert.deepEqual([await readText(endpoint), await readText(client)], ['HI', '<say hi>']);
});

test('a filter that waits keeps the order of its tunnel, both ways', async (t) => {
  const { client, endpoint } = await join(t, '/serial');
  const texts = Array.from({ length: 30 }, (_, i) => (i % 10 === 0 ? `slow${i}` : `${i}`));
  for (const text of texts) {
    client.send(clientFrame(TEXT, text));
    endpoint.send(endpointFrame(TEXT, text));
  }
  client.send(clientFrame(TEXT, 'drop'));
  client.send(clientFrame(TEXT, 'last'));
  const read = async (stream: ByteStream, count: number): Promise<string[]> => {
    const list: string[] = [];
    for (let i = 0; i < count; i++) list.push(await readText(stream));
    return list;
  };
  const expected = texts.map((text) => `${text}!`);
  assert.deepEqual(await read(client, 30), expected);
  assert.deepEqual(await read(endpoint, 31), [...expected, 'last!']);
});

test('a filter that waits holds back its sender, and nobody else', async (t) => {
  const scene = shared.scene();
  const held = await join(t, '/gate');
  const other = await join(t, '/plain');
  const frame = clientFrame(BINARY, makeBytes('gate', 60_000));
  const sent = held.client.sendAll(Buffer.concat(Array.from({ length: 200 }, () => frame)));
  await said(scene.gateway, 'a message waits');
  other.client.send(clientFrame(TEXT, 'through'));
  assert.equal(await readText(other.endpoint), 'through');
  assert.equal(held.endpoint.held, 0, 'nothing passes the filter');
  const { json } = await scene.gateway.admin('GET', '/v1/connections');
  const pending = (json.connections as { pendingBytes: number }[]).map((each) => each.pendingBytes);
  assert.ok(Math.max(...pending) < 1_000_000, `${Math.max(...pending)} bytes are held`);
  const opener = await join(t, '/gate');
  opener.client.send(clientFrame(TEXT, 'open'));
  for (let i = 0; i < 200; i++) {
    assert.equal((await readFrame(held.endpoint)).payload.length, 60_000);
  }
  await sent;
});

test('a tunnel is refused when it opens, and what a filter keeps for it goes with it', async (t) => {
  const scene = shared.scene();
  const { client, endpoint } = await join(t, '/door?user=ann');
  client.send(clientFrame(TEXT, 'a'));
  client.send(clientFrame(TEXT, 'b'));
  assert.deepEqual([await readText(endpoint), await readText(endpoint)], ['ann1: a', 'ann2: b']);
  endpoint.send(endpointFrame(TEXT, 'c'));
  assert.equal(await readText(client), 'ann3: c');
  client.send(clientFrame(CLOSE, closePayload(1000)));
  await readFrame(endpoint);
  endpoint.send(endpointFrame(CLOSE, closePayload(1000)));
  endpoint.finish();
  client.finish();
  const record = await said(scene.gateway, 'tunnel of ann ended');
  assert.deepEqual([record['count'], record['messagesIn'], record['messagesOut']], [3, 2, 1]);
  const refused = await join(t, '/door?user=mallory');
  assert.equal(await readCloseCode(refused.client), 4403);
});

test('a throw closes with 1011; a filter that never settles by its policy', async (t) => {
  const scene = shared.scene();
  const thrown = await join(t, '/words');
  thrown.client.send(clientFrame(TEXT, 'throw'));
  assert.equal(await readCloseCode(thrown.client), 1011);
  const { msg } = await scene.gateway.logged(({ filter }) => filter === 'words');
  assert.match(msg, /^filter "words" \(generation 1\), onMessage: .*on purpose/);
  const never = await join(t, '/never');
  never.client.send(clientFrame(TEXT, 'hello'));
  assert.equal(await readCloseCode(never.client), 1011);
  const open = await join(t, '/never-open');
  open.client.send(clientFrame(TEXT, 'hello'));
  assert.equal(await readText(open.endpoint), 'hello');
});

test('a client that goes away while a filter thinks is forgotten', async (t) => {
  const scene = shared.scene();
  const { client, endpoint } = await join(t, '/serial');
  client.send(clientFrame(TEXT, 'slow'));
  client.send(clientFrame(TEXT, 'slower'));
  client.reset();
  await endpoint.closed();
  const after = await join(t, '/serial');
  after.client.send(clientFrame(TEXT, 'next'));
  assert.equal(await readText(after.endpoint), 'next!');
  await scene.counterUntil('tunnels', (value) => value >= 1);
});
