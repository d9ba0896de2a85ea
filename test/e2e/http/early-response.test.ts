/**
 * Responses that come before the request has ended: the origin's, and the gateway's own.
 *
 * Path: clients that are in the middle of an upload when the answer comes (threats rows C4, C14).
 * Invariant under test: the client can read the answer; the connection to the origin whose request
 * was not finished is closed and never used again; the rest of an upload is no request.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ByteStream } from './byte-stream.ts';
import { seenIn } from './http-origin.ts';
import { get, shareHttp } from './http-scene.ts';
import { readResponse, valueOf } from './message.ts';

const MIB = 1024 * 1024;
const LENGTH = (path: string, bytes: number): string =>
  `POST ${path} HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${bytes}\r\n\r\n`;
const CHUNKED = (path: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n`;

/** Sends without end until the other side does not take it any more. */
async function pour(client: ByteStream, piece: string): Promise<void> {
  try {
    while (client.end === null) {
      await client.sendAll(piece);
    }
  } catch {
    // Closed behind the answer.
  }
}

describe('early responses', () => {
  const shared = shareHttp(() => ({
    isRouted: true,
    http: {
      hosts: [
        {
          routes: [
            { match: { path: '/limited' }, cluster: 'app', body: '64KiB' },
            { match: { path: '/direct' }, respond: { status: 403, body: 'not here' } },
            { match: { path: '/' }, cluster: 'app' },
          ],
        },
      ],
    },
  }));

  test('an origin that answers before it has all ends its connection', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/early', async (request) => {
      request.reply({ status: 409, body: `${request.connection}` });
      await request.stream.ended();
    });
    const client = await scene.connect(t);
    client.send(`${LENGTH('/early', MIB)}some of it`);
    const early = await readResponse(client);
    assert.equal(early.status, 409);
    const next = seenIn(await scene.ask(t, get('/next')));
    assert.notEqual(`${next.connection}`, early.text);
    assert.equal(next.number, 0);
  });

  test('the rest of an upload is never a request', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/rest', (request) => request.reply({ status: 403, body: 'no' }));
    const hidden = get('/hidden');
    const client = await scene.connect(t);
    client.send(LENGTH('/rest', hidden.length * 2));
    const early = await readResponse(client);
    assert.equal(early.status, 403);
    client.send(hidden.repeat(2));
    client.finish();
    await client.ended();
    assert.equal(client.held, 0);
    assert.equal(scene.origin.seen.includes('GET /hidden'), false);
  });

  test('a response that starts early streams on while the upload does', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/duplex', async (request) => {
      request.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const { body } = await request.content();
      request.send(`${body.length.toString(16)}\r\n`);
      request.send(body);
      request.send('\r\n0\r\n\r\n');
    });
    const client = await scene.connect(t);
    client.send(LENGTH('/duplex', 10));
    const answer = readResponse(client);
    await client.heard(20);
    client.send('0123456789');
    const response = await answer;
    assert.equal(response.status, 200);
    assert.equal(response.text, '0123456789');
  });

  test('413 can be read by a client that announced too much and sends on', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    client.send(LENGTH('/limited', 512 * MIB));
    const pouring = pour(client, 'p'.repeat(65_536));
    const refused = await readResponse(client);
    assert.equal(refused.status, 413);
    assert.equal(valueOf(refused, 'connection'), 'close');
    await client.ended();
    await pouring;
    assert.equal(scene.origin.seen.includes('POST /limited'), false);
  });

  test('413 can be read by a client whose chunks become too much', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    client.send(CHUNKED('/limited'));
    const pouring = pour(client, `4000\r\n${'c'.repeat(0x4000)}\r\n`);
    const refused = await readResponse(client);
    assert.equal(refused.status, 413);
    assert.equal(valueOf(refused, 'connection'), 'close');
    await client.ended();
    await pouring;
    assert.equal(seenIn(await scene.ask(t, get('/after'))).target, '/after');
  });

  test('content up to the limit passes, one byte more does not', async (t) => {
    const scene = shared.scene();
    const limit = 64 * 1024;
    const fits = await scene.ask(t, `${LENGTH('/limited', limit)}${'f'.repeat(limit)}`);
    assert.equal(seenIn(fits).body.length, limit);
    const over = await scene.ask(t, `${LENGTH('/limited', limit + 1)}${'o'.repeat(limit + 1)}`);
    assert.equal(over.status, 413);
    const chunks = await scene.ask(
      t,
      `${CHUNKED('/limited')}10000\r\n${'f'.repeat(limit)}\r\n0\r\n\r\n`,
    );
    assert.equal(seenIn(chunks).body.length, limit);
  });

  test('what the gateway answers by itself is readable in the middle of an upload', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    client.send(`${LENGTH('/direct', 200_000)}${'d'.repeat(100_000)}`);
    const answer = await readResponse(client);
    assert.equal(answer.status, 403);
    assert.equal(answer.text, 'not here');
    client.send('d'.repeat(100_000));
    client.send(get('/next'));
    if (valueOf(answer, 'connection') === 'close') {
      await client.ended();
      assert.equal(client.held, 0);
    } else {
      assert.equal(seenIn(await readResponse(client)).target, '/next');
    }
  });

  test('an origin that resets in the middle of an upload is a 502', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/reset', async (request) => {
      await request.stream.heard(70_000);
      request.stream.reset();
    });
    const client = await scene.connect(t);
    client.send(`${LENGTH('/reset', MIB)}${'r'.repeat(100_000)}`);
    assert.equal((await readResponse(client)).status, 502);
    await client.ended();
  });
});
