/**
 * Connections that carry more than one request, on both sides of the gateway.
 *
 * Path: one client after another and one origin whose connections are counted.
 * Invariant under test: connections are used again while both sides allow it, for as many requests
 * as the configuration says; a connection that the origin ended is never the reason for an error.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ByteStream } from './byte-stream.ts';
import { seenIn } from './http-origin.ts';
import { get, HttpScene, requestOf, shareHttp } from './http-scene.ts';
import { readResponse, valueOf } from './message.ts';

describe('keep-alive', () => {
  const shared = shareHttp(() => ({
    http: {
      hosts: [{ routes: [{ match: { path: '/' }, cluster: 'app', retry: { on: ['connect'] } }] }],
    },
    isRouted: true,
  }));

  test('a client is served on one connection, and so is the gateway', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    const connections = new Set<number>();
    for (let i = 0; i < 20; i++) {
      client.send(get(`/${i}`));
      const response = await readResponse(client);
      assert.equal(valueOf(response, 'connection'), undefined);
      const seen = seenIn(response);
      assert.equal(seen.target, `/${i}`);
      connections.add(seen.connection);
    }
    assert.equal(connections.size, 1);
    assert.equal(client.end, null);
  });

  test('the next client gets the connection that the last one left', async (t) => {
    const scene = shared.scene();
    const first = seenIn(await scene.ask(t, get('/first')));
    const second = seenIn(await scene.ask(t, get('/second')));
    assert.equal(second.connection, first.connection);
    assert.equal(second.number, first.number + 1);
  });

  test('Connection: close of a client is answered and obeyed, and not passed on', async (t) => {
    const scene = shared.scene();
    const before = seenIn(await scene.ask(t, get('/')));
    const client = await scene.connect(t);
    client.send(get('/', { Connection: 'close' }));
    const response = await readResponse(client);
    assert.equal(valueOf(response, 'connection'), 'close');
    assert.equal(await client.ended(), 'fin');
    const seen = seenIn(response);
    assert.equal(seen.connection, before.connection);
    assert.equal(valueOf(seen, 'connection'), undefined);
    assert.equal(seenIn(await scene.ask(t, get('/'))).connection, before.connection);
  });

  test('Connection: close of the origin ends that connection only', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/close', (request) => {
      request.reply({ fields: [['Connection', 'close']], body: `${request.connection}` });
      request.stream.finish();
    });
    const client = await scene.connect(t);
    client.send(get('/close'));
    const closed = await readResponse(client);
    assert.equal(closed.status, 200);
    assert.equal(valueOf(closed, 'connection'), undefined);
    client.send(get('/next'));
    const next = seenIn(await readResponse(client));
    assert.notEqual(`${next.connection}`, closed.text);
    assert.equal(next.number, 0);
  });

  test('a client of HTTP/1.0 is closed unless it asks for more', async (t) => {
    const scene = shared.scene();
    const once = await scene.connect(t);
    once.send('GET /once HTTP/1.0\r\n\r\n');
    const only = await readResponse(once);
    assert.equal(seenIn(only).target, '/once');
    assert.equal(await once.ended(), 'fin');

    const more = await scene.connect(t);
    for (const target of ['/a', '/b']) {
      more.send(`GET ${target} HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n`);
      const response = await readResponse(more);
      assert.equal(valueOf(response, 'connection')?.toLowerCase(), 'keep-alive');
      assert.equal(seenIn(response).target, target);
    }
    assert.equal(more.end, null);
  });

  test('a connection that the origin closed while it was unused is not used', async (t) => {
    const scene = shared.scene();
    const first = seenIn(await scene.ask(t, get('/')));
    scene.origin.endAll();
    await scene.origin.whenLive(0);
    const second = seenIn(await scene.ask(t, get('/')));
    assert.ok(second.connection > first.connection);
    assert.equal(second.number, 0);
  });

  test('no request is lost while the origin closes unused connections all the time', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    for (let i = 0; i < 200; i++) {
      client.send(get(`/race-${i}`));
      assert.equal(seenIn(await readResponse(client)).target, `/race-${i}`);
      // Its FIN and the next request of the gateway cross each other.
      scene.origin.endAll(i % 2 === 0 ? 'fin' : 'reset');
    }
  });

  test('content of any request is behind it and before the next one', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    for (const body of ['', 'x', 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n', 'y'.repeat(70_000)]) {
      client.send(requestOf('POST', '/post', { body }));
      const seen = seenIn(await readResponse(client));
      assert.equal(seen.method, 'POST');
      assert.equal(seen.body, body);
      assert.equal(seen.framing, 'length');
    }
  });
});

test('a connection carries as many requests as the limits allow, on both sides', async (t) => {
  const scene = await HttpScene.start(t, {
    http: { limits: { requests: 3 } },
    cluster: { keepAlive: { requests: 2 } },
  });
  const client = await scene.connect(t);
  const connections: number[] = [];
  for (const wanted of [undefined, undefined, 'close']) {
    client.send(get());
    const response = await readResponse(client);
    assert.equal(valueOf(response, 'connection'), wanted);
    connections.push(seenIn(response).connection);
  }
  assert.deepEqual(connections, [0, 0, 1]);
  assert.equal(await client.ended(), 'fin');
});

test('unused connections end at their time, on both sides', async (t) => {
  const scene = await HttpScene.start(t, {
    http: { timeouts: { keepAlive: '200ms' } },
    cluster: { keepAlive: { idle: '200ms' } },
  });
  const client = await scene.connect(t);
  client.send(get());
  assert.equal((await readResponse(client)).status, 200);
  assert.equal(await client.endedInSilence(), 'fin');
  await scene.origin.whenLive(0);
  // A client that never asks is ended too.
  const silent = await scene.connect(t);
  assert.ok(['fin', 'closed'].includes(await silent.ended()));
});

test('connections: 0 keeps none', async (t) => {
  const scene = await HttpScene.start(t, { cluster: { keepAlive: { connections: 0 } } });
  const client = await scene.connect(t);
  for (const wanted of [0, 1, 2]) {
    client.send(get());
    const seen = seenIn(await readResponse(client));
    assert.equal(seen.connection, wanted);
  }
  await scene.origin.whenLive(0);
});

test('no more unused connections are kept than the configuration says', async (t) => {
  const scene = await HttpScene.start(t, { cluster: { keepAlive: { connections: 2 } } });
  const gate = Promise.withResolvers<void>();
  scene.origin.on('/wait', async (request) => {
    await gate.promise;
    request.reply({ body: 'waited' });
  });
  const clients = await Promise.all(Array.from({ length: 5 }, () => scene.connect(t)));
  for (const client of clients) {
    client.send(get('/wait'));
  }
  await scene.origin.whenLive(5);
  gate.resolve();
  const responses = await Promise.all(clients.map((client) => readResponse(client)));
  assert.deepEqual(
    responses.map(({ text }) => text),
    clients.map(() => 'waited'),
  );
  await scene.origin.whenLive(2);
});

test('a request that cannot be repeated is not repeated when its connection breaks', async (t) => {
  const scene = await HttpScene.start(t, {
    isRouted: true,
    http: {
      hosts: [
        {
          routes: [
            {
              match: { path: '/' },
              cluster: 'app',
              retry: { on: ['connect', 'reset'], attempts: 1 },
            },
          ],
        },
      ],
    },
  });
  // The first connection answers once and breaks when it is used again, the head being read.
  let broken = 0;
  const breakOnce = (request: {
    number: number;
    stream: ByteStream;
    reply: (r: object) => void;
  }) => {
    if (request.number > 0) {
      broken++;
      request.stream.reset();
      return;
    }
    request.reply({ body: 'answered' });
  };
  scene.origin.on('/get', breakOnce);
  scene.origin.on('/post', breakOnce);
  assert.equal((await scene.ask(t, get('/'))).status, 200);
  assert.equal((await scene.ask(t, get('/get'))).text, 'answered');
  assert.equal(broken, 1);
  const before = scene.origin.seen.length;
  const posted = await scene.ask(t, requestOf('POST', '/post', { body: 'order' }));
  assert.equal(posted.status, 502);
  assert.deepEqual(scene.origin.seen.slice(before), ['POST /post']);
});
