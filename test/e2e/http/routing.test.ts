/**
 * Which route a request takes, and what routes do besides sending it on.
 *
 * Path: one listener with many hosts and routes; three origins that say their names.
 * Invariant under test: hosts, paths, methods, fields and query decide as src/http/README.md of the
 * core says; redirects, own responses and rewrites are what the configuration says, with variables.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HttpOrigin, seenIn } from './http-origin.ts';
import { get, HttpScene, requestOf, shareHttp } from './http-scene.ts';
import { readResponse, valueOf } from './message.ts';

const HOSTS = [
  {
    names: ['chat.example', '*.chat.example'],
    routes: [
      { match: { path: { exact: '/rooms' } }, cluster: 'two' },
      { match: { path: '/rooms' }, cluster: 'three' },
      { match: { path: { regex: '/users/[0-9]+' } }, cluster: 'two' },
      { match: { path: '/users', methods: ['POST', 'PUT'] }, cluster: 'three' },
      { match: { path: '/' }, cluster: 'app' },
    ],
  },
  {
    names: 'fields.example',
    routes: [
      { match: { headers: [{ name: 'x-env', exact: 'canary' }] }, cluster: 'two' },
      { match: { headers: [{ name: 'x-env', prefix: 'test-' }] }, cluster: 'three' },
      { match: { query: [{ name: 'v', exact: '2' }] }, cluster: 'two' },
      {
        match: {
          path: '/secret',
          headers: [{ name: 'authorization', present: true, invert: true }],
        },
        respond: { status: 401, body: 'who are you?', contentType: 'text/plain' },
      },
      { match: { path: '/' }, cluster: 'app' },
    ],
  },
  {
    names: 'listed.example',
    order: 'listed',
    routes: [
      { match: { path: '/' }, cluster: 'app' },
      { match: { path: { exact: '/never' } }, cluster: 'two' },
    ],
  },
  {
    names: 'split.example',
    routes: [
      {
        match: { path: '/' },
        split: [
          { cluster: 'two', weight: 3 },
          { cluster: 'three', weight: 1 },
        ],
      },
    ],
  },
  {
    names: 'acts.example',
    routes: [
      {
        match: { path: '/old' },
        redirect: { to: 'https://%{host}%{target}', status: 308 },
      },
      { match: { path: '/found' }, redirect: { to: '/else%{path}', status: 302 } },
      { match: { path: '/gone' }, respond: { status: 410 } },
      { match: { path: '/api' }, rewrite: { prefix: '/v2' }, cluster: 'app' },
      {
        match: { path: { regex: '/item/([0-9]+)/(.*)' } },
        rewrite: { regex: '/item/([0-9]+)/', to: '/i-\\1/' },
        cluster: 'app',
      },
      { match: { path: '/inside' }, host: 'app.internal', cluster: 'app' },
    ],
  },
  { names: 'only.example', routes: [{ match: { path: '/only' }, cluster: 'app' }] },
];

/** Host, method and target, and who answers; a number is a status. */
const TAKEN: readonly (readonly [string, string, string | number])[] = [
  ['chat.example', 'GET /rooms', 'two'],
  ['CHAT.example.', 'GET /rooms', 'two'],
  ['chat.example:8080', 'GET /rooms', 'two'],
  ['a.chat.example', 'GET /rooms', 'two'],
  ['a.b.chat.example', 'GET /rooms/', 'three'],
  ['chat.example', 'GET /rooms/7?x=y', 'three'],
  ['chat.example', 'GET /roomsx', 'app'],
  ['chat.example', 'GET /users/12', 'two'],
  ['chat.example', 'GET /users/12a', 'app'],
  ['chat.example', 'POST /users/12', 'two'],
  ['chat.example', 'PUT /users', 'three'],
  ['chat.example', 'GET /users', 'app'],
  ['chat.example', 'GET /r%6foms', 'two'],
  ['chat.example', 'GET //rooms', 'two'],
  ['chat.example', 'GET /x/../rooms', 'two'],
  ['chat.example', 'GET http://chat.example/rooms', 'two'],
  ['xchat.example', 'GET /rooms', 404],
  ['fields.example', 'GET /x', 'app'],
  ['fields.example', 'GET /x?v=2', 'two'],
  ['fields.example', 'GET /x?w=1&v=2', 'two'],
  ['fields.example', 'GET /x?v=22', 'app'],
  ['fields.example', 'GET /secret', 401],
  ['listed.example', 'GET /never', 'app'],
  ['only.example', 'GET /only/this', 'app'],
  ['only.example', 'GET /other', 404],
  ['nobody.example', 'GET /', 404],
];

describe('routes', () => {
  const shared = shareHttp(async (owner) => {
    const [two, three] = await Promise.all([
      HttpOrigin.start(owner, 'two'),
      HttpOrigin.start(owner, 'three'),
    ]);
    return {
      isRouted: true,
      http: { hosts: HOSTS },
      // Nothing of the other origins is kept, so that the shared scene can end with the first.
      clusters: [
        { name: 'two', endpoints: [two.address], http: { keepAlive: { connections: 0 } } },
        { name: 'three', endpoints: [three.address], http: { keepAlive: { connections: 0 } } },
      ],
    };
  });

  for (const [host, line, who] of TAKEN) {
    test(`${line} of ${host}: ${who}`, async (t) => {
      const request = `${line} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
      const response = await shared.scene().ask(t, request);
      if (typeof who === 'number') {
        assert.equal(response.status, who);
        return;
      }
      const seen = seenIn(response);
      assert.equal(seen.origin, who);
    });
  }

  test('fields decide, in any case of their names', async (t) => {
    const scene = shared.scene();
    const ask = async (fields: Record<string, string>): Promise<string> =>
      seenIn(await scene.ask(t, get('/x', { Host: 'fields.example', ...fields }))).origin;
    assert.equal(await ask({ 'X-Env': 'canary' }), 'two');
    assert.equal(await ask({ 'x-env': 'canary2' }), 'app');
    assert.equal(await ask({ 'X-ENV': 'test-7' }), 'three');
    const told = get('/secret', { Host: 'fields.example', Authorization: 'Basic eDp5' });
    assert.equal(seenIn(await scene.ask(t, told)).target, '/secret');
  });

  test('splits follow their weights', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    const counts = { two: 0, three: 0 };
    for (let i = 0; i < 400; i++) {
      client.send(get('/', { Host: 'split.example' }));
      const { origin } = seenIn(await readResponse(client));
      counts[origin as 'two' | 'three']++;
    }
    // Expected are 100 of 400 with a standard deviation below 9: ten of them are no accident.
    assert.ok(counts.three > 15 && counts.three < 185, JSON.stringify(counts));
  });

  test('redirects say where, with variables, and keep the connection', async (t) => {
    const client = await shared.scene().connect(t);
    client.send(get('/old/page?a=b', { Host: 'acts.example' }));
    const moved = await readResponse(client);
    assert.equal(moved.status, 308);
    assert.equal(valueOf(moved, 'location'), 'https://acts.example/old/page?a=b');
    client.send(get('/found?x', { Host: 'acts.example' }));
    const found = await readResponse(client);
    assert.equal(found.status, 302);
    assert.equal(valueOf(found, 'location'), '/else/found');
    client.send(requestOf('HEAD', '/old', { fields: { Host: 'acts.example' } }));
    assert.equal((await readResponse(client, 'HEAD')).status, 308);
  });

  test('what a client writes cannot end a line of Location', async (t) => {
    const response = await shared
      .scene()
      .ask(t, get('/old/%0d%0aSet-Cookie:%20a=b', { Host: 'acts.example' }));
    if (response.status === 308) {
      assert.equal(valueOf(response, 'set-cookie'), undefined);
      assert.match(valueOf(response, 'location') ?? '', /%0D%0A/i);
    } else {
      assert.equal(response.status, 400);
    }
  });

  test('own responses have their status, content and type', async (t) => {
    const scene = shared.scene();
    const who = await scene.ask(t, get('/secret', { Host: 'fields.example' }));
    assert.equal(who.status, 401);
    assert.equal(who.text, 'who are you?');
    assert.equal(valueOf(who, 'content-type'), 'text/plain');
    const gone = await scene.ask(t, get('/gone', { Host: 'acts.example' }));
    assert.equal(gone.status, 410);
    const head = requestOf('HEAD', '/secret', { fields: { Host: 'fields.example' } });
    const silent = await scene.ask(t, head);
    assert.equal(silent.status, 401);
    assert.equal(silent.framing, 'none');
  });

  test('paths and hosts are rewritten, the query stays', async (t) => {
    const scene = shared.scene();
    const ask = async (target: string): Promise<readonly [string, string | undefined]> => {
      const seen = seenIn(await scene.ask(t, get(target, { Host: 'acts.example' })));
      return [seen.target, valueOf(seen, 'host')];
    };
    assert.deepEqual(await ask('/api/x?y=z'), ['/v2/x?y=z', 'acts.example']);
    assert.deepEqual(await ask('/api'), ['/v2', 'acts.example']);
    assert.deepEqual(await ask('/item/77/more?q'), ['/i-77/more?q', 'acts.example']);
    assert.deepEqual(await ask('/inside'), ['/inside', 'app.internal']);
  });

  test('content behind a redirect and an own response is no request', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    const body = get('/smuggled', { Host: 'acts.example' });
    const fields = { Host: 'acts.example' };
    client.send(requestOf('POST', '/old', { fields, body }));
    const moved = await readResponse(client);
    assert.equal(moved.status, 308);
    if (valueOf(moved, 'connection') !== 'close') {
      client.send(get('/next', { Host: 'only.example' }));
      assert.equal((await readResponse(client)).status, 404);
    }
    assert.equal(scene.origin.seen.includes('GET /smuggled'), false);
  });
});

test('ten thousand routes find theirs', async (t) => {
  const routes = Array.from({ length: 10_000 }, (_, i) => ({
    match: { path: `/service-${i}` },
    rewrite: { prefix: `/r${i}` },
    cluster: 'app',
  }));
  const scene = await HttpScene.start(t, { isRouted: true, http: { hosts: [{ routes }] } });
  for (const i of [0, 1, 4_999, 9_998, 9_999]) {
    assert.equal(seenIn(await scene.ask(t, get(`/service-${i}/x`))).target, `/r${i}/x`);
  }
  assert.equal((await scene.ask(t, get('/service-10000'))).status, 404);
});
