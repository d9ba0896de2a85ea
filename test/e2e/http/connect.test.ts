/**
 * Requests to endpoints that do not let anybody connect.
 *
 * Path: endpoints whose queue of connections is full, so that a connect is under way for as long
 * as it may.
 * Invariant under test: the deadlines of a request count while it connects; which of them ended it
 * is what status and record say.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { RawPeer } from '../tcp/raw-peer.ts';
import { HttpOrigin, seenIn } from './http-origin.ts';
import { get, HttpScene, requestOf } from './http-scene.ts';
import { readResponse } from './message.ts';

/** The routes of one scene: a path, and when its requests have had their time. */
const ROUTES = {
  '/request': { request: '1s', perTry: 'off' },
  '/per-try': { request: '20s', perTry: '1s' },
  '/long': { request: '20s', perTry: 'off' },
};

/** A scene whose cluster `full` has an endpoint that nobody can connect to. */
async function start(owner: Owner, connect: string): Promise<HttpScene> {
  const peer = RawPeer.start(owner);
  const { port } = await peer.listen('full', { backlog: 0 });
  await peer.fillBacklog('full');
  const routes = Object.entries(ROUTES).map(([path, timeouts]) => ({
    match: { path },
    cluster: 'full',
    retry: 'off',
    timeouts: Object.fromEntries(Object.entries(timeouts).filter(([, value]) => value !== 'off')),
  }));
  return HttpScene.start(owner, {
    isRouted: true,
    http: { hosts: [{ routes: [...routes, { match: { path: '/' }, cluster: 'app' }] }] },
    clusters: [
      {
        name: 'full',
        endpoints: [`127.0.0.1:${port}`],
        connect: { timeout: connect, retries: 0 },
        ejection: { afterFailures: 'off' },
      },
    ],
  });
}

describe('connects that take too long', () => {
  for (const [path, connect, flags] of [
    ['/request', '20s', 'request-timeout'],
    ['/per-try', '20s', 'per-try-timeout'],
    ['/long', '1s', 'connect-timeout'],
  ] as const) {
    test(`${path} with a connect of ${connect}: ${flags}`, async (t) => {
      const scene = await start(t, connect);
      const client = await scene.connect(t);
      client.send(requestOf('POST', path, { body: 'x' }));
      const response = await readResponse(client);
      assert.equal(response.status, 504);
      const record = await scene.gateway.accessed((each) => each['path'] === path);
      assert.equal(record['flags'], flags);
      assert.equal(record['attempts'], 1);
      assert.equal(record['connectMicros'], 0);
      // The connection of the client is as good as before.
      client.send(get('/after'));
      assert.equal(seenIn(await readResponse(client)).target, '/after');
    });
  }

  test('a try that is over before it is connected is made again elsewhere', async (t) => {
    const peer = RawPeer.start(t);
    const { port } = await peer.listen('full', { backlog: 0 });
    await peer.fillBacklog('full');
    const other = await HttpOrigin.start(t, 'other');
    const route = { match: { path: '/' }, cluster: 'pair', timeouts: { perTry: '1s' } };
    const scene = await HttpScene.start(t, {
      isRouted: true,
      http: { hosts: [{ routes: [route] }] },
      clusters: [
        {
          name: 'pair',
          endpoints: [{ address: `127.0.0.1:${port}`, weight: 100 }, other.address],
          connect: { timeout: '20s', retries: 1 },
        },
      ],
    });
    const client = await scene.connect(t);
    client.send(requestOf('POST', '/once', { body: 'x' }));
    assert.equal(seenIn(await readResponse(client)).origin, 'other');
    assert.deepEqual(other.seen, ['POST /once']);
  });
});
