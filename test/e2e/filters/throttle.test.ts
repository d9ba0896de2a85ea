/**
 * Bytes that filters slow down: holdfast/rate-limit with `count: bytes`, and the throttle of
 * holdfast/fault, through real sockets.
 *
 * Path: client -> gateway that reads only as fast as a bucket allows -> origin, and back.
 * Invariant under test: nothing is lost, cut or reordered; what comes is not faster than its rate;
 * nobody is closed for being slowed down; a bucket holds up only those that it is for.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startEcho } from '../harness.ts';
import { get, requestOf } from '../http/http-scene.ts';
import { checksumOf, makeBytes } from '../tcp/pattern.ts';
import { BINARY, clientFrame, endpointFrame, readFrame } from '../websocket/frames.ts';
import { handshake, Sockets } from '../websocket/ws-scene.ts';
import { routesOf, shareFilters } from './filter-scene.ts';

const KIB = 1024;
const RATE = 256 * KIB;
const BURST = 16 * KIB;
const BYTES = 96 * KIB;
/** What is not held up beside that: the burst of a fault, the first bytes of a response, a read. */
const FREE = 20 * KIB;
const LEAST_MS = ((BYTES - BURST - FREE) * 1000) / RATE;

function bytes(config: object): { use: string; with: object } {
  return {
    use: 'holdfast/rate-limit',
    with: { count: 'bytes', rate: '256KiB/s', burst: '16KiB', ...config },
  };
}

function fault(throttle: object): { use: string; with: object } {
  const usual = { percent: '100%', rate: '256KiB/s' };
  return { use: 'holdfast/fault', with: { throttle: { ...usual, ...throttle } } };
}

const { scene } = shareFilters({}, async (owner) => {
  const echo = await startEcho(owner);
  const tcp = (name: string, more: object): object => ({
    name,
    bind: '127.0.0.1:0',
    cluster: 'echo',
    ...more,
  });
  return {
    isRouted: true,
    http: routesOf([
      { path: '/plain' },
      { path: '/down', filters: [bytes({ name: 'down', direction: 'toClient' })] },
      { path: '/up', filters: [bytes({ name: 'up', direction: 'fromClient' })] },
      { path: '/both', filters: [bytes({ name: 'both' }), fault({})] },
      { path: '/fault', filters: [fault({})] },
      { path: '/never', filters: [fault({ percent: '0%' })] },
      { path: '/heads', filters: [bytes({ rate: '4KiB/s', burst: '1KiB' })] },
      {
        path: '/idle',
        filters: [fault({ rate: '1KiB/s' })],
        more: { timeouts: { idle: '300ms', request: '300ms' } },
      },
      { path: '/shadow', filters: [bytes({ name: 'shadow', shadow: true, burst: '1KiB' })] },
      { path: '/ws', filters: [bytes({ name: 'ws' })], more: { websocket: true } },
    ]),
    listeners: [
      tcp('raw', { filters: [bytes({})] }),
      tcp('idle', {
        filters: [bytes({ rate: '1KiB/s', burst: '1KiB' })],
        timeouts: { idle: '1s', halfClose: '1s' },
      }),
      tcp('stuck', { filters: [bytes({ rate: '1KiB/s', burst: '1KiB', by: 'address' })] }),
    ],
    clusters: [{ name: 'echo', endpoints: [`127.0.0.1:${echo.port}`] }],
  };
});

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const start = performance.now();
  const value = await work();
  return { value, ms: performance.now() - start };
}

for (const path of ['/down', '/fault', '/both']) {
  test(`a response of ${path} comes whole, and not faster than its rate`, async (t) => {
    const body = makeBytes(path, BYTES);
    scene().origin.on(path, (request) => request.reply({ body }));
    const { value, ms } = await timed(() => scene().ask(t, get(path)));
    assert.equal(value.status, 200);
    assert.equal(checksumOf(value.body), checksumOf(body));
    assert.ok(ms >= LEAST_MS, `${BYTES} bytes took ${ms} ms`);
  });
}

test('content of a request comes whole, and not faster than its rate', async (t) => {
  const body = makeBytes('up', BYTES).toString('latin1');
  scene().origin.on('/up', async (request) => {
    const { body: content } = await request.content();
    request.reply({ body: checksumOf(content) });
  });
  const { value, ms } = await timed(() => scene().ask(t, requestOf('POST', '/up', { body })));
  assert.equal(Buffer.from(value.body).toString(), checksumOf(Buffer.from(body, 'latin1')));
  assert.ok(ms >= ((BYTES - BURST - 64 * KIB) * 1000) / RATE, `${BYTES} bytes took ${ms} ms`);
});

test('requests wait for the heads before them; what no filter names does not', async (t) => {
  const fields = { 'x-pad': 'p'.repeat(1500) };
  const { ms } = await timed(async () => {
    for (let i = 0; i < 3; i += 1) {
      assert.equal((await scene().ask(t, get('/heads', fields))).status, 200);
    }
  });
  assert.ok(ms >= 500, `three requests took ${ms} ms`);
  const before = await scene().counter('throttles');
  for (const path of ['/plain', '/never', '/shadow']) {
    scene().origin.on(path, (request) => request.reply({ body: makeBytes(path, BYTES) }));
    assert.equal((await scene().ask(t, get(path))).body.length, BYTES);
  }
  assert.equal(await scene().counter('throttles'), before);
});

test('a response that is slowed down is not idle, nor late', async (t) => {
  scene().origin.on('/idle', (request) => request.reply({ body: makeBytes('idle', 3 * KIB) }));
  const response = await scene().ask(t, get('/idle'));
  assert.equal(response.status, 200);
  assert.equal(checksumOf(response.body), checksumOf(makeBytes('idle', 3 * KIB)));
});

test('a connection carries all bytes both ways, and its end behind them', async (t) => {
  const sent = makeBytes('raw', BYTES);
  const { ms } = await timed(async () => {
    const client = await scene().connect(t, { port: scene().port('raw') });
    client.send(sent);
    client.finish();
    assert.equal(checksumOf(await client.take(sent.length)), checksumOf(sent));
    assert.equal(await client.ended(), 'fin');
  });
  // Both directions are of one bucket.
  assert.ok(ms >= ((2 * BYTES - BURST - FREE) * 1000) / RATE, `${BYTES} bytes took ${ms} ms`);
});

test('a connection that is slowed down is not idle, also half closed', async (t) => {
  const sent = makeBytes('idle', 2 * KIB);
  const client = await scene().connect(t, { port: scene().port('idle') });
  client.send(sent);
  client.finish();
  assert.equal(checksumOf(await client.take(sent.length)), checksumOf(sent));
  assert.equal(await client.ended(), 'fin');
});

test('who waits for tokens is counted; a reset and a kill end the wait', async (t) => {
  const clients = await Promise.all(
    [1, 2].map(() => scene().connect(t, { port: scene().port('stuck') })),
  );
  for (const client of clients) client.send(makeBytes('stuck', 64 * KIB));
  await scene().counterUntil('throttled', (waiting) => waiting >= 2);
  const { json } = await scene().gateway.admin('GET', '/v1/connections?listener=stuck');
  clients[0]?.reset();
  await scene().gateway.admin('DELETE', `/v1/connections/${json.connections[0].id}`);
  await scene().gateway.admin('DELETE', `/v1/connections/${json.connections[1].id}`);
  await scene().counterUntil('throttled', (waiting) => waiting === 0);
});

test('frames of a WebSocket are slowed down both ways, for its life', async (t) => {
  const sockets = new Sockets(scene().origin);
  const { client, endpoint } = await sockets.join(t, scene(), { text: handshake() });
  const payload = makeBytes('ws', 24 * KIB);
  const { ms } = await timed(async () => {
    for (let i = 0; i < 2; i += 1) {
      client.send(clientFrame(BINARY, payload));
      endpoint.send(endpointFrame(BINARY, payload));
      assert.equal(checksumOf((await readFrame(endpoint)).payload), checksumOf(payload));
      assert.equal(checksumOf((await readFrame(client)).payload), checksumOf(payload));
    }
  });
  assert.ok(ms >= ((4 * payload.length - BURST - FREE) * 1000) / RATE, `it took ${ms} ms`);
  client.reset();
});
