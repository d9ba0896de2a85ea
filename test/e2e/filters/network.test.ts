/**
 * Network filters through real sockets: who may connect, and where a connection goes.
 *
 * Path: client -> TCP listener with filters of this file -> echo origins.
 * Invariant under test: what is refused is closed before anything of it reaches an endpoint; what a
 * filter lets through is relayed as if there were none.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { EchoClient, GatewayProcess, makeDirectory, type Owner, startEcho } from '../harness.ts';
import { networkFilter, said, writeFilters } from './filter-scene.ts';

const TEXTS = {
  'refuse.ts': networkFilter('refuse', 'onAccept: () => close()'),
  'late.ts': networkFilter('late', 'async onAccept() { await pause(10); return close(); }'),
  'pass.ts': networkFilter(
    'pass',
    `setup: ({ log }) => log, begin: () => ({ id: '' }),
  async onAccept({ client, localPort }, { state }) {
    state.id = client.ip + ' ' + localPort;
    await pause(2);
  },
  onOpen({ isTls, serverName }, { shared, state }) {
    shared.info('open ' + state.id + ' ' + isTls + ' ' + serverName);
  },
  onEnd(record, { shared, state }) { shared.info('end ' + state.id, { ...record }); }`,
  ),
  'choose.ts': networkFilter(
    'choose',
    "async onOpen() { await pause(5); return choose({ cluster: 'two' }); }",
  ),
  'spread.ts': networkFilter(
    'spread',
    `setup: () => ({ count: 0 }),
  onOpen: (_connection, { shared }) =>
    choose({ cluster: 'both', hash: String(shared.count++ % 40) })`,
  ),
  'nowhere.ts': networkFilter('nowhere', "onOpen: () => choose({ cluster: 'none' })"),
  'open.ts': networkFilter('open', 'onOpen: () => close()'),
  'throws.ts': networkFilter('throws', "onAccept() { throw new Error('on purpose'); }"),
  'never.ts': networkFilter(
    'never',
    "timeout: '50ms', onError: 'open', onAccept: () => new Promise<undefined>(() => {})",
  ),
};

const cleaners: (() => void | Promise<void>)[] = [];
const owner: Owner = { after: (clean) => cleaners.unshift(clean) };
let gateway: GatewayProcess;

before(async () => {
  const directory = makeDirectory(owner);
  writeFilters(directory, TEXTS);
  const one = await startEcho(owner, '1');
  const two = await startEcho(owner, '2');
  const names = Object.keys(TEXTS).map((file) => file.replace('.ts', ''));
  const listeners = names.map(
    (name) => `{ name: ${name}, bind: 127.0.0.1:0, cluster: one, filters: [./${name}.ts] }`,
  );
  gateway = await GatewayProcess.start(owner, {
    directory,
    yaml: `shards: 1
listeners: [${listeners.join(', ')}]
clusters:
  - { name: one, endpoints: [127.0.0.1:${one.port}] }
  - { name: two, endpoints: [127.0.0.1:${two.port}] }
  - { name: both, balance: maglev, endpoints: [127.0.0.1:${one.port}, 127.0.0.1:${two.port}] }
`,
  });
});
test.after(async () => {
  for (const clean of cleaners) await clean();
});

async function connect(t: Owner, listener: string): Promise<EchoClient> {
  return EchoClient.connect(t, await gateway.port(listener));
}

/** Refused may be so early that the connect itself fails. */
async function expectRefused(t: Owner, listener: string): Promise<void> {
  const client = await connect(t, listener).catch(() => null);
  if (client === null) return;
  client.socket.write('hello');
  assert.match(await client.ended, /^(ECONNRESET|fin|EPIPE|closed)$/, listener);
  assert.equal(client.received, '', listener);
}

test('a connection is refused when it is accepted, at once or later', async (t) => {
  for (const listener of ['refuse', 'late', 'open', 'throws']) {
    await expectRefused(t, listener);
  }
  const { msg } = await gateway.logged(({ filter }) => filter === 'throws');
  assert.match(msg, /^filter "throws" \(generation 1\), onAccept: .*on purpose/);
});

test('a connection passes, is told when it opens and when it ends', async (t) => {
  const client = await connect(t, 'pass');
  await client.echo('hello', '1hello');
  const port = await gateway.port('pass');
  await said(gateway, `open 127.0.0.1 ${port} false `);
  client.socket.end();
  const record = await said(gateway, `end 127.0.0.1 ${port}`);
  assert.deepEqual([record['bytesIn'], record['bytesOut'], record['shard']], [5, 6, 0]);
});

test('a filter chooses the cluster; one that is not there is no way out', async (t) => {
  const chosen = await connect(t, 'choose');
  await chosen.echo('a', '2a');
  await expectRefused(t, 'nowhere');
});

test('a filter chooses by what a connection is told apart from others', async (t) => {
  const where = async (): Promise<string> => {
    const client = await connect(t, 'spread');
    client.socket.write('x');
    while (client.received === '') await client.heard();
    client.socket.destroy();
    return client.received.slice(0, 1);
  };
  const rounds: string[][] = [[], []];
  for (const round of rounds) while (round.length < 40) round.push(await where());
  assert.deepEqual(rounds[0], rounds[1]);
  // All come from one address, by which they would go to one endpoint.
  assert.deepEqual(new Set(rounds[0]), new Set(['1', '2']));
});

test('what a client sends while a filter thinks is kept', async (t) => {
  const client = await connect(t, 'choose');
  const text = 'x'.repeat(100_000);
  client.socket.write(text);
  while (client.received.replaceAll('2', '').length < text.length) await client.heard();
  assert.equal(client.received.replaceAll('2', ''), text);
});

test('a filter that never settles lets pass where its policy is open', async (t) => {
  const client = await connect(t, 'never');
  await client.echo('c', '1c');
});

test('a client that goes away while a filter thinks is forgotten', async (t) => {
  for (let i = 0; i < 20; i++) {
    const client = await connect(t, 'choose');
    client.socket.resetAndDestroy();
  }
  await gateway.adminUntil('/v1/connections', ({ json }) => json.connections.length === 0);
  const client = await connect(t, 'choose');
  await client.echo('d', '2d');
});
