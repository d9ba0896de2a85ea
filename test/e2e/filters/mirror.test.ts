/**
 * Copies of requests for another cluster, through a gateway.
 *
 * Path: client -> gateway -> origin, and from the gateway a copy -> canary.
 * Invariant under test: the client gets what the origin says, whatever becomes of the copy; a copy
 * is what the origin got, once, with a field that tells it; every copy is counted.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { after, type TestContext, test } from 'node:test';
import { makeDirectory } from '../harness.ts';
import { HttpOrigin, type OriginRequest, seenIn } from '../http/http-origin.ts';
import { chunked, get, HttpScene, requestOf } from '../http/http-scene.ts';
import { readResponse, valuesOf } from '../http/message.ts';
import { Authority, writePair, writeText } from '../tls/authority.ts';
import { handshake } from '../websocket/ws-scene.ts';
import { routesOf, shareFilters } from './filter-scene.ts';

const canaries = new Map<string, HttpOrigin>();
after(async () => {
  for (const canary of canaries.values()) await canary.close();
});

const mirror = (cluster: string, more: object = {}): { use: string; with: object } => ({
  use: 'holdfast/mirror',
  with: { cluster, ...more },
});

const NAMES = ['plain', 'share', 'long', 'odd', 'slow', 'bad', 'huge', 'limited', 'ejected'];

const { scene } = shareFilters({}, async (owner) => {
  for (const name of NAMES) canaries.set(name, await HttpOrigin.start(owner, name));
  const clusters = [...canaries].map(([name, { address }]) => ({ name, endpoints: [address] }));
  const part = { name: 'parts', endpoints: [] as object[] };
  for (const [i, name] of ['plain', 'share'].entries()) {
    part.endpoints.push({ address: canaryOf(name).address, labels: { version: i } });
  }
  const refusing = await HttpOrigin.start(owner, 'refusing');
  await refusing.close();
  const set = { request: { set: { 'x-env': 'live' } } };
  const slow = mirror('slow', { timeout: '50ms' });
  return {
    isRouted: true,
    http: routesOf([
      { path: '/plain', filters: [{ use: 'holdfast/headers', with: set }, mirror('plain')] },
      { path: '/never', filters: [mirror('share', { percent: '0%' })] },
      { path: '/always', filters: [mirror('share', { percent: '100%' })] },
      { path: '/when', filters: [mirror('share', { when: { methods: 'POST' } })] },
      { path: '/twice', filters: [mirror('plain'), mirror('share')] },
      { path: '/part', filters: [mirror('parts', { subset: { version: 1 } })] },
      { path: '/long', filters: [mirror('long', { contentMax: '300KiB' })] },
      { path: '/none', filters: [mirror('long', { contentMax: 0 })] },
      { path: '/odd', filters: [mirror('odd')], more: { websocket: true } },
      { path: '/slow', filters: [slow] },
      { path: '/refusing', filters: [mirror('refusing')] },
      { path: '/bad', filters: [mirror('bad')] },
      { path: '/huge', filters: [mirror('huge')] },
      { path: '/limited', filters: [mirror('limited')] },
      { path: '/ejected', filters: [mirror('ejected')] },
      { path: '/retried', filters: [mirror('plain')], more: { retry: { on: ['503'] } } },
    ]),
    clusters: [
      ...clusters.map((cluster) => {
        if (cluster.name === 'limited') return { ...cluster, http: { limits: { requests: 1 } } };
        if (cluster.name !== 'ejected') return cluster;
        return { ...cluster, ejection: { afterErrors: 2, base: '1m', atMost: '100%' } };
      }),
      part,
      { name: 'refusing', endpoints: [refusing.address], connect: { retries: 0 } },
    ],
  };
});

function canaryOf(name: string): HttpOrigin {
  const canary = canaries.get(name);
  assert.ok(canary !== undefined);
  return canary;
}

/** What comes to a canary at one path, one after another. */
class Copies {
  readonly #come: { readonly fields: OriginRequest['head']['fields']; readonly body: string }[] =
    [];
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(canary: HttpOrigin, path: string) {
    canary.on(path, async (request) => {
      const { body } = await request.content();
      this.#come.push({ fields: request.head.fields, body: body.toString('latin1') });
      request.reply({ body: 'for nobody' });
      const { resolve } = this.#wake;
      this.#wake = Promise.withResolvers();
      resolve();
    });
  }

  async next() {
    for (;;) {
      const first = this.#come.shift();
      if (first !== undefined) return first;
      await this.#wake.promise;
    }
  }
}

/** A count of a cluster, by what stands behind `holdfast_cluster_mirror`. */
function countIn(text: string, cluster: string, name: string, label = ''): number {
  const labels = `cluster="${cluster}"${label === '' ? '' : `,${label}`}`;
  const line = `holdfast_cluster_mirror${name}{${labels}} `;
  const at = text.indexOf(line);
  return at === -1 ? 0 : Number.parseInt(text.slice(at + line.length), 10);
}

/** Waits until a count is as wanted. */
async function counted(cluster: string, name: string, wanted: number, label = ''): Promise<void> {
  await scene().gateway.adminUntil(
    '/metrics?scope=http',
    ({ text }) => countIn(text, cluster, name, label) === wanted,
  );
}

test('a copy is what the origin got, and tells that it is one', async (t) => {
  const copies = new Copies(canaryOf('plain'), '/plain');
  const client = await scene().connect(t);
  for (const method of ['GET', 'HEAD', 'DELETE']) {
    client.send(requestOf(method, '/plain?a=1', { fields: { 'X-Own': 'b' } }));
    const response = await readResponse(client, method);
    assert.equal(response.status, 200);
    const { fields } = await copies.next();
    const of = (name: string) => valuesOf({ fields }, name);
    assert.deepEqual(
      [of('x-own'), of('x-env'), of('host'), of('x-holdfast-mirror')],
      [['b'], ['live'], ['a.example'], ['1']],
    );
    if (method === 'HEAD') continue;
    const seen = seenIn(response);
    for (const name of ['x-request-id', 'x-forwarded-for', 'x-forwarded-proto']) {
      assert.deepEqual(of(name), valuesOf(seen, name));
      assert.equal(of(name).length, 1);
    }
    assert.deepEqual(valuesOf(seen, 'x-holdfast-mirror'), []);
  }
  await counted('plain', 's_total', 3);
  await counted('plain', '_responses_total', 3, 'code_class="2xx"');
  await counted('plain', 's_active', 0);
  // One connection carried them all.
  assert.equal(canaryOf('plain').accepted, 1);
});

test('content is copied whole, however it comes', async (t) => {
  const copies = new Copies(canaryOf('plain'), '/plain');
  const client = await scene().connect(t);
  const body = 'x'.repeat(50_000);
  const text = requestOf('POST', '/plain', { body });
  client.send(text);
  assert.equal(seenIn(await readResponse(client)).body.length, body.length);
  assert.equal((await copies.next()).body === body, true);
  const late = await scene().connect(t);
  const head = requestOf('POST', '/plain?late', { fields: { 'Transfer-Encoding': 'chunked' } });
  const pieces = ['one', 'two'.repeat(8_000), 'three'];
  const chunks = chunked(pieces, 'X-Trailer: a\r\n');
  late.send(head + chunks.slice(0, 7));
  await scene().origin.whenSeen('POST /plain?late');
  late.send(chunks.slice(7));
  assert.equal(seenIn(await readResponse(late)).body, pieces.join(''));
  const copy = await copies.next();
  assert.equal(copy.body, pieces.join(''));
  assert.deepEqual(valuesOf(copy, 'transfer-encoding'), ['chunked']);
});

test('percent and when choose requests; several mirrors of a place copy each', async (t) => {
  const canary = canaryOf('share');
  const ask = async (method: string, path: string): Promise<void> => {
    assert.equal((await scene().ask(t, requestOf(method, path))).status, 200);
  };
  for (let i = 0; i < 20; i++) await ask('GET', '/never');
  await ask('GET', '/when');
  for (let i = 0; i < 20; i++) await ask('GET', '/always');
  await ask('POST', '/when');
  await ask('GET', '/twice');
  await canary.whenSeen('GET /twice');
  await canaryOf('plain').whenSeen('GET /twice');
  await counted('share', 's_total', 22);
  assert.deepEqual(
    canary.seen.filter((line) => !line.endsWith('/always')),
    ['POST /when', 'GET /twice'],
  );
});

test('a part of a cluster has its own count', async (t) => {
  assert.equal((await scene().ask(t, get('/part'))).status, 200);
  await canaryOf('share').whenSeen('GET /part');
  await counted('parts{version=1}', 's_total', 1);
});

test('more content than contentMax is not copied', async (t) => {
  const copies = new Copies(canaryOf('long'), '/long');
  const ask = async (path: string, text: string): Promise<void> => {
    const client = await scene().connect(t);
    client.send(text);
    assert.equal((await readResponse(client)).status, 200, path);
  };
  const head = requestOf('POST', '/long', { fields: { 'Transfer-Encoding': 'chunked' } });
  const most = 'y'.repeat(300 * 1024);
  await ask('/long', requestOf('POST', '/long', { body: `${most}z` }));
  await ask('/long', head + chunked([most, 'z']));
  await ask('/none', requestOf('POST', '/none', { body: 'a' }));
  await counted('long', 's_dropped_total', 3, 'reason="too_long"');
  await ask('/long', head + chunked([most.slice(1), 'z']));
  assert.equal((await copies.next()).body.length, most.length);
  await ask('/long', requestOf('POST', '/long', { body: most }));
  assert.equal((await copies.next()).body === most, true);
  await ask('/none', get('/none'));
  await canaryOf('long').whenSeen('GET /none');
  await counted('long', 's_total', 3);
});

test('what is a copy, asks for a WebSocket or does not come whole is not copied', async (t) => {
  const copies = new Copies(canaryOf('odd'), '/odd');
  const { origin } = scene();
  assert.equal((await scene().ask(t, get('/odd', { 'X-Holdfast-Mirror': '1' }))).status, 200);
  const socket = await scene().connect(t);
  socket.send(handshake('/odd'));
  assert.equal((await readResponse(socket)).status, 200);
  const gone = await scene().connect(t);
  const seen = origin.seen.length;
  origin.on('/odd', async (request) => {
    await request.content();
    request.reply({});
  });
  gone.send(requestOf('POST', '/odd', { body: 'x'.repeat(20_000) }).slice(0, -1));
  await origin.whenSeen('POST /odd');
  assert.equal(origin.seen.length, seen + 1);
  gone.reset();
  await scene().gateway.adminUntil('/metrics?scope=http', ({ text }) =>
    text.includes('holdfast_http_ends_total{listener="web",flag="client-abort"} 1\n'),
  );
  assert.equal((await scene().ask(t, requestOf('PUT', '/odd'))).status, 200);
  await copies.next();
  assert.deepEqual(canaryOf('odd').seen, ['PUT /odd']);
});

test('a client waits for no copy, and a copy for no client', async (t) => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<OriginRequest>();
  canaryOf('slow').on('/slow', (request) => ask(request));
  const client = await scene().connect(t);
  client.send(get('/slow'));
  assert.equal((await readResponse(client)).status, 200);
  client.reset();
  const request = await asked;
  await counted('slow', '_failures_total', 1);
  assert.match(await request.stream.ended(), /^(fin|ECONNRESET)$/);
  await counted('slow', 's_active', 0);
});

test('an endpoint that refuses, breaks off or speaks nonsense is counted', async (t) => {
  assert.equal((await scene().ask(t, get('/refusing'))).status, 200);
  await counted('refusing', '_failures_total', 1);
  const answers = [
    (request: OriginRequest) => request.stream.reset(),
    (request: OriginRequest) => request.send('hello\r\n\r\n'),
    (request: OriginRequest) => request.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut'),
    (request: OriginRequest) => request.send(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(70_000)}`),
    (request: OriginRequest) => request.reply({ status: 503 }),
  ];
  for (const answer of answers) {
    canaryOf('bad').on('/bad', (request) => {
      answer(request);
      request.stream.finish();
    });
    const before = (await scene().gateway.counted('/metrics?scope=http')).text;
    assert.equal((await scene().ask(t, requestOf('POST', '/bad'))).status, 200);
    await counted('bad', 's_total', countIn(before, 'bad', 's_total') + 1);
    await counted('bad', 's_active', 0);
  }
  await counted('bad', '_failures_total', 2);
  await counted('bad', '_responses_total', 2, 'code_class="2xx"');
  await counted('bad', '_responses_total', 1, 'code_class="5xx"');
});

test('an answer without end is cut off', async (t) => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<OriginRequest>();
  canaryOf('huge').on('/huge', (request) => {
    request.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
    request.send('x'.repeat(2 * 1024 * 1024));
    ask(request);
  });
  assert.equal((await scene().ask(t, get('/huge'))).status, 200);
  await (await asked).stream.closed();
  await counted('huge', '_responses_total', 1, 'code_class="2xx"');
  await counted('huge', 's_active', 0);
});

test('limits of the cluster hold for copies, and for nobody else', async (t) => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<OriginRequest>();
  canaryOf('limited').on('/limited', (request) => ask(request));
  for (let i = 0; i < 3; i++) assert.equal((await scene().ask(t, get('/limited'))).status, 200);
  await counted('limited', 's_dropped_total', 2, 'reason="over_limit"');
  (await asked).reply({});
  await counted('limited', '_responses_total', 1, 'code_class="2xx"');
});

test('outcomes of copies eject endpoints', async (t) => {
  canaryOf('ejected').on('/ejected', (request) => request.reply({ status: 500 }));
  for (let i = 1; i <= 2; i++) {
    assert.equal((await scene().ask(t, get('/ejected'))).status, 200);
    await counted('ejected', '_responses_total', i, 'code_class="5xx"');
  }
  const { text } = await scene().gateway.counted('/metrics');
  assert.match(
    text,
    /upstream_ejections_by_errors_total\{cluster="ejected",endpoint="[^"]*"\} 1\n/,
  );
});

test('a request that is tried again is copied once', async (t) => {
  const { origin } = scene();
  let tries = 0;
  origin.on('/retried', (request) => request.reply({ status: ++tries === 1 ? 503 : 200 }));
  const canary = canaryOf('plain');
  assert.equal((await scene().ask(t, get('/retried'))).status, 200);
  assert.equal(tries, 2);
  await canary.whenSeen('GET /retried');
  assert.equal((await scene().ask(t, get('/twice?last'))).status, 200);
  await canary.whenSeen('GET /twice?last');
  assert.equal(canary.seen.filter((line) => line === 'GET /retried').length, 1);
});

async function startOne(t: TestContext, canary: HttpOrigin, more: object = {}): Promise<HttpScene> {
  return HttpScene.start(t, {
    web: { filters: [mirror('canary')] },
    clusters: [{ name: 'canary', endpoints: [canary.address], ...more }],
  });
}

test('at the memory cap no copy is made', async (t) => {
  const canary = await HttpOrigin.start(t, 'canary');
  const started = await HttpScene.start(t, {
    web: { filters: [mirror('canary', { contentMax: '1MiB' })] },
    clusters: [{ name: 'canary', endpoints: [canary.address] }],
    limits: { memoryPerShard: '256KiB' },
  });
  const body = 'm'.repeat(600 * 1024);
  const client = await started.connect(t);
  client.send(requestOf('POST', '/', { body }));
  assert.equal(seenIn(await readResponse(client)).body.length, body.length);
  await started.gateway.adminUntil(
    '/metrics?scope=http',
    ({ text }) => countIn(text, 'canary', 's_dropped_total', 'reason="no_memory"') === 1,
  );
  client.send(get('/small'));
  assert.equal((await readResponse(client)).status, 200);
  await canary.whenSeen('GET /small');
  assert.deepEqual(canary.seen, ['GET /small']);
});

test('a reload without the cluster lets its copies end', async (t) => {
  const canary = await HttpOrigin.start(t, 'canary');
  const started = await startOne(t, canary);
  const { promise: asked, resolve: ask } = Promise.withResolvers<OriginRequest>();
  canary.on('/', (request) => ask(request));
  const client = await started.connect(t);
  client.send(get());
  assert.equal((await readResponse(client)).status, 200);
  const request = await asked;
  const late = await started.connect(t);
  late.send(requestOf('POST', '/late', { body: 'ab' }).slice(0, -1));
  await started.origin.whenSeen('POST /late');
  await started.reload({ web: { filters: [] }, clusters: [] });
  late.send('b');
  assert.equal(seenIn(await readResponse(late)).body, 'ab');
  request.reply({});
  assert.match(await request.stream.ended(), /^(fin|ECONNRESET)$/);
  client.send(get());
  assert.equal((await readResponse(client)).status, 200);
  client.reset();
  late.reset();
  assert.deepEqual(canary.seen, ['GET /']);
  await started.expectNothingLeft();
});

test('a drain ends copies', async (t) => {
  const canary = await HttpOrigin.start(t, 'canary');
  const started = await startOne(t, canary);
  const { promise: asked, resolve: ask } = Promise.withResolvers<OriginRequest>();
  canary.on('/', (request) => ask(request));
  const client = await started.connect(t);
  client.send(get());
  assert.equal((await readResponse(client)).status, 200);
  const request = await asked;
  await started.gateway.admin('POST', '/v1/drain');
  assert.match(await request.stream.ended(), /^(fin|ECONNRESET)$/);
});

test('a cluster with TLS gets its copies through it', async (t) => {
  const directory = makeDirectory(t);
  const root = Authority.root('Root of canaries', 'ec');
  const pair = root.issue({ name: 'canary.example', altNames: ['canary.example'], kind: 'ec' });
  writePair(directory, 'canary', pair);
  const bodies: Promise<string>[] = [];
  const { promise: second, resolve } = Promise.withResolvers<void>();
  const secure = createServer({ cert: pair.cert, key: pair.key }, (request, response) => {
    bodies.push(
      request
        .setEncoding('latin1')
        .toArray()
        .then((parts) => parts.join('')),
    );
    response.end('for nobody');
    if (bodies.length === 2) resolve();
  });
  secure.listen(0, '127.0.0.1');
  await once(secure, 'listening');
  t.after(() => {
    secure.closeAllConnections();
    secure.close();
  });
  const bound = secure.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const tls = { ca: writeText(directory, 'ca.pem', root.cert), serverName: 'canary.example' };
  const started = await HttpScene.start(t, {
    web: { filters: [mirror('canary')] },
    clusters: [{ name: 'canary', endpoints: [`127.0.0.1:${port}`], tls }],
  });
  const body = 'secret'.repeat(5_000);
  for (const text of [get(), requestOf('POST', '/', { body })]) {
    assert.equal((await started.ask(t, text)).status, 200);
  }
  await second;
  const [, got] = await Promise.all(bodies);
  assert.equal(got === body, true);
});
