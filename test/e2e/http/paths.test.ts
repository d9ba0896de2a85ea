/**
 * Paths that two programs could read in two ways (threats row C11).
 *
 * Path: a route for /admin that answers by itself, one for everything else; whatever a client
 * writes, the origin shows what it was sent.
 * Invariant under test: the path that is forwarded is the path that was routed by: sent once more,
 * it takes the same route and is forwarded unchanged; no spelling of /admin reaches the origin.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Dice } from '../tcp/pattern.ts';
import { seenIn } from './http-origin.ts';
import { get, HttpScene, shareHttp } from './http-scene.ts';
import { readResponse } from './message.ts';

/** As written, and as forwarded; null: it is the admin's, or refused. */
const WRITTEN: readonly (readonly [string, string | null])[] = [
  ['/', '/'],
  ['/a/./b', '/a/b'],
  ['/a/../b', '/b'],
  ['/a/b/..', '/a/'],
  ['/a//b', '/a/b'],
  ['/a/%2e%2e/b', '/b'],
  ['/a/%2E/b', '/a/b'],
  ['/%61b', '/ab'],
  ['/caf%c3%a9', '/caf%C3%A9'],
  ['/a;v=1/b', '/a;v=1/b'],
  ['/a?x=/../admin', '/a?x=/../admin'],
  ['/a%20b', '/a%20b'],
  ['/admin', null],
  ['/admin/', null],
  ['/admin?x', null],
  ['//admin', null],
  ['/./admin', null],
  ['/x/../admin', null],
  ['/%61dmin', null],
  ['/admi%6E/users', null],
  ['/x/%2e%2e/admin', null],
  ['/admin;v=1', null],
  ['/admin;v=1/users', null],
  ['/..;/admin', null],
  ['/x/..;/admin', null],
  ['/.;/admin', null],
  ['/%2fadmin', null],
  ['/%2Fadmin', null],
  ['/x%2f..%2fadmin', null],
  ['/x/..%2fadmin', null],
  ['/%5cadmin', null],
  ['/x%5c..%5cadmin', null],
  ['/\\admin', null],
  ['/x\\..\\admin', null],
  ['/admin%00', null],
  ['/%00/admin', null],
  ['/../admin', null],
  ['/..', null],
  ['/%c0%ae%c0%ae/admin', null],
  ['/x/%c0%af../admin', null],
  ['/%e0%80%af/admin', null],
  ['/%', null],
  ['/%zz', null],
  ['/a#b', null],
  ['http://a.example/admin', null],
  ['http://a.example//admin', null],
  ['http://a.example/x/../admin', null],
  ['http://a.example', '/'],
  ['http://a.example?x=y', '/?x=y'],
  ['http://a.example/b', '/b'],
  ['http://user@a.example/b', null],
  ['http://a.example,b.example/b', null],
  ['http://b.example/b', null],
  ['ftp//admin', null],
  ['admin', null],
];

const PIECES = ['/', '..', '.', '%2e', '%2f', '%5c', ';', ';a=1', '%61', 'admin', 'x', '%00', '//'];
const RANDOM_PATHS = 600;

describe('paths', () => {
  const shared = shareHttp(() => ({
    isRouted: true,
    http: {
      limits: { requests: 2_000 },
      hosts: [
        {
          routes: [
            { match: { path: '/admin' }, respond: { status: 403, body: 'admin' } },
            { match: { path: '/' }, cluster: 'app' },
          ],
        },
      ],
    },
  }));

  for (const [written, forwarded] of WRITTEN) {
    test(`${written} ${forwarded === null ? 'stays here' : `is ${forwarded}`}`, async (t) => {
      const response = await shared.scene().ask(t, get(written));
      if (forwarded === null) {
        assert.ok(response.status === 403 || response.status === 400, response.startLine);
      } else {
        assert.equal(seenIn(response).target, forwarded);
      }
    });
  }

  test('what is forwarded is a fixed point, and never the admin’s', async (t) => {
    const scene = shared.scene();
    const dice = new Dice(11);
    let passed = 0;
    for (let i = 0; i < RANDOM_PATHS; i++) {
      let path = '/';
      for (let pieces = 1 + dice.below(7); pieces > 0; pieces--) {
        path += PIECES[dice.below(PIECES.length)];
      }
      const first = await scene.ask(t, get(path));
      if (first.status !== 200) {
        assert.ok(first.status === 403 || first.status === 400, `${path}: ${first.startLine}`);
        continue;
      }
      passed++;
      const { target } = seenIn(first);
      const segments = decodeURIComponent(target)
        .split('/')
        .map((segment) => segment.split(';')[0]);
      assert.ok(segments[1] !== 'admin' && !segments.includes('..'), `${path} became ${target}`);
      const again = await scene.ask(t, get(target));
      assert.equal(seenIn(again).target, target, path);
    }
    assert.ok(passed > RANDOM_PATHS / 20, `${passed} passed`);
  });

  test('* is for OPTIONS only', async (t) => {
    const scene = shared.scene();
    const asked = await scene.ask(t, 'OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n');
    assert.ok(asked.status === 200 || asked.status === 404, asked.startLine);
    assert.equal((await scene.ask(t, get('*'))).status, 400);
  });
});

test('slashes stay where the listener says so', async (t) => {
  const scene = await HttpScene.start(t, {
    http: { paths: { mergeSlashes: false, escapedSlashes: 'keep' } },
  });
  const client = await scene.connect(t);
  for (const [written, forwarded] of [
    ['/a//b', '/a//b'],
    ['/a%2fb', '/a%2Fb'],
    ['/a/../b', '/b'],
  ] as const) {
    client.send(get(written));
    assert.equal(seenIn(await readResponse(client)).target, forwarded);
  }
  client.send(get('/a%5cb'));
  assert.equal((await readResponse(client)).status, 400);
});
