/**
 * Which endpoint a request goes to: subsets, hash keys, latency, and ejection by what is answered.
 *
 * Path: clients -> a gateway with HTTP -> origins that a test makes slow or failing.
 * Invariant under test: an endpoint without the labels of a route gets none of its requests; one
 * that fails or is slow gets few or none, and what was found out holds for every part of its
 * cluster.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Owner } from '../harness.ts';
import { HttpOrigin, seenIn } from '../http/http-origin.ts';
import { get, HttpScene } from '../http/http-scene.ts';

interface EndpointView {
  readonly address: string;
  readonly state: string;
  readonly counters: Readonly<Record<string, number>>;
}

/** A scene with named origins in the cluster `c`; `labels` by name of the origin. */
async function start(
  owner: Owner,
  names: readonly string[],
  setup: {
    readonly cluster?: object;
    readonly routes?: readonly object[];
    readonly labels?: Readonly<Record<string, object>>;
  },
): Promise<{ scene: HttpScene; origins: HttpOrigin[] }> {
  const origins = await Promise.all(names.map((name) => HttpOrigin.start(owner, name)));
  const endpoints = origins.map(({ address, name }) => ({
    address,
    labels: setup.labels?.[name] ?? {},
  }));
  const scene = await HttpScene.start(owner, {
    isRouted: true,
    http: { hosts: [{ routes: setup.routes ?? [{ cluster: 'c' }] }] },
    clusters: [{ name: 'c', endpoints, ...setup.cluster }],
  });
  return { scene, origins };
}

async function shares(
  owner: Owner,
  scene: HttpScene,
  targets: readonly string[],
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const target of targets) {
    const { origin } = seenIn(await scene.ask(owner, get(target)));
    counts.set(origin, (counts.get(origin) ?? 0) + 1);
  }
  return counts;
}

async function endpointOf(scene: HttpScene, origin: HttpOrigin): Promise<EndpointView> {
  const { json } = await scene.gateway.counted('/v1/clusters/c');
  const found = json.endpoints.find((each: EndpointView) => each.address === origin.address);
  assert.ok(found !== undefined);
  return found;
}

const repeat = (target: string, count: number): string[] =>
  Array.from({ length: count }, () => target);

const LABELS = { a: { version: 'v1' }, b: { version: 'v1', zone: 'x' }, c: { version: 'v2' } };

test('a route with a subset goes to endpoints that have all of its labels', async (t) => {
  const { scene } = await start(t, ['a', 'b', 'c'], {
    cluster: { balance: 'round-robin' },
    labels: LABELS,
    routes: [
      { match: '/v1', cluster: 'c', subset: { version: 'v1' } },
      { match: '/v2', cluster: 'c', subset: { version: 'v2' } },
      { match: '/both', cluster: 'c', subset: { zone: 'x', version: 'v1' } },
      { match: '/none', cluster: 'c', subset: { version: 'v3' } },
      { match: '/', cluster: 'c' },
    ],
  });
  const both = await shares(t, scene, repeat('/v1', 6));
  assert.deepEqual(Object.fromEntries(both), { a: 3, b: 3 });
  assert.deepEqual([...(await shares(t, scene, repeat('/v2', 4)))], [['c', 4]]);
  assert.deepEqual([...(await shares(t, scene, repeat('/both', 4)))], [['b', 4]]);
  assert.equal((await shares(t, scene, repeat('/', 6))).size, 3);
  assert.equal((await scene.ask(t, get('/none'))).status, 503);
});

test('what a subset finds out about an endpoint holds for its cluster', async (t) => {
  const { scene, origins } = await start(t, ['a', 'b', 'c'], {
    cluster: {
      balance: 'round-robin',
      ejection: { afterErrors: 3, base: '5m', panic: '0%' },
    },
    labels: LABELS,
    routes: [
      { match: '/v1', cluster: 'c', subset: { version: 'v1' } },
      { match: '/', cluster: 'c' },
    ],
  });
  const [a] = origins;
  assert.ok(a !== undefined);
  a.on('/v1', (request) => request.reply({ status: 500 }));
  const statuses: number[] = [];
  for (let i = 0; i < 6; i++) {
    statuses.push((await scene.ask(t, get('/v1'))).status);
  }
  assert.equal(statuses.filter((status) => status === 500).length, 3);
  await scene.gateway.adminUntil('/v1/clusters/c', ({ json }) =>
    json.endpoints.some((each: EndpointView) => each.state === 'ejected'),
  );
  const view = await endpointOf(scene, a);
  assert.equal(view.state, 'ejected');
  assert.equal(view.counters['ejectionsByErrors'], 1);
  assert.equal(view.counters['errors'], 3);
  assert.equal((await shares(t, scene, repeat('/', 6))).get('a'), undefined);
  assert.deepEqual([...(await shares(t, scene, repeat('/v1', 4)))], [['b', 4]]);
});

test('labels and subsets change with a reload, and keep what is known of endpoints', async (t) => {
  const { scene, origins } = await start(t, ['a', 'b', 'c'], { labels: LABELS });
  const endpoints = (labels: Readonly<Record<string, object>>): object[] =>
    origins.map(({ address, name }) => ({ address, labels: labels[name] ?? {} }));
  const reload = (labels: Readonly<Record<string, object>>, version: string): Promise<void> =>
    scene.reload({
      http: { hosts: [{ routes: [{ cluster: 'c', subset: { version } }] }] },
      clusters: [{ name: 'c', endpoints: endpoints(labels) }],
    });
  await reload(LABELS, 'v2');
  assert.deepEqual([...(await shares(t, scene, repeat('/', 4)))], [['c', 4]]);
  await reload({ a: { version: 'v2' } }, 'v2');
  assert.deepEqual([...(await shares(t, scene, repeat('/', 4)))], [['a', 4]]);
  await reload({ a: { version: 'v2' } }, 'v3');
  assert.equal((await scene.ask(t, get('/'))).status, 503);
  const [a, , c] = origins;
  assert.ok(a !== undefined && c !== undefined);
  assert.equal((await endpointOf(scene, a)).counters['answers'], 4);
  assert.equal((await endpointOf(scene, c)).counters['answers'], 4);
});

test('errors that are not in a row eject nobody', async (t) => {
  const { scene, origins } = await start(t, ['a', 'b'], {
    cluster: { balance: 'round-robin', ejection: { afterErrors: 3, base: '5m' } },
  });
  const [a] = origins;
  assert.ok(a !== undefined);
  let count = 0;
  a.on('/', (request) => request.reply({ status: ++count % 3 === 0 ? 200 : 500 }));
  for (let i = 0; i < 30; i++) {
    await scene.ask(t, get('/'));
  }
  const view = await endpointOf(scene, a);
  assert.equal(view.state, 'healthy');
  assert.equal(view.counters['errors'], 10);
  assert.equal(view.counters['ejections'], 0);
});

test('resets and answers that do not come in time are errors', async (t) => {
  const { scene, origins } = await start(t, ['a', 'b'], {
    cluster: {
      balance: 'round-robin',
      ejection: { afterErrors: 4, base: '5m', panic: '0%' },
    },
    routes: [{ cluster: 'c', timeouts: { request: '1s' }, retry: 'off' }],
  });
  const [a] = origins;
  assert.ok(a !== undefined);
  let count = 0;
  a.on('/', (request) => {
    if (++count % 2 === 0) {
      request.stream.reset();
    }
  });
  const statuses: number[] = [];
  for (let i = 0; i < 8; i++) {
    statuses.push((await scene.ask(t, get('/'))).status);
  }
  assert.equal(statuses.filter((status) => status === 504).length, 2);
  assert.equal(statuses.filter((status) => status === 502).length, 2);
  assert.equal((await endpointOf(scene, a)).state, 'ejected');
  assert.deepEqual([...(await shares(t, scene, repeat('/', 4)))], [['b', 4]]);
});

test('peak-ewma sends little to a slow endpoint', async (t) => {
  const { scene, origins } = await start(t, ['slow', 'fast'], {
    cluster: { balance: 'peak-ewma', ejection: { latencyFactor: 'off' } },
  });
  const [slow, fast] = origins;
  assert.ok(slow !== undefined && fast !== undefined);
  slow.on('/', async (request) => {
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    request.reply({});
  });
  fast.on('/', (request) => request.reply({}));
  for (let i = 0; i < 60; i++) {
    assert.equal((await scene.ask(t, get('/'))).status, 200);
  }
  assert.ok(slow.seen.length >= 1, 'nobody is unknown for ever');
  assert.ok(slow.seen.length * 3 < fast.seen.length, `${slow.seen.length} of 60`);
});

test('an endpoint that is much slower than the median is ejected', async (t) => {
  const { scene, origins } = await start(t, ['slow', 'x', 'y'], {
    cluster: {
      balance: 'round-robin',
      ejection: { latencyFactor: 4, base: '5m', panic: '0%' },
    },
  });
  const [slow, ...others] = origins;
  assert.ok(slow !== undefined);
  slow.on('/', async (request) => {
    await new Promise((resolve) => {
      setTimeout(resolve, 400);
    });
    request.reply({});
  });
  for (const other of others) {
    other.on('/', (request) => request.reply({}));
  }
  // Ten clients, so that a window has enough answers of each.
  const ejected = new AbortController();
  const client = async (): Promise<void> => {
    while (!ejected.signal.aborted) {
      await scene.ask(t, get('/'));
    }
  };
  const clients = Array.from({ length: 10 }, client);
  await scene.gateway.adminUntil('/v1/clusters/c', ({ json }) =>
    json.endpoints.some((each: EndpointView) => each.state === 'ejected'),
  );
  ejected.abort();
  await Promise.all(clients);
  const view = await endpointOf(scene, slow);
  assert.equal(view.state, 'ejected');
  assert.equal(view.counters['ejectionsByLatency'], 1);
});

test('a hash key keeps its endpoint, whoever asks', async (t) => {
  const { scene } = await start(t, ['a', 'b', 'c'], {
    cluster: { balance: 'maglev' },
    routes: [{ cluster: 'c', hash: { query: 'user' } }],
  });
  const keys = Array.from({ length: 12 }, (_, i) => `/?user=u${i}`);
  const places = new Map<string, string>();
  for (const key of keys) {
    places.set(key, seenIn(await scene.ask(t, get(key))).origin);
  }
  assert.ok(new Set(places.values()).size > 1);
  for (const key of keys.toReversed()) {
    assert.equal(seenIn(await scene.ask(t, get(key))).origin, places.get(key));
  }
});
