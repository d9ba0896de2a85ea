/**
 * Thousands of live connections, listed, filtered, sorted and ended.
 *
 * Path: `GET /v1/connections` and `holdfast conns` while clients are connected, come and go.
 * Invariant under test: a walk through the pages shows every connection that stays exactly once; a
 * filter is exact; an id names one connection, and no later one.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { before, test } from 'node:test';
import { GatewayProcess } from '../harness.ts';
import { runCommand } from '../peers/cli.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Origin } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

const COUNT = 3_000;
/** Clients come from this many addresses in turn. */
const ADDRESSES = 10;

interface Shown {
  readonly id: string;
  readonly client: string;
  readonly listener: string;
  readonly cluster: string;
  readonly endpoint: string;
  readonly ageMs: number;
  readonly idleMs: number;
  readonly bytesFromClient: number;
}

const file = createFileOwner();
let origins: Origin[];
let gateway: GatewayProcess;
const sockets: Socket[] = [];

before(async () => {
  origins = [
    await Origin.start(file, { isEcho: true }),
    await Origin.start(file, { isEcho: true }),
  ];
  const limits = 'limits: { connectionsPerAddress: unlimited }';
  gateway = await GatewayProcess.start(file, {
    yaml: `
shards: 2
listeners:
  - { name: even, bind: 127.0.0.1:0, ${limits}, cluster: x }
  - { name: odd, bind: 127.0.0.1:0, ${limits}, cluster: y }
clusters:
  - { name: x, balance: round-robin, endpoints: [${origins[0]?.address}, ${origins[1]?.address}] }
  - { name: y, endpoints: [${origins[0]?.address}] }
`,
  });
  const ports = [await gateway.port('even'), await gateway.port('odd')];
  file.after(() => {
    for (const socket of sockets) {
      socket.destroy();
    }
  });
  for (let from = 0; from < COUNT; from += 250) {
    await Promise.all(Array.from({ length: 250 }, (_, index) => connectOne(ports, from + index)));
  }
  await gateway.adminUntil('/v1/stats', ({ json }) => {
    return json.listeners.every(
      (each: { counters: Record<string, number> }) => each.counters['established'] === COUNT / 2,
    );
  });
});

async function connectOne(ports: readonly number[], index: number): Promise<void> {
  const socket = createConnection({
    host: '127.0.0.1',
    port: ports[index % 2] ?? 0,
    localAddress: `127.0.0.${10 + (index % ADDRESSES)}`,
  });
  sockets.push(socket);
  await once(socket, 'connect');
}

/** Walks through all pages. */
async function walk(query: string, limit: number): Promise<Shown[]> {
  const found: Shown[] = [];
  let cursor = '';
  for (;;) {
    const path = `/v1/connections?limit=${limit}${query}${cursor}`;
    const { json } = await gateway.admin('GET', path);
    assert.ok(json.connections.length <= limit);
    found.push(...json.connections);
    if (json.next === null) {
      return found;
    }
    cursor = `&cursor=${json.next}`;
  }
}

for (const limit of [1_000, 137]) {
  test(`pages of ${limit}: each connection once`, async () => {
    const found = await walk('', limit);
    assert.equal(found.length, COUNT);
    assert.equal(new Set(found.map(({ id }) => id)).size, COUNT);
    assert.equal(new Set(found.map(({ client }) => client)).size, COUNT);
  });
}

test('filters are exact', async () => {
  for (const [query, isWanted] of [
    ['&listener=even', (each: Shown) => each.listener === 'even'],
    ['&cluster=y', (each: Shown) => each.cluster === 'y'],
    ['&client=127.0.0.13', (each: Shown) => each.client.startsWith('127.0.0.13:')],
    [
      `&cluster=x&endpoint=${origins[1]?.address}`,
      (each: Shown) => each.cluster === 'x' && each.endpoint === origins[1]?.address,
    ],
    [
      '&listener=odd&client=127.0.0.11',
      (each: Shown) => each.listener === 'odd' && each.client.startsWith('127.0.0.11:'),
    ],
    ['&client=127.0.0.99', () => false],
    ['&listener=nobody', () => false],
    ['&older=7d', () => false],
    ['&idle=7d', () => false],
    ['&older=1ms', () => true],
  ] as const) {
    const all = (await walk('', 1_000)).filter(isWanted);
    const found = await walk(query, 1_000);
    assert.deepEqual(new Set(found.map(({ id }) => id)), new Set(all.map(({ id }) => id)), query);
  }
});

test('sorting finds the top among all', async () => {
  const chosen = [2_500, 17, 1_234].map((index) => sockets[index]);
  for (const [index, socket] of chosen.entries()) {
    assert.ok(socket !== undefined);
    socket.write('x'.repeat(100 * (index + 1)));
    await once(socket, 'data');
  }
  const { json } = await gateway.admin('GET', '/v1/connections?sort=bytes&limit=3');
  assert.deepEqual(
    json.connections.map((each: Shown) => each.bytesFromClient),
    [300, 200, 100],
  );
  assert.deepEqual(
    json.connections.map((each: Shown) => Number(each.client.split(':')[1])),
    chosen.toReversed().map((socket) => socket?.localPort),
  );
  for (const key of ['age', 'idle', 'pending'] as const) {
    const sorted = await gateway.admin('GET', `/v1/connections?sort=${key}&limit=1000`);
    assert.equal(sorted.json.connections.length, 1_000);
    const field = key === 'pending' ? 'pendingBytes' : `${key}Ms`;
    const values = sorted.json.connections.map((each: Record<string, number>) => each[field]);
    assert.deepEqual(
      values,
      values.toSorted((x: number, y: number) => y - x),
    );
  }
  const [oldest] = (await gateway.admin('GET', '/v1/connections?sort=age&limit=1')).json
    .connections;
  assert.ok(
    oldest.ageMs >= Math.max(...(await walk('', 1_000)).map(({ idleMs }) => idleMs)) - 1_000,
  );
});

test('a walk while others come and go shows who stays exactly once', async (t) => {
  const stable = new Set((await walk('', 1_000)).map(({ id }) => id));
  const over = new AbortController();
  const port = await gateway.port('even');
  const churn = Array.from({ length: 4 }, async () => {
    while (!over.signal.aborted) {
      const wire = await Wire.connect(t, port);
      await wire.echo('x');
      wire.finish();
      await wire.ended;
    }
  });
  try {
    for (let round = 0; round < 5; round++) {
      const found = await walk('', 97);
      const ids = found.map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length);
      assert.equal(ids.filter((id) => stable.has(id)).length, COUNT);
    }
  } finally {
    over.abort();
  }
  await Promise.all(churn);
});

test('the command line: pages, a table, JSON', async (t) => {
  const conns = (...args: string[]): ReturnType<typeof runCommand> =>
    runCommand(t, ['conns', '--admin', gateway.socket, ...args], { directory: gateway.directory });
  const table = await conns('--limit', '5', '--listener', 'odd');
  assert.equal(table.code, 0, table.stderr);
  const lines = table.stdout.trimEnd().split('\n');
  assert.match(
    lines[0] ?? '',
    /^ID +CLIENT +LISTENER +ENDPOINT +STATE +AGE +IDLE +IN +OUT +PENDING/,
  );
  assert.equal(lines.length, 7);
  const cursor = /--cursor (\S+)/.exec(lines[6] ?? '')?.[1] ?? '';
  const next = await conns('--limit', '5', '--listener', 'odd', '--cursor', cursor, '--json');
  const { connections } = JSON.parse(next.stdout) as { connections: Shown[] };
  assert.equal(connections.length, 5);
  assert.ok(connections.every(({ id }) => !table.stdout.includes(`${id} `)));
  const none = await conns('--client', '127.0.0.99');
  assert.match(none.stdout, /no connections match/);
  const wrong = await conns('--sort', 'size');
  assert.equal(wrong.code, 2);
});

test('ids that were killed are gone; their slots get other ids', async (t) => {
  const port = await gateway.port('odd');
  const wire = await Wire.connect(t, { port, localAddress: '127.0.0.77' });
  await wire.echo('x');
  const [shown] = await walk('&client=127.0.0.77', 10);
  const id = shown?.id ?? '';
  const kill = (...ids: string[]): ReturnType<typeof runCommand> =>
    runCommand(t, ['kill', '--admin', gateway.socket, ...ids], { directory: gateway.directory });
  const killed = await kill(id);
  assert.equal(killed.code, 0, killed.stderr);
  assert.match(killed.stdout, new RegExp(`closed ${id}`));
  assert.equal(await wire.ended, 'ECONNRESET');
  const later = await Wire.connect(t, { port, localAddress: '127.0.0.77' });
  await later.echo('x');
  const [successor] = await walk('&client=127.0.0.77', 10);
  assert.notEqual(successor?.id, id);
  const again = await kill(id);
  assert.equal(again.code, 1);
  assert.match(again.stderr, new RegExp(`there is no connection ${id}`));
  await later.echo('not me');
  const record = await gateway.accessed((each) => each['id'] === id);
  assert.equal(record['reason'], 'killed');
  assert.equal(record['closedBy'], 'gateway');
});
