/**
 * The built-in filters that ask, through a real gateway: tokens, an authorization service, a limit
 * over Redis.
 *
 * Path: client -> gateway, whose filters read a file, ask an HTTP service and Redis -> origin. What
 * the filters decide in all their cases is tested without sockets, in test/unit/filters/builtin.
 * Invariant under test: a configuration names them, what they set reaches the endpoint and routes
 * are sought by it, what a client forges does not, and a WebSocket is decided when it opens.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CLAIMS, NOW, PUBLIC_KEYS, tokenOf } from '../../unit/filters/builtin/issuer.ts';
import { openRedis } from '../../unit/filters/builtin/redis-stand-in.ts';
import { makeDirectory, type Owner } from '../harness.ts';
import { seenIn } from '../http/http-origin.ts';
import { get, HttpScene, type HttpSetup } from '../http/http-scene.ts';
import { readHead, statusOf, valueOf } from '../http/message.ts';
import { handshake, Sockets } from '../websocket/ws-scene.ts';

const JWT = {
  use: 'holdfast/jwt',
  with: {
    keys: { file: './keys.json' },
    algorithms: ['RS256', 'ES384'],
    token: ['authorization', { query: 'token' }],
    removeToken: true,
    claims: { 'x-user': 'sub', 'x-roles': 'roles' },
  },
};
const BURST = 3;

async function openService(owner: Owner) {
  const asked: string[] = [];
  const service = createServer((request, response) => {
    const uri = String(request.headers['x-forwarded-uri']);
    asked.push(uri);
    if (uri.endsWith('no')) {
      response.writeHead(302, { location: 'https://login.example/', 'x-secret': 's' });
      response.end('go and log in');
    } else if (uri.endsWith('broken')) {
      request.socket.destroy();
    } else {
      response.setHeader('x-user', 'ann').end();
    }
  });
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  owner.after(async () => {
    service.closeAllConnections();
    service.close();
    await once(service, 'close');
  });
  return { url: `http://127.0.0.1:${(service.address() as AddressInfo).port}/check`, asked };
}

let asked: readonly string[] = [];

async function makeSetup(owner: Owner): Promise<HttpSetup> {
  const directory = makeDirectory(owner);
  writeFileSync(join(directory, 'keys.json'), JSON.stringify({ keys: PUBLIC_KEYS }));
  const service = await openService(owner);
  ({ asked } = service);
  const redis = await openRedis();
  owner.after(() => redis[Symbol.asyncDispose]());
  const auth = {
    use: 'holdfast/ext-auth',
    with: { url: service.url, timeout: '5s', toRequest: ['x-user'] },
  };
  const limit = {
    use: 'holdfast/rate-limit-global',
    with: { redis: redis.url, name: 'e2e', rate: BURST, per: '1h', key: ['x-user'], timeout: '5s' },
  };
  const route = (path: string, filters: readonly object[], more: object = {}) => {
    return { name: path.slice(1), match: { path }, cluster: 'app', filters, ...more };
  };
  const editor = { name: 'x-roles', regex: '(.*,)?editor(,.*)?' };
  const editors = { use: 'holdfast/rbac', with: { rules: [{ when: { headers: [editor] } }] } };
  const admin = { name: 'admin', match: { headers: [{ name: 'x-user', exact: 'root' }] } };
  return {
    directory,
    isRouted: true,
    http: {
      hosts: [
        {
          routes: [
            route('/jwt', [JWT], { websocket: true }),
            route('/auth', [auth]),
            route('/limit', [limit]),
            route('/all', [JWT, limit]),
          ],
        },
      ],
    },
    listeners: [
      {
        name: 'guarded',
        bind: '127.0.0.1:0',
        protocol: 'http',
        filters: [JWT],
        http: {
          hosts: [
            {
              routes: [
                { ...admin, respond: { status: 200, body: 'admin' } },
                route('/editors', [editors]),
                { name: 'rest', cluster: 'app' },
              ],
            },
          ],
        },
      },
    ],
  };
}

// Not shareHttp: a thread of the pool keeps its descriptors for half a minute.
const cleaners: (() => void | Promise<void>)[] = [];
const owner: Owner = { after: (clean) => cleaners.unshift(clean) };
let scene: HttpScene;
before(async () => {
  scene = await HttpScene.start(owner, await makeSetup(owner));
});
after(async () => {
  for (const clean of cleaners) await clean();
});

function bearer(sub = 'ann', alg = 'RS256', roles: unknown = []): Record<string, string> {
  const kid = alg === 'RS256' ? 'r' : 'h';
  return { Authorization: `Bearer ${tokenOf({ alg, kid }, { ...CLAIMS, sub, roles })}` };
}

test('jwt: a token lets through, its claim reaches the endpoint, itself it does not', async (t) => {
  // ES384 is checked in the pool. Each is asked twice: the second time it is known.
  for (const alg of ['RS256', 'RS256', 'ES384', 'ES384']) {
    const fields = { ...bearer('ann', alg), 'X-User': 'root' };
    const seen = seenIn(await scene.ask(t, get('/jwt?a=1', fields)));
    assert.equal(valueOf(seen, 'x-user'), 'ann');
    assert.equal(valueOf(seen, 'authorization'), undefined);
    assert.equal(seen.target, '/jwt?a=1');
  }
  const { Authorization = '' } = bearer('bob');
  const target = `/jwt?a=1&token=${Authorization.slice(7)}&b`;
  assert.equal(seenIn(await scene.ask(t, get(target))).target, '/jwt?a=1&b');
});

test('jwt: without a token, or with a wrong one, the origin sees nothing', async (t) => {
  const before = scene.origin.seen.length;
  const late = tokenOf({ alg: 'RS256', kid: 'r' }, { ...CLAIMS, exp: NOW - 600 });
  const none = await scene.ask(t, get('/jwt', { 'X-User': 'ann' }));
  assert.deepEqual([none.status, valueOf(none, 'www-authenticate')], [401, 'Bearer']);
  const fields = { Authorization: `Bearer ${late}` };
  const wrong = await scene.ask(t, get('/jwt', fields));
  assert.equal(wrong.status, 401);
  assert.match(`${valueOf(wrong, 'www-authenticate')}`, /the token has expired/);
  assert.equal(scene.origin.seen.length, before);
});

test('jwt: a WebSocket opens with a token, and with none it does not', async (t) => {
  const sockets = new Sockets(scene.origin, '/jwt/ws');
  const joined = await sockets.join(t, scene, { text: handshake('/jwt/ws', bearer()) });
  assert.equal(valueOf(joined.request.head, 'x-user'), 'ann');
  joined.client.reset();
  const client = await scene.connect(t);
  client.send(handshake('/jwt/ws'));
  assert.equal(statusOf(await readHead(client)), 401);
});

test('jwt: on a listener, routes are sought by what the token says and nobody else', async (t) => {
  const ask = (fields: Record<string, string>) => scene.ask(t, get('/', fields), 'guarded');
  assert.equal((await ask(bearer('root'))).text, 'admin');
  const forged = seenIn(await ask({ ...bearer('ann'), 'X-User': 'root' }));
  assert.equal(valueOf(forged, 'x-user'), 'ann');
  assert.equal((await ask({ 'X-User': 'root' })).status, 401);
});

test('jwt: rbac on a route decides by what the token says, in no other way', async (t) => {
  const ask = async (roles: unknown, fields: Record<string, string> = {}) => {
    const all = { ...bearer('ann', 'RS256', roles), ...fields };
    return (await scene.ask(t, get('/editors', all), 'guarded')).status;
  };
  assert.equal(await ask(['reader', 'editor']), 200);
  assert.equal(await ask(['reader']), 403);
  assert.equal(await ask('reader,editor'), 403);
  assert.equal(await ask(['reader'], { 'X-Roles': 'editor' }), 403);
  assert.equal(await ask(undefined, { 'X-Roles': 'editor' }), 403);
});

test('ext-auth: the service says yes, no, or nothing', async (t) => {
  const yes = seenIn(await scene.ask(t, get('/auth/yes', { 'X-User': 'root' })));
  assert.equal(valueOf(yes, 'x-user'), 'ann');
  const no = await scene.ask(t, get('/auth/no'));
  assert.deepEqual([no.status, no.text], [302, 'go and log in']);
  assert.equal(valueOf(no, 'location'), 'https://login.example/');
  assert.equal(valueOf(no, 'x-secret'), undefined);
  assert.equal((await scene.ask(t, get('/auth/broken'))).status, 503);
  // A connection that ends without an answer may have been an old one: asked once more.
  assert.deepEqual([...new Set(asked)], ['/auth/yes', '/auth/no', '/auth/broken']);
  const told = await scene.gateway.logged(({ msg }) => msg.includes('does not decide'));
  assert.equal(told['filter'], 'ext-auth');
});

test('rate-limit-global: so many, then 429 with the time to wait', async (t) => {
  const ask = (fields: Record<string, string>) => scene.ask(t, get('/limit', fields));
  const answers = [];
  for (let index = 0; index <= BURST; index++) answers.push(await ask({ 'X-User': 'a' }));
  const statuses = answers.map(({ status }) => status);
  assert.deepEqual(statuses, [...Array.from({ length: BURST }, () => 200), 429]);
  const seconds = Number(valueOf(answers.at(-1) ?? { fields: [] }, 'retry-after'));
  assert.ok(seconds > 1100 && seconds <= 1200, `${seconds}`);
  assert.equal((await ask({ 'X-User': 'b' })).status, 200);
});

test('together: the limit counts by what the token says', async (t) => {
  const ask = (fields: Record<string, string>) => scene.ask(t, get('/all', fields));
  for (const name of ['one', 'two', 'three']) {
    assert.equal((await ask({ ...bearer('cid'), 'X-User': name })).status, 200);
  }
  assert.equal((await ask({ ...bearer('cid'), 'X-User': 'four' })).status, 429);
  assert.equal((await ask(bearer('dan'))).status, 200);
});

test('what a filter cannot have refuses the reload, and the last configuration stays', async (t) => {
  const directory = makeDirectory(t);
  writeFileSync(join(directory, 'keys.json'), JSON.stringify({ keys: PUBLIC_KEYS }));
  const own = await HttpScene.start(t, { directory, web: { filters: [JWT] } });
  assert.equal((await own.ask(t, get('/', bearer()))).status, 200);
  const withKeys = (keys: object) => {
    return { web: { filters: [{ ...JWT, with: { ...JWT.with, keys } }] } };
  };
  const rows: [object, RegExp][] = [
    [{ file: './nowhere.json' }, /keys cannot be read from .*nowhere\.json/],
    [{ file: './keys.json', refresh: 'often' }, /must be a duration from 10ms/],
    [{}, /must have either/],
  ];
  for (const [keys, message] of rows) {
    await assert.rejects(own.reload(withKeys(keys)), message);
    assert.equal((await own.ask(t, get('/', bearer()))).status, 200);
    assert.equal((await own.ask(t, get('/'))).status, 401);
  }
  await own.reload(withKeys({ file: './keys.json', refresh: '5m' }));
  assert.equal((await own.ask(t, get('/', bearer()))).status, 200);
});
