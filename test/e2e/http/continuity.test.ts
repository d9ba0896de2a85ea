/**
 * Drains and reloads while requests flow.
 *
 * Path: clients that never stop asking, a gateway that is told to drain or gets new routes.
 * Invariant under test: no request that was sent on an open connection stays without its response,
 * unless the gateway said Connection: close before; a reload closes nothing and what is under way
 * ends with the routes it began with.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ByteStream } from './byte-stream.ts';
import { HttpOrigin, seenIn } from './http-origin.ts';
import { get, HttpScene } from './http-scene.ts';
import { readResponse, valueOf } from './message.ts';

const CLIENTS = 20;

/** Asks one request after another until it is told Connection: close, or ends. */
async function askOn(client: ByteStream, isOver: () => boolean): Promise<string> {
  for (let i = 0; !isOver(); i++) {
    client.send(get(`/flow/${i}`));
    const response = await readResponse(client);
    assert.equal(seenIn(response).target, `/flow/${i}`);
    if (valueOf(response, 'connection') === 'close') {
      assert.equal(await client.endedInSilence(), 'fin');
      client.finish();
      return 'told';
    }
    if (client.end !== null) {
      return 'not told';
    }
  }
  return 'over';
}

describe('drain', () => {
  test('clients are told with a response, and no request is lost', async (t) => {
    const scene = await HttpScene.start(t, {
      shards: 2,
      drain: { readinessDelay: '0s', over: '500ms', grace: '10s' },
    });
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => scene.connect(t)));
    const flows = clients.map((client) => askOn(client, () => false));
    await scene.origin.whenSeen('GET /flow/5');
    scene.gateway.signal('SIGTERM');
    assert.deepEqual(new Set(await Promise.all(flows)), new Set(['told']));
    assert.deepEqual(await scene.gateway.exited, { code: 0, signal: null });
  });

  test('clients that are silent are closed with FIN', async (t) => {
    const scene = await HttpScene.start(t, {
      drain: { readinessDelay: '0s', over: '100ms', grace: '10s' },
    });
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => scene.connect(t)));
    for (const client of clients) {
      client.send(get());
      await readResponse(client);
    }
    scene.gateway.signal('SIGTERM');
    for (const client of clients) {
      assert.equal(await client.endedInSilence(), 'fin');
      client.finish();
    }
    assert.deepEqual(await scene.gateway.exited, { code: 0, signal: null });
  });

  test('what is under way is finished first', async (t) => {
    const scene = await HttpScene.start(t, {
      drain: { readinessDelay: '0s', over: '0s', grace: '20s' },
    });
    const asked = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    scene.origin.on('/long', async (request) => {
      asked.resolve();
      await over.promise;
      request.reply({ body: 'finished' });
    });
    const client = await scene.connect(t);
    client.send(get('/long'));
    await asked.promise;
    const idle = await scene.connect(t);
    idle.send(get());
    await readResponse(idle);
    scene.gateway.signal('SIGTERM');
    // Listening ends before the shard hears of the drain; who is idle goes when it has.
    assert.equal(await idle.endedInSilence(), 'fin');
    idle.finish();
    over.resolve();
    const response = await readResponse(client);
    assert.equal(response.text, 'finished');
    assert.equal(valueOf(response, 'connection'), 'close');
    assert.equal(await client.ended(), 'fin');
    client.finish();
    assert.deepEqual(await scene.gateway.exited, { code: 0, signal: null });
  });
});

describe('reload', () => {
  test('requests flow through forty reloads of routes; none is lost', async (t) => {
    const other = await HttpOrigin.start(t, 'other');
    const clusters = [{ name: 'other', endpoints: [other.address] }];
    const setupOf = (cluster: string, i: number): object => ({
      hosts: [
        {
          routes: [
            { match: { path: '/' }, cluster },
            { match: { path: `/unused-${i}` }, respond: { status: 403 } },
          ],
        },
      ],
    });
    const scene = await HttpScene.start(t, {
      isRouted: true,
      shards: 2,
      clusters,
      http: setupOf('app', 0),
    });
    let isOver = false;
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => scene.connect(t)));
    const flows = clients.map((client) => askOn(client, () => isOver));
    const served = new Set<string>();
    for (let i = 1; i <= 40; i++) {
      await scene.reload({ http: setupOf(i % 2 === 0 ? 'app' : 'other', i) });
      served.add(seenIn(await scene.ask(t, get('/probe'))).origin);
    }
    isOver = true;
    const ends = await Promise.all(flows);
    // The limit of requests of one connection is the only reason to be told.
    assert.ok(
      ends.every((end) => end === 'over' || end === 'told'),
      ends.join(),
    );
    assert.deepEqual([...served].sort(), ['app', 'other']);
  });

  test('an exchange keeps the route it began with', async (t) => {
    const routes = (value: string): object => ({
      hosts: [
        {
          routes: [
            { match: { path: '/' }, cluster: 'app', responseHeaders: { set: { 'x-v': value } } },
          ],
        },
      ],
    });
    const scene = await HttpScene.start(t, { isRouted: true, http: routes('old') });
    const asked = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    scene.origin.on('/held', async (request) => {
      asked.resolve();
      await over.promise;
      request.reply({ body: 'held' });
    });
    const client = await scene.connect(t);
    client.send(get('/held'));
    await asked.promise;
    await scene.reload({ http: routes('new') });
    over.resolve();
    assert.equal(valueOf(await readResponse(client), 'x-v'), 'old');
    client.send(get('/next'));
    assert.equal(valueOf(await readResponse(client), 'x-v'), 'new');
  });

  test('a route that goes away is 404 for the next request, on the same connection', async (t) => {
    const routes = (path: string): object => ({
      hosts: [{ routes: [{ match: { path }, cluster: 'app' }] }],
    });
    const scene = await HttpScene.start(t, { isRouted: true, http: routes('/one') });
    const client = await scene.connect(t);
    client.send(get('/one'));
    assert.equal((await readResponse(client)).status, 200);
    await scene.reload({ http: routes('/two') });
    client.send(get('/one'));
    assert.equal((await readResponse(client)).status, 404);
    client.send(get('/two'));
    assert.equal((await readResponse(client)).status, 200);
  });
});
