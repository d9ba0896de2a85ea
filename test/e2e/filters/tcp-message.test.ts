/**
 * Message filters on TCP listeners: what one read brought, and whole frames of a codec.
 *
 * Path: client -> TCP listener with filters of this file -> echo origin, and back.
 * Invariant under test: no byte of a direction that is looked at passes unseen; frames are shown
 * whole however their bytes were cut, keep their order, and are neither lost nor made up.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { EchoClient, GatewayProcess, makeDirectory, type Owner, startEcho } from '../harness.ts';
import { Command } from '../peers/cli.ts';
import { messageFilter, networkFilter, said, streamFilter, writeFilters } from './filter-scene.ts';

const NEEDS = "needs: { messages: { from: 'client', kinds: ['binary'] } }";
const BOTH = NEEDS.replace("'client'", "'both'");

/** A type, two bytes of length, and so many bytes. */
const CODEC = `import { defineCodec } from 'holdfast/sdk';
export default defineCodec({ name: 'boxes', frameBytesMax: 1 << 20, by: { at: 0, size: 1 },
variants: {
  65: { kind: 'oneway', header: 3, length: [{ at: 1, size: 2 }] },
  66: { kind: 'heartbeat', header: 1, length: [] },
  67: { kind: 'oneway', header: 5, length: [{ at: 1, size: 4 }] },
} });
`;

const TEXTS = {
  'boxes.ts': CODEC,
  'magic.ts': CODEC.replace("name: 'boxes',", "name: 'magic', magic: [65, 0],"),
  'see.ts': messageFilter('see', `${BOTH}, onMessage: () => undefined`),
  'upper.ts': messageFilter(
    'upper',
    `${NEEDS}, onMessage: ({ text }) => replace(text.toUpperCase())`,
  ),
  'back.ts': messageFilter(
    'back',
    `${NEEDS.replace('client', 'endpoint')}, onMessage: ({ text }) => replace('<' + text + '>')`,
  ),
  'drop.ts': messageFilter(
    'drop',
    `${NEEDS}, onMessage: ({ text }) => text === 'no' ? drop() : undefined`,
  ),
  'close.ts': messageFilter(
    'close',
    `${NEEDS}, onMessage: ({ text }) => text === 'bad' ? close() : undefined`,
  ),
  'count.ts': messageFilter(
    'count',
    `${NEEDS}, order: 'serial', setup: ({ log }) => log, begin: () => ({ seen: [] as string[] }),
  async onMessage({ text, size }, { state }) {
    await pause(1);
    state.seen.push(size > 9 ? String(size) : text);
    return text.includes('drop') ? drop() : undefined;
  },
  onEnd(record, { shared, state }) { shared.info('end ' + state.seen.join(), { ...record }); }`,
  ),
  'small.ts': messageFilter(
    'small',
    `needs: { messages: { from: 'client', kinds: ['binary'], bytesMax: 100 } }, onMessage: () => undefined`,
  ),
  'pass.ts': messageFilter(
    'pass',
    `needs: { messages: { from: 'client', kinds: ['binary'], bytesMax: 100, larger: 'pass' } },
  onMessage: ({ bytes }) => bytes[0] === 66 ? drop() : undefined`,
  ),
  'throws.ts': messageFilter('throws', `${NEEDS}, onMessage() { throw new Error('on purpose'); }`),
  'text.ts': messageFilter(
    'text',
    "needs: { messages: { from: 'client' } }, onMessage: () => undefined",
  ),
  'opened.ts': messageFilter('opened', `${NEEDS}, onOpen: () => undefined`),
  'stream.ts': streamFilter('stream', 'onRequest: () => undefined'),
  'network.ts': networkFilter('network', 'onOpen: () => undefined'),
};

const LISTENERS: Readonly<Record<string, string>> = {
  see: 'filters: [./see.ts]',
  upper: 'filters: [./network.ts, ./upper.ts, ./back.ts]',
  drop: 'filters: [./drop.ts]',
  close: 'filters: [./close.ts]',
  throws: 'filters: [./throws.ts]',
  boxes: 'codec: ./boxes.ts, filters: [./count.ts]',
  plain: 'codec: { use: ./boxes.ts }, filters: [./see.ts]',
  magic: 'codec: ./magic.ts, filters: [./see.ts]',
  small: 'codec: ./boxes.ts, filters: [./small.ts]',
  pass: 'codec: ./boxes.ts, filters: [./pass.ts]',
};

const cleaners: (() => void | Promise<void>)[] = [];
const owner: Owner = { after: (clean) => cleaners.unshift(clean) };
let gateway: GatewayProcess;

before(async () => {
  const directory = makeDirectory(owner);
  writeFilters(directory, TEXTS);
  const { port } = await startEcho(owner);
  const listeners = Object.entries(LISTENERS).map(
    ([name, more]) => `{ name: ${name}, bind: 127.0.0.1:0, cluster: one, ${more} }`,
  );
  gateway = await GatewayProcess.start(owner, {
    directory,
    yaml: `shards: 1
listeners: [${listeners.join(', ')}]
clusters: [{ name: one, endpoints: [127.0.0.1:${port}] }]
`,
  });
});
test.after(async () => {
  for (const clean of cleaners) await clean();
});

async function connect(t: Owner, listener: string): Promise<EchoClient> {
  return EchoClient.connect(t, await gateway.port(listener));
}

function box(text: string): string {
  const { length } = text;
  return `A${String.fromCharCode(length >> 8, length & 0xff)}${text}`;
}

async function isCut(client: EchoClient): Promise<void> {
  assert.match(await client.ended, /^(ECONNRESET|EPIPE|closed)$/);
}

test('what one read brings is replaced, in both directions', async (t) => {
  const client = await connect(t, 'upper');
  await client.echo('hello', '<HELLO>');
  await client.echo('again', '<AGAIN>');
  client.socket.end('last');
  assert.equal(await client.ended, 'fin');
  assert.match(client.received, /<LAST>$/);
});

test('a chunk is dropped, and the next one passes', async (t) => {
  const client = await connect(t, 'drop');
  await client.echo('yes');
  client.socket.write('no');
  const other = await connect(t, 'drop');
  await other.echo('yes');
  await client.echo('then');
  assert.equal(client.received, 'yesthen');
});

test('a filter that closes, or throws, ends its connection and no other', async (t) => {
  for (const [listener, text] of [
    ['close', 'bad'],
    ['throws', 'any'],
  ] as const) {
    const other = await connect(t, 'close');
    const client = await connect(t, listener);
    client.socket.write(text);
    await isCut(client);
    assert.equal(client.received, '');
    await other.echo('good');
  }
});

test('frames are shown whole, however their bytes are cut', async (t) => {
  const client = await connect(t, 'boxes');
  const frames = `${box('one')}B${box('drop')}${box('x'.repeat(300))}${box('')}`;
  const kept = `${box('one')}B${box('x'.repeat(300))}${box('')}`;
  await client.echo(frames, kept);
  for (const byte of box('two').slice(0, -1)) {
    client.socket.write(byte, 'latin1');
    await new Promise((resolve) => client.socket.write('', resolve));
  }
  await client.echo('o', box('two'));
  client.socket.end(box('cut off').slice(0, -2));
  assert.equal(await client.ended, 'fin');
  assert.equal(client.received, `${kept}${box('two')}`);
  const end = await said(
    gateway,
    'end A\u0000\u0003one,B,A\u0000\u0004drop,303,A\u0000\u0000,A\u0000\u0003two',
  );
  assert.equal(end['reason'], 'client-closed');
});

test('large amounts pass byte for byte', async (t) => {
  for (const listener of ['see', 'plain']) {
    const client = await connect(t, listener);
    const text = randomBytes(30_000).toString('latin1');
    const frames = Array.from({ length: 40 }, () => box(text)).join('');
    client.socket.write(frames, 'latin1');
    while (client.received.length < frames.length) await client.heard();
    assert.ok(client.received === frames, listener);
  }
});

test('what is no frame ends the connection', async (t) => {
  for (const [listener, text] of [
    ['plain', 'Z'],
    ['magic', 'B'],
    ['small', box('x'.repeat(98))],
    ['plain', `C\u0001\u0000\u0000\u0000`],
  ] as const) {
    const client = await connect(t, listener);
    client.socket.write(text, 'latin1');
    await isCut(client);
    assert.equal(client.received, '');
  }
  const client = await connect(t, 'magic');
  await client.echo(box('x'), box('x'));
  const invalid = await gateway.accessed(({ reason }) => reason === 'codec-violation');
  assert.equal(invalid['bytesFromEndpoint'], 0);
});

test('a frame that is too long passes unseen where the filter says so', async (t) => {
  const client = await connect(t, 'pass');
  const long = box('x'.repeat(30_000));
  await client.echo(`${box('a')}B${long}B${box('b')}`, `${box('a')}${long}${box('b')}`);
});

test('connections keep their codec over a reload', async (t) => {
  const client = await connect(t, 'plain');
  await client.echo(box('x'));
  writeFileSync(join(gateway.directory, 'boxes.ts'), CODEC.replaceAll('65:', '68:'));
  const { json } = await gateway.admin('POST', '/v1/reload');
  assert.equal(json.result, 'applied');
  await client.echo(box('y'));
  const other = await connect(t, 'plain');
  other.socket.write(box('x'), 'latin1');
  await isCut(other);
  const next = await connect(t, 'plain');
  await next.echo(box('z').replace('A', 'D'));
});

test('validate says what cannot stand on a TCP listener', async (t) => {
  const directory = makeDirectory(t);
  writeFilters(directory, TEXTS);
  const listeners = [
    'filters: [./text.ts]',
    'filters: [./opened.ts]',
    'filters: [./stream.ts]',
    'codec: ./boxes.ts',
    'codec: ./see.ts, filters: [./see.ts]',
    'codec: holdfast/rbac, filters: [./see.ts]',
    'protocol: http, codec: ./boxes.ts',
    'filters: [./boxes.ts]',
  ].map((more, i) => `  - { name: l${i}, bind: 127.0.0.1:0, cluster: app, ${more} }\n`);
  writeFileSync(
    join(directory, 'gateway.yaml'),
    `version: 1\nlisteners:\n${listeners.join('')}clusters: [{ name: app, endpoints: [127.0.0.1:1] }]\n`,
  );
  const args = ['validate', '--format', 'json', 'gateway.yaml'];
  const outcome = await new Command(t, args, { directory }).outcome;
  const { diagnostics } = JSON.parse(outcome.stdout) as {
    diagnostics: { line: number; message: string }[];
  };
  const shown = diagnostics.map(({ line, message }) => `${line} ${message}`);
  assert.deepEqual(shown, [
    '3 "text" asks for text; messages of TCP are binary: needs.messages.kinds must name it',
    '4 "opened" looks at the request of a WebSocket (onOpen); TCP has none',
    '5 "stream" is a stream filter; those need a listener with "protocol: http"',
    '6 a codec is for message filters, and this listener has none',
    '7 "see" is a message filter; "codec" takes what defineCodec makes',
    '8 "holdfast/rbac" is a filter; "codec" takes what defineCodec makes',
    '9 "codec" tells frames of TCP apart; this listener speaks HTTP',
    '10 "boxes" is a codec, not a filter',
  ]);
});
