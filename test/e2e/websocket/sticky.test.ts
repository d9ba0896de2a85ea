/**
 * WebSockets that come back to the same endpoint: by cookie, header, query.
 *
 * Path: four endpoints behind a hash, clients that connect again and again.
 * Invariant under test: the same key reaches the same endpoint, on every shard; who has no cookie
 * gets one with the 101, once, and comes back with it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { HttpOrigin } from '../http/http-origin.ts';
import { shareHttp } from '../http/http-scene.ts';
import { type Response, readResponse, valueOf, valuesOf } from '../http/message.ts';
import { type FieldChanges, handshake, switching } from './ws-scene.ts';

const ENDPOINTS = 4;

describe('sticky WebSockets', () => {
  const shared = shareHttp(async (owner) => {
    const origins = await Promise.all(
      Array.from({ length: ENDPOINTS }, (_, i) => HttpOrigin.start(owner, `origin-${i}`)),
    );
    for (const [i, origin] of origins.entries()) {
      for (const path of ['/cookie', '/header', '/query']) {
        origin.on(path, async (request) => {
          const key = valueOf(request.head, 'sec-websocket-key') ?? '';
          request.send(switching(key, { 'X-Endpoint': `${i}` }));
          await request.stream.ended();
          request.stream.finish();
        });
      }
    }
    const route = (name: string, hash: object): object => ({
      match: { path: `/${name}` },
      cluster: 'hashed',
      websocket: true,
      hash,
    });
    return {
      isRouted: true,
      shards: 2,
      http: {
        hosts: [
          {
            routes: [
              route('cookie', { cookie: 'sid', ttl: '1h', path: '/' }),
              route('header', { header: 'x-user' }),
              route('query', { query: 'user' }),
            ],
          },
        ],
      },
      clusters: [
        {
          name: 'hashed',
          balance: 'maglev',
          endpoints: origins.map(({ address }) => address),
        },
      ],
    };
  });

  async function open(t: Owner, target: string, fields: FieldChanges = {}): Promise<Response> {
    const client = await shared.scene().connect(t);
    client.send(handshake(target, fields));
    const response = await readResponse(client);
    assert.equal(response.status, 101);
    client.socket.destroy();
    return response;
  }

  test('a header and a query parameter choose the endpoint', async (t) => {
    const chosen = new Set<string | undefined>();
    for (let user = 0; user < 30; user++) {
      const first = valueOf(await open(t, '/header', { 'X-User': `u${user}` }), 'x-endpoint');
      chosen.add(first);
      for (let i = 0; i < 3; i++) {
        const again = await open(t, '/header', { 'X-User': `u${user}` });
        assert.equal(valueOf(again, 'x-endpoint'), first);
      }
      const query = valueOf(await open(t, `/query?a=b&user=u${user}`), 'x-endpoint');
      assert.equal(valueOf(await open(t, `/query?user=u${user}&c`), 'x-endpoint'), query);
    }
    assert.equal(chosen.size, ENDPOINTS);
  });

  test('who has no cookie gets one, and comes back with it', async (t) => {
    const given = new Set<string>();
    const chosen = new Set<string | undefined>();
    for (let i = 0; i < 30; i++) {
      const response = await open(t, '/cookie');
      const [cookie = '', ...more] = valuesOf(response, 'set-cookie');
      assert.equal(more.length, 0);
      const match = /^sid=([^;]+);.*/.exec(cookie);
      assert.ok(match !== null, cookie);
      assert.match(cookie, /Max-Age=3600/i);
      assert.match(cookie, /Path=\//i);
      assert.match(cookie, /HttpOnly/i);
      const value = match[1] ?? '';
      given.add(value);
      const endpoint = valueOf(response, 'x-endpoint');
      chosen.add(endpoint);
      for (let again = 0; again < 3; again++) {
        const back = await open(t, '/cookie', { Cookie: `other=1; sid=${value}` });
        assert.equal(valueOf(back, 'x-endpoint'), endpoint);
        assert.deepEqual(valuesOf(back, 'set-cookie'), []);
      }
    }
    assert.equal(given.size, 30);
    assert.equal(chosen.size, ENDPOINTS);
  });
});
