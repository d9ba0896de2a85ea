/**
 * Responses before the response: 100, 103 and what a client may expect of them (RFC 9110 10.1.1,
 * 15.2).
 *
 * Path: origins that answer with interim responses, clients that read every one of them.
 * Invariant under test: interim responses pass in order and never end an exchange; content that
 * waits for 100 is sent when the origin says so, and is never sent raw behind a refusal; a flood of
 * them is bounded.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seenIn } from './http-origin.ts';
import { get, HttpScene, shareHttp } from './http-scene.ts';
import { readResponse, valueOf } from './message.ts';

const EXPECTING = (path: string, length = 5): string =>
  `POST ${path} HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${length}\r\n` +
  'Expect: 100-continue\r\n\r\n';
const HINT = 'HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n';

describe('interim responses', () => {
  const shared = shareHttp();

  test('content waits for the 100 of the origin', async (t) => {
    const scene = shared.scene();
    const expected: (string | undefined)[] = [];
    scene.origin.on('/expect', async (request) => {
      expected.push(valueOf(request.head, 'expect'));
      assert.equal(request.stream.held, 0);
      request.send('HTTP/1.1 100 Continue\r\n\r\n');
      const { body } = await request.content();
      request.reply({ body });
    });
    const client = await scene.connect(t);
    for (const body of ['first', 'again']) {
      client.send(EXPECTING('/expect'));
      assert.equal((await readResponse(client)).status, 100);
      client.send(body);
      assert.equal((await readResponse(client)).text, body);
    }
    assert.deepEqual(expected, ['100-continue', '100-continue']);
  });

  test('a client that does not wait is served too', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    client.send(`${EXPECTING('/impatient')}hello${get('/next')}`);
    let response = await readResponse(client);
    if (response.status === 100) {
      response = await readResponse(client);
    }
    assert.equal(seenIn(response).body, 'hello');
    assert.equal(seenIn(await readResponse(client)).target, '/next');
  });

  test('a refusal instead of 100 is the answer, and what follows is not content', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/refused', (request) => {
      request.reply({ status: 401, body: 'no' });
      // It reads no content, and nothing of it may come as a request either.
      request.stream.finish();
    });
    const client = await scene.connect(t);
    client.send(EXPECTING('/refused'));
    const refused = await readResponse(client);
    assert.equal(refused.status, 401);
    assert.equal(refused.text, 'no');
    // The client may send its content all the same (then this is a request of five bytes), or not.
    client.send('hello');
    if (valueOf(refused, 'connection') !== 'close') {
      client.send(get('/next'));
      assert.equal(seenIn(await readResponse(client)).target, '/next');
    } else {
      await client.ended();
    }
    scene.origin.check();
  });

  test('what else is expected is answered with 417', async (t) => {
    for (const expect of ['200-ok', '100-continue, x', '100-continue\r\nExpect: 100-continue']) {
      const request = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: ${expect}\r\n\r\nx`;
      const response = await shared.scene().ask(t, request);
      assert.equal(response.status, 417, expect);
    }
  });

  test('in HTTP/1.0 nobody expects anything', async (t) => {
    const request = 'POST /old HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi';
    const seen = seenIn(await shared.scene().ask(t, request));
    assert.equal(seen.body, 'hi');
    assert.equal(valueOf(seen, 'expect'), undefined);
  });

  test('hints come before their response, and to clients of HTTP/1.1 only', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/hints', (request) => {
      request.send(HINT.repeat(3));
      request.reply({ body: 'styled' });
    });
    const client = await scene.connect(t);
    client.send(get('/hints'));
    for (let i = 0; i < 3; i++) {
      const hint = await readResponse(client);
      assert.equal(hint.status, 103);
      assert.equal(valueOf(hint, 'link'), '</style.css>; rel=preload');
    }
    assert.equal((await readResponse(client)).text, 'styled');
    const old = await scene.ask(t, 'GET /hints HTTP/1.0\r\nHost: a.example\r\n\r\n');
    assert.equal(old.status, 200);
    assert.equal(old.text, 'styled');
  });

  test('ten thousand hints are passed on or refused, and held by nobody', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/flood', async (request) => {
      for (let i = 0; i < 10; i++) {
        await request.stream.sendAll(HINT.repeat(1_000)).catch(() => {});
      }
      if (request.stream.end === null) {
        request.reply({ body: 'at last' });
      }
    });
    const client = await scene.connect(t);
    client.send(get('/flood'));
    let response = await readResponse(client);
    let hints = 0;
    for (; response.status === 103; hints++) {
      response = await readResponse(client);
    }
    assert.ok(response.status === 502 || (response.status === 200 && hints === 10_000));
    assert.equal(seenIn(await scene.ask(t, get('/after'))).target, '/after');
  });

  test('a 101 that nobody asked for is a 502', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/switch', (request) => {
      request.send('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
    });
    assert.equal((await scene.ask(t, get('/switch'))).status, 502);
  });

  test('an interim response with content is a 502', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/content', (request) => {
      request.send(
        'HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n',
      );
    });
    assert.equal((await scene.ask(t, get('/content'))).status, 502);
  });
});

test('a client that gets hints and never reads them holds nothing up', async (t) => {
  const scene = await HttpScene.start(t);
  const flood = HINT.repeat(10_000);
  scene.origin.on('/flood', (request) => {
    request.send(flood.repeat(8));
    request.reply({ body: 'end' });
  });
  const slow = await scene.connect(t, { isPaused: true });
  slow.send(get('/flood'));
  await scene.origin.whenSeen('GET /flood');
  for (let i = 0; i < 20; i++) {
    assert.equal(seenIn(await scene.ask(t, get('/canary'))).target, '/canary');
  }
  const held = await scene.counter('pendingChunks');
  assert.ok(held * 4096 <= 512 * 1024, `${held} chunks are held`);
});
