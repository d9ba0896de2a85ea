/**
 * Limits of a cluster over several shards: never exceeded, and given back on every way that a
 * request can end.
 *
 * Path: many clients, on two shards -> one cluster -> origins that count what they have at once.
 * Invariant under test: an origin never sees more at once than the limit, whatever shards do at the
 * same time; when nobody asks any more, every gauge of the cluster is at zero.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Owner } from '../harness.ts';
import type { OriginRequest } from '../http/http-origin.ts';
import { get, HttpScene, requestOf } from '../http/http-scene.ts';
import { readResponse } from '../http/message.ts';

const CLIENTS = 24;
const ROUNDS = 12;

interface Stats {
  readonly clusters: readonly {
    readonly name: string;
    readonly counters: Readonly<Record<string, number>>;
  }[];
}

function countersOf(stats: Stats): Readonly<Record<string, number>> {
  const found = stats.clusters.find(({ name }) => name === 'app');
  assert.ok(found !== undefined);
  return found.counters;
}

async function counters(scene: HttpScene): Promise<Readonly<Record<string, number>>> {
  return countersOf((await scene.gateway.counted('/v1/stats')).json);
}

/** Waits until nothing of the cluster is under way, kept connections left out. */
async function whenIdle(scene: HttpScene): Promise<void> {
  await scene.gateway.adminUntil('/v1/stats', ({ json }) => {
    const { requestsActive, requestsPending, retriesActive } = countersOf(json);
    return requestsActive === 0 && requestsPending === 0 && retriesActive === 0;
  });
}

/** Counts how many requests an origin has at once. */
class AtOnce {
  most = 0;
  #now = 0;

  async hold(request: OriginRequest): Promise<void> {
    this.#now++;
    this.most = Math.max(this.most, this.#now);
    await new Promise((resolve) => {
      setTimeout(resolve, 3);
    });
    this.#now--;
    request.reply({ body: 'done' });
  }
}

/** Clients that ask one request after the other, and the statuses that they got. */
async function storm(owner: Owner, scene: HttpScene): Promise<number[]> {
  const one = async (): Promise<number[]> => {
    const client = await scene.connect(owner);
    const statuses: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      client.send(get('/held'));
      statuses.push((await readResponse(client)).status);
    }
    client.socket.destroy();
    return statuses;
  };
  return (await Promise.all(Array.from({ length: CLIENTS }, one))).flat();
}

test('no more requests than the limit are under way, over all shards', async (t) => {
  const scene = await HttpScene.start(t, { shards: 2, cluster: { limits: { requests: 5 } } });
  const atOnce = new AtOnce();
  scene.origin.on('/held', (request) => atOnce.hold(request));
  const statuses = await storm(t, scene);
  assert.ok(atOnce.most > 0 && atOnce.most <= 5, `${atOnce.most} at once`);
  const refused = statuses.filter((status) => status === 503).length;
  assert.equal(statuses.filter((status) => status === 200).length + refused, CLIENTS * ROUNDS);
  assert.ok(refused > 0);
  await whenIdle(scene);
  assert.equal((await counters(scene))['requestsRefused'], refused);
});

test('no more connections than the limit are open, over all shards', async (t) => {
  const scene = await HttpScene.start(t, {
    shards: 2,
    cluster: { limits: { connections: 4 }, keepAlive: { idle: '500ms' } },
  });
  const atOnce = new AtOnce();
  scene.origin.on('/held', (request) => atOnce.hold(request));
  const statuses = await storm(t, scene);
  assert.ok(atOnce.most <= 4, `${atOnce.most} at once`);
  assert.ok(scene.origin.live.size <= 4, `${scene.origin.live.size} connections`);
  assert.ok(statuses.every((status) => status === 200 || status === 503));
  await whenIdle(scene);
  // Those that are kept end by themselves, and are given back then.
  await scene.origin.whenLive(0);
  await scene.gateway.adminUntil(
    '/v1/stats',
    ({ json }) => countersOf(json)['httpConnections'] === 0,
  );
});

test('however a request ends, it is given back', async (t) => {
  const route = {
    cluster: 'app',
    websocket: true,
    retry: { on: ['connect', 'reset', '503'], attempts: 2 },
  };
  const scene = await HttpScene.start(t, {
    shards: 2,
    isRouted: true,
    http: {
      hosts: [
        {
          // Only what is never answered runs out of time, on a busy machine, too.
          routes: [
            { ...route, match: '/silent', timeouts: { request: '200ms' } },
            { ...route, match: '/' },
          ],
        },
      ],
    },
    cluster: {
      limits: { requests: 1000, connections: 1000, retries: 1000, retryBudget: 'off' },
      keepAlive: { idle: '500ms' },
    },
    app: { ejection: { afterErrors: 'off', afterFailures: 'off' } },
  });
  const { origin } = scene;
  origin.on('/reset', (request) => request.stream.reset());
  origin.on('/busy', (request) => request.reply({ status: 503 }));
  origin.on('/silent', () => {});
  origin.on('/half', (request) => {
    request.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    request.stream.finish();
  });
  origin.on('/garbage', (request) => request.send('what?\r\n\r\n'));
  const asked = ['/reset', '/busy', '/silent', '/garbage', '/good'];
  const statuses = await Promise.all(
    asked.flatMap((target) =>
      Array.from({ length: 4 }, async () => (await scene.ask(t, get(target))).status),
    ),
  );
  assert.deepEqual(
    [...new Set(statuses)].toSorted((a, b) => a - b),
    [200, 502, 503, 504],
  );
  // Clients that go: before the answer, in its middle, in the middle of their own content.
  const gone = Array.from({ length: 12 }, async (_, index) => {
    const client = await scene.connect(t);
    const target = ['/silent', '/half'][index % 3];
    client.send(
      target === undefined
        ? 'POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart'
        : get(target),
    );
    await origin.whenSeen(target === undefined ? 'POST /good' : `GET ${target}`);
    client.socket.destroy();
  });
  await Promise.all(gone);
  await whenIdle(scene);
  await origin.whenLive(0);
  await scene.gateway.adminUntil(
    '/v1/stats',
    ({ json }) => countersOf(json)['httpConnections'] === 0,
  );
  assert.equal((await scene.ask(t, requestOf('POST', '/good', { body: 'x' }))).status, 200);
  const { json } = await scene.gateway.counted('/v1/clusters/app');
  assert.equal(json.endpoints[0].connections, 0);
});

test('what a hedged request had in two places is given back in both', async (t) => {
  const scene = await HttpScene.start(t, {
    shards: 2,
    isRouted: true,
    http: {
      hosts: [
        {
          routes: [
            {
              match: '/',
              cluster: 'app',
              timeouts: { request: '5s', perTry: '20ms' },
              retry: { on: ['hedge'], attempts: 2 },
            },
          ],
        },
      ],
    },
    cluster: {
      limits: { connections: 1000, retries: 1000, retryBudget: 'off' },
      keepAlive: { idle: '500ms' },
    },
    app: { ejection: { afterErrors: 'off' } },
  });
  let count = 0;
  scene.origin.on('/', async (request) => {
    const isSlow = count++ % 3 !== 0;
    await new Promise((resolve) => {
      setTimeout(resolve, isSlow ? 100 : 1);
    });
    request.reply({});
  });
  const ask = async (): Promise<void> => {
    assert.equal((await scene.ask(t, get('/'))).status, 200);
  };
  await Promise.all(Array.from({ length: 30 }, ask));
  assert.ok(scene.origin.seen.length > 30, 'no request was hedged');
  // Clients that go while both tries are under way.
  for (let i = 0; i < 5; i++) {
    const client = await scene.connect(t);
    client.send(get(`/?${i}`));
    await scene.origin.whenSeen(`GET /?${i}`);
    client.socket.destroy();
  }
  await whenIdle(scene);
  await scene.origin.whenLive(0);
  await scene.gateway.adminUntil(
    '/v1/stats',
    ({ json }) => countersOf(json)['httpConnections'] === 0,
  );
  const { json } = await scene.gateway.counted('/v1/clusters/app');
  assert.equal(json.endpoints[0].connections, 0);
});
