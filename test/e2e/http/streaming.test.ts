/**
 * Exchanges that live: server-sent events, long polls, uploads and clients that go away.
 *
 * Path: origin and client take turns, each waiting for what the other one sent.
 * Invariant under test: a byte is passed on when it is there, not when more of it came; a client
 * that is gone ends its request at the origin; the time a stream may take is not that of requests.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ByteStream } from './byte-stream.ts';
import { type OriginRequest, seenIn } from './http-origin.ts';
import { get, requestOf, shareHttp } from './http-scene.ts';
import { readHead, readResponse, statusOf, valueOf } from './message.ts';

const EVENTS = 50;
const STREAM =
  'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';

async function readChunk(client: ByteStream): Promise<string> {
  const bytes = Number.parseInt(await client.line(), 16);
  const content = await client.take(bytes);
  await client.take(2);
  return content.toString('latin1');
}

describe('streams', () => {
  const shared = shareHttp(() => ({
    isRouted: true,
    http: {
      hosts: [
        {
          routes: [
            {
              match: { path: '/events' },
              cluster: 'app',
              timeouts: { request: 'never', idle: '1h' },
            },
            { match: { path: '/brief' }, cluster: 'app', timeouts: { request: '300ms' } },
            { match: { path: '/idle' }, cluster: 'app', timeouts: { idle: '300ms' } },
            { match: { path: '/' }, cluster: 'app' },
          ],
        },
      ],
    },
  }));

  test('each event arrives before the next one is made', async (t) => {
    const scene = shared.scene();
    const asked = Promise.withResolvers<OriginRequest>();
    const over = Promise.withResolvers<void>();
    scene.origin.on('/events', async (request) => {
      request.send(STREAM);
      asked.resolve(request);
      await over.promise;
    });
    const client = await scene.connect(t);
    client.send(get('/events', { Accept: 'text/event-stream' }));
    const request = await asked.promise;
    const head = await readHead(client);
    assert.equal(statusOf(head), 200);
    assert.equal(valueOf(head, 'content-type'), 'text/event-stream');
    for (let i = 0; i < EVENTS; i++) {
      const event = `id: ${i}\ndata: ${'d'.repeat(i)}\n\n`;
      request.send(`${event.length.toString(16)}\r\n${event}\r\n`);
      assert.equal(await readChunk(client), event);
    }
    request.send('0\r\n\r\n');
    over.resolve();
    assert.equal(await client.line(), '0\r');
    assert.equal(await client.line(), '\r');
    client.send(get('/behind'));
    assert.equal(seenIn(await readResponse(client)).target, '/behind');
  });

  test('half a chunk of an origin is passed on, and so is half a length', async (t) => {
    const scene = shared.scene();
    const heads = [
      ['/events', `${STREAM}a\r\nfirst`],
      ['/halves', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst'],
    ] as const;
    for (const [path, half] of heads) {
      const taken = Promise.withResolvers<void>();
      scene.origin.on(path, async (request) => {
        request.send(half);
        await taken.promise;
        request.send(path === '/events' ? 'other\r\n0\r\n\r\n' : 'other');
      });
      const client = await scene.connect(t);
      client.send(get(path));
      const head = await readHead(client);
      if (valueOf(head, 'transfer-encoding') === undefined) {
        assert.equal((await client.take(5)).toString('latin1'), 'first');
        taken.resolve();
        assert.equal((await client.take(5)).toString('latin1'), 'other');
      } else {
        assert.equal(await readChunk(client), 'first');
        taken.resolve();
        assert.equal(await readChunk(client), 'other');
      }
    }
  });

  test('a long poll waits, and others are served beside it', async (t) => {
    const scene = shared.scene();
    const polled = Promise.withResolvers<OriginRequest>();
    const over = Promise.withResolvers<void>();
    scene.origin.on('/poll', async (request) => {
      polled.resolve(request);
      await over.promise;
      request.reply({ body: 'news' });
    });
    const client = await scene.connect(t);
    client.send(get('/poll'));
    await polled.promise;
    for (let i = 0; i < 50; i++) {
      assert.equal(seenIn(await scene.ask(t, get('/beside'))).target, '/beside');
    }
    over.resolve();
    assert.equal((await readResponse(client)).text, 'news');
  });

  test('pieces of an upload reach the origin as they come', async (t) => {
    const scene = shared.scene();
    const asked = Promise.withResolvers<OriginRequest>();
    scene.origin.on('/upload', async (request) => {
      asked.resolve(request);
      const { body } = await request.content();
      request.reply({ body });
    });
    const client = await scene.connect(t);
    client.send('POST /upload HTTP/1.1\r\nHost: a.example\r\nContent-Length: 50\r\n\r\n');
    const { stream } = await asked.promise;
    const before = stream.received;
    for (let i = 1; i <= 10; i++) {
      client.send('piece');
      await stream.heard(before + 5 * i);
    }
    assert.equal((await readResponse(client)).text, 'piece'.repeat(10));
  });

  /** The origin's connection ends when the client does. */
  const goesAway: readonly (readonly [string, string, (request: OriginRequest) => void])[] = [
    ['waits for a response', get('/gone'), () => {}],
    ['reads a response', get('/gone'), (request) => request.send(`${STREAM}5\r\nhello\r\n`)],
    [
      'sends its request',
      'POST /gone HTTP/1.1\r\nHost: a.example\r\nContent-Length: 50\r\n\r\nhalf',
      () => {},
    ],
  ];
  for (const [what, bytes, answer] of goesAway) {
    for (const how of ['fin and close', 'reset'] as const) {
      test(`a client that ${what} and ends with ${how} ends it at the origin`, async (t) => {
        const scene = shared.scene();
        const gone = Promise.withResolvers<string>();
        const asked = Promise.withResolvers<void>();
        scene.origin.on('/gone', async (request) => {
          answer(request);
          asked.resolve();
          gone.resolve(await request.stream.ended());
        });
        const client = await scene.connect(t);
        client.send(bytes);
        await asked.promise;
        if (what === 'reads a response') {
          await client.heard(STREAM.length / 2);
        }
        if (how === 'reset') {
          client.reset();
        } else {
          client.socket.destroy();
        }
        assert.ok(['fin', 'ECONNRESET', 'closed'].includes(await gone.promise));
      });
    }
  }

  test('a client that ends its own direction while it waits counts as gone', async (t) => {
    const scene = shared.scene();
    const gone = Promise.withResolvers<string>();
    scene.origin.on('/half-closed', async (request) => {
      gone.resolve(await request.stream.ended());
    });
    const client = await scene.connect(t);
    client.send(get('/half-closed'));
    await scene.origin.whenSeen('GET /half-closed');
    client.finish();
    await gone.promise;
    await client.ended();
    assert.equal(client.held, 0);
  });

  test('a response that takes too long is a 504, and ends at the origin', async (t) => {
    const scene = shared.scene();
    const gone = Promise.withResolvers<string>();
    scene.origin.on('/brief', async (request) => {
      gone.resolve(await request.stream.ended());
    });
    const client = await scene.connect(t);
    client.send(get('/brief'));
    assert.equal((await readResponse(client)).status, 504);
    await gone.promise;
  });

  test('the time of a request ends with the head of its response', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/brief', async (request) => {
      request.send(STREAM);
      // Longer in all than the timeout of the request.
      for (let i = 0; i < 8; i++) {
        request.send('4\r\nslow\r\n');
        await new Promise((resolve) => {
          setTimeout(resolve, 60);
        });
      }
      request.send('0\r\n\r\n');
    });
    assert.equal((await scene.ask(t, get('/brief'))).text, 'slow'.repeat(8));
  });

  test('a stream in which nothing moves ends, and not cleanly', async (t) => {
    const scene = shared.scene();
    const gone = Promise.withResolvers<string>();
    scene.origin.on('/idle', async (request) => {
      request.send(`${STREAM}5\r\nhello\r\n`);
      gone.resolve(await request.stream.ended());
    });
    const client = await scene.connect(t);
    client.send(get('/idle'));
    assert.equal(statusOf(await readHead(client)), 200);
    assert.equal(await readChunk(client), 'hello');
    await client.ended();
    assert.equal(client.held, 0, 'no last chunk');
    await gone.promise;
  });

  test('a request behind a long one on the same connection is served after it', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    client.send(requestOf('POST', '/one', { body: 'x'.repeat(200_000) }));
    client.send(get('/two'));
    assert.equal(seenIn(await readResponse(client)).body.length, 200_000);
    assert.equal(seenIn(await readResponse(client)).target, '/two');
  });
});
