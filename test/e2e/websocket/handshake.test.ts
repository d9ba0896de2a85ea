/**
 * Which handshakes become a tunnel, and what the others get (RFC 6455 4; threats rows C6, E2).
 *
 * Path: handshakes of clients with one thing wrong, and answers of origins with one thing wrong.
 * Invariant under test: a tunnel opens only where a route allows it and key and accept value belong
 * together; before that no byte behind the request reaches the origin raw.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seenIn } from '../http/http-origin.ts';
import { get, HttpScene, shareHttp } from '../http/http-scene.ts';
import { readHead, readResponse, statusOf, valueOf, valuesOf } from '../http/message.ts';
import { clientFrame, endpointFrame, readFrame, TEXT } from './frames.ts';
import { type FieldChanges, handshake, KEY, Sockets, switching } from './ws-scene.ts';

const BAD_REQUESTS: readonly (readonly [string, number, FieldChanges])[] = [
  ['no key', 400, { 'Sec-WebSocket-Key': null }],
  ['a short key', 400, { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZQ==' }],
  ['a key that is not base64', 400, { 'Sec-WebSocket-Key': 'dGhlIHNhbXBs*SBub25jZQ==' }],
  ['two keys', 400, { 'Sec-WebSocket-Key': [KEY, KEY] }],
  ['no version', 400, { 'Sec-WebSocket-Version': null }],
  ['two versions', 400, { 'Sec-WebSocket-Version': ['13', '13'] }],
  ['an old version', 426, { 'Sec-WebSocket-Version': '8' }],
  ['a version that is none', 426, { 'Sec-WebSocket-Version': '99' }],
];

const BAD_ANSWERS: readonly (readonly [string, string])[] = [
  ['another accept value', switching('AAAAAAAAAAAAAAAAAAAAAA==')],
  ['no accept value', switching(KEY, { 'Sec-WebSocket-Accept': null })],
  ['no Upgrade', switching(KEY, { Upgrade: null })],
  ['another Upgrade', switching(KEY, { Upgrade: 'h2c' })],
  ['no Connection', switching(KEY, { Connection: null })],
  ['content', switching(KEY, { 'Content-Length': '5' })],
];

describe('handshakes', () => {
  const shared = shareHttp(() => ({
    isRouted: true,
    http: {
      hosts: [
        {
          routes: [
            { name: 'open', match: { path: '/ws' }, cluster: 'app', websocket: true },
            { match: { path: '/' }, cluster: 'app' },
          ],
        },
      ],
    },
  }));

  test('a handshake is relayed with what belongs to it, and the tunnel opens', async (t) => {
    const scene = shared.scene();
    const sockets = new Sockets(scene.origin, '/ws/room', { 'Sec-WebSocket-Protocol': 'chat.v2' });
    const fields = {
      'Sec-WebSocket-Protocol': 'chat.v1, chat.v2',
      'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
      Origin: 'https://a.example',
      Cookie: 'sid=1',
      Connection: 'keep-alive, Upgrade',
    };
    const text = handshake('/ws/room?x=y', fields);
    const { client, endpoint, request, response } = await sockets.join(t, scene, { text });
    assert.equal(request.target, '/ws/room?x=y');
    assert.equal(valueOf(request.head, 'upgrade')?.toLowerCase(), 'websocket');
    assert.equal(valueOf(request.head, 'connection')?.toLowerCase(), 'upgrade');
    assert.equal(valueOf(request.head, 'sec-websocket-key'), KEY);
    assert.equal(valueOf(request.head, 'sec-websocket-version'), '13');
    assert.equal(valueOf(request.head, 'sec-websocket-protocol'), 'chat.v1, chat.v2');
    assert.match(valueOf(request.head, 'sec-websocket-extensions') ?? '', /permessage-deflate/);
    assert.equal(valueOf(request.head, 'origin'), 'https://a.example');
    assert.equal(valueOf(request.head, 'cookie'), 'sid=1');
    assert.equal(valueOf(request.head, 'x-forwarded-for'), '127.0.0.1');
    assert.equal(valueOf(response, 'upgrade')?.toLowerCase(), 'websocket');
    assert.equal(valueOf(response, 'connection')?.toLowerCase(), 'upgrade');
    assert.equal(valueOf(response, 'sec-websocket-protocol'), 'chat.v2');
    assert.equal(valuesOf(response, 'sec-websocket-accept').length, 1);

    client.send(clientFrame(TEXT, 'hello'));
    assert.equal((await readFrame(endpoint)).payload.toString(), 'hello');
    endpoint.send(endpointFrame(TEXT, 'hi'));
    assert.equal((await readFrame(client)).payload.toString(), 'hi');
  });

  test('a handshake that comes byte by byte is the same', async (t) => {
    const scene = shared.scene();
    const sockets = new Sockets(scene.origin);
    const client = await scene.connect(t);
    for (const byte of handshake()) {
      await client.sendAll(byte);
    }
    assert.equal((await readResponse(client)).status, 101);
    const { stream } = await sockets.next();
    stream.send(endpointFrame(TEXT, 'hi'));
    assert.equal((await readFrame(client)).payload.toString(), 'hi');
  });

  test('a route that does not allow it refuses with 403, and nothing behind is read', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    client.send(handshake('/plain') + get('/behind-403'));
    const refused = await readResponse(client);
    assert.equal(refused.status, 403);
    assert.equal(valueOf(refused, 'connection'), 'close');
    assert.equal(await client.ended(), 'fin');
    assert.equal(client.held, 0);
    assert.equal(scene.origin.seen.includes('GET /plain'), false);
    assert.equal(scene.origin.seen.includes('GET /behind-403'), false);
  });

  for (const [name, status, changes] of BAD_REQUESTS) {
    test(`${name}: ${status}`, async (t) => {
      const scene = shared.scene();
      const response = await scene.ask(t, handshake('/ws/bad', changes));
      assert.equal(response.status, status);
      if (status === 426) {
        assert.equal(valueOf(response, 'sec-websocket-version'), '13');
      }
      assert.equal(scene.origin.seen.includes('GET /ws/bad'), false);
    });
  }

  test('what does not ask rightly is an ordinary request, without Upgrade', async (t) => {
    const scene = shared.scene();
    const asked: readonly string[] = [
      handshake('/ws/plain', { Connection: null }),
      handshake('/ws/plain', { Connection: 'keep-alive' }),
      handshake('/ws/plain', {}, 'GET /ws/plain HTTP/1.0'),
      handshake('/ws/plain', { Upgrade: 'h2c' }),
    ];
    for (const text of asked) {
      const response = await scene.ask(t, text);
      if (response.status === 200) {
        const seen = seenIn(response);
        assert.equal(valueOf(seen, 'upgrade'), undefined);
        assert.equal(valueOf(seen, 'connection'), undefined);
      } else {
        assert.equal(response.status, 400);
      }
    }
  });

  test('a POST does not become a tunnel', async (t) => {
    const scene = shared.scene();
    const text = handshake('', { 'Content-Length': '5' }, 'POST /ws/post HTTP/1.1');
    const response = await scene.ask(t, `${text}hello`);
    assert.ok([200, 400, 403].includes(response.status), response.startLine);
    if (response.status === 200) {
      assert.equal(seenIn(response).body, 'hello');
    }
  });

  for (const [name, answer] of BAD_ANSWERS) {
    test(`an origin that answers with ${name}: 502`, async (t) => {
      const scene = shared.scene();
      const closed = Promise.withResolvers<string>();
      scene.origin.on('/ws/wrong', async (request) => {
        request.send(answer);
        closed.resolve(await request.stream.ended());
      });
      const client = await scene.connect(t);
      client.send(handshake('/ws/wrong') + clientFrame(TEXT, 'early').toString('latin1'));
      assert.equal((await readResponse(client)).status, 502);
      await closed.promise;
      await client.ended();
    });
  }

  test('bytes behind the handshake wait for the 101, and are whole then', async (t) => {
    const scene = shared.scene();
    const gate = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<number>();
    const early = clientFrame(TEXT, 'too early');
    scene.origin.on('/ws/early', async (request) => {
      await gate.promise;
      opened.resolve(request.stream.held);
      request.send(switching(KEY));
      assert.deepEqual(await request.stream.take(early.length), early);
      request.send(endpointFrame(TEXT, 'heard'));
      await request.stream.closed();
    });
    const client = await scene.connect(t);
    client.send(Buffer.concat([Buffer.from(handshake('/ws/early')), early]));
    await scene.origin.whenSeen('GET /ws/early');
    // Other exchanges are over: the gateway has had the bytes for long.
    await scene.ask(t, get('/beside'));
    gate.resolve();
    assert.equal(await opened.promise, 0);
    assert.equal((await readResponse(client)).status, 101);
    assert.equal((await readFrame(client)).payload.toString(), 'heard');
  });

  test('frames in the same write as the 101 arrive behind it', async (t) => {
    const scene = shared.scene();
    const first = endpointFrame(TEXT, 'welcome');
    scene.origin.on('/ws/hasty', async (request) => {
      request.send(Buffer.concat([Buffer.from(switching(KEY)), first]));
      await request.stream.closed();
    });
    const client = await scene.connect(t);
    client.send(handshake('/ws/hasty'));
    assert.equal((await readResponse(client)).status, 101);
    assert.equal((await readFrame(client)).payload.toString(), 'welcome');
  });

  for (const status of [200, 204, 401, 404, 503]) {
    test(`an answer of ${status} ends both connections; what followed is no request`, async (t) => {
      const scene = shared.scene();
      const path = `/ws/no-${status}`;
      const smuggled = get(`/smuggled-${status}`);
      const ended = Promise.withResolvers<number>();
      scene.origin.on(path, async (request) => {
        const body = status === 204 ? '' : 'no';
        request.send(`HTTP/1.1 ${status} Any\r\n`);
        request.send(status === 204 ? '\r\n' : `Content-Length: ${body.length}\r\n\r\n${body}`);
        await request.stream.ended();
        ended.resolve(request.stream.held);
      });
      const client = await scene.connect(t);
      client.send(handshake(path) + smuggled);
      const response = await readResponse(client);
      assert.equal(response.status, status);
      assert.equal(valueOf(response, 'connection'), 'close');
      client.send(smuggled);
      assert.equal(await client.ended(), 'fin');
      assert.equal(client.held, 0);
      // The gateway ends the connection to the origin by itself, and none of it went there.
      assert.equal(await ended.promise, 0);
      assert.equal(scene.origin.seen.includes(`GET /smuggled-${status}`), false);
    });
  }

  test('a client that is gone before the answer ends it at the origin', async (t) => {
    const scene = shared.scene();
    const ended = Promise.withResolvers<string>();
    scene.origin.on('/ws/gone', async (request) => {
      ended.resolve(await request.stream.ended());
    });
    const client = await scene.connect(t);
    client.send(handshake('/ws/gone'));
    await scene.origin.whenSeen('GET /ws/gone');
    client.reset();
    await ended.promise;
  });

  test('edits of a route reach handshakes', async (t) => {
    const scene = await HttpScene.start(t, {
      isRouted: true,
      http: {
        hosts: [
          {
            routes: [
              {
                match: { path: '/ws' },
                rewrite: { prefix: '/inner' },
                cluster: 'app',
                websocket: true,
                requestHeaders: { set: { 'x-from': '%{client.address}' } },
                responseHeaders: { set: { 'x-route': 'ws' } },
              },
            ],
          },
        ],
      },
    });
    const sockets = new Sockets(scene.origin, '/inner');
    const { request, response } = await sockets.join(t, scene);
    assert.equal(request.target, '/inner');
    assert.equal(valueOf(request.head, 'x-from'), '127.0.0.1');
    assert.equal(valueOf(response, 'x-route'), 'ws');
  });

  test('an interim response before the 101 is no answer', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/ws/hints', async (request) => {
      request.send('HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n');
      request.send(switching(KEY));
      await request.stream.closed();
    });
    const client = await scene.connect(t);
    client.send(handshake('/ws/hints'));
    let head = await readHead(client);
    if (statusOf(head) === 103) {
      head = await readHead(client);
    }
    assert.equal(statusOf(head), 101);
  });
});

test('a listener with one cluster and no routes allows WebSockets', async (t) => {
  const scene = await HttpScene.start(t);
  const { client, endpoint } = await new Sockets(scene.origin).join(t, scene);
  client.send(clientFrame(TEXT, 'hello'));
  assert.equal((await readFrame(endpoint)).payload.toString(), 'hello');
});
