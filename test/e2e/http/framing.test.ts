/**
 * Content and how its end is told, from the origin to the client and back (RFC 9112 6 and 7).
 *
 * Path: origins that answer in every form, clients that read strictly (message.ts).
 * Invariant under test: content arrives byte for byte with one framing; a message that was cut off
 * never looks whole; what has no content gets none.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Dice, makeBytes } from '../tcp/pattern.ts';
import { seenIn } from './http-origin.ts';
import { chunked, get, shareHttp } from './http-scene.ts';
import { readContent, readHead, readResponse, statusOf, valueOf, valuesOf } from './message.ts';

const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const OK = 'HTTP/1.1 200 OK\r\n';

describe('framing', () => {
  const shared = shareHttp();

  test('chunks and trailers reach the origin', async (t) => {
    const client = await shared.scene().connect(t);
    client.send(
      `POST /up HTTP/1.1\r\nHost: a.example\r\nTrailer: X-Sum\r\nTE: trailers\r\n${CHUNKED}\r\n` +
        `5;name=value\r\nhello\r\n${chunked([' ', 'world'], 'X-Sum: 17\r\nX-Other: b\r\n')}`,
    );
    const seen = seenIn(await readResponse(client));
    assert.equal(seen.framing, 'chunked');
    assert.equal(seen.body, 'hello world');
    assert.deepEqual(seen.trailers, [
      ['X-Sum', '17'],
      ['X-Other', 'b'],
    ]);
  });

  test('chunks and trailers reach the client', async (t) => {
    const scene = shared.scene();
    const body = chunked(['first', 'second '], 'X-Sum: 12\r\n');
    scene.origin.on('/down', (request) =>
      request.send(`${OK}Trailer: X-Sum\r\n${CHUNKED}\r\n${body}`),
    );
    const client = await scene.connect(t);
    client.send(get('/down', { TE: 'trailers' }));
    const response = await readResponse(client);
    assert.equal(response.framing, 'chunked');
    assert.equal(response.text, 'firstsecond ');
    assert.deepEqual(response.trailers, [['X-Sum', '12']]);
    client.send(get('/next'));
    assert.equal(seenIn(await readResponse(client)).target, '/next');
  });

  test('a body of any cut arrives as it was', async (t) => {
    const scene = shared.scene();
    const dice = new Dice(7);
    const bytes = makeBytes('cuts', 300_000).toString('latin1');
    const pieces: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + dice.below(dice.below(10) === 0 ? 60_000 : 300);
      pieces.push(bytes.slice(at, at + size));
      at += size;
    }
    scene.origin.on('/cuts', async (request) => {
      const { body } = await request.content();
      request.send(`${OK}${CHUNKED}\r\n`);
      for (const piece of pieces) {
        request.send(`${piece.length.toString(16)}\r\n`);
        request.send(`${piece}\r\n`);
      }
      request.send(`0\r\nX-Same: ${body.toString('latin1') === bytes}\r\n\r\n`);
    });
    const client = await scene.connect(t);
    client.send(`POST /cuts HTTP/1.1\r\nHost: a.example\r\n${CHUNKED}\r\n${chunked(pieces)}`);
    const response = await readResponse(client);
    assert.equal(response.text === bytes, true);
    assert.deepEqual(response.trailers, [['X-Same', 'true']]);
  });

  test('content that ends with the connection is whole, and framed for the client', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/until-close', (request) => {
      request.send(`${OK}Content-Type: text/plain\r\n\r\nall there is`);
      request.stream.finish();
    });
    const client = await scene.connect(t);
    client.send(get('/until-close'));
    const response = await readResponse(client);
    assert.equal(response.text, 'all there is');
    if (response.framing === 'chunked') {
      client.send(get('/next'));
      assert.equal(seenIn(await readResponse(client)).target, '/next');
    } else {
      assert.equal(valueOf(response, 'connection'), 'close');
    }
  });

  test('a client of HTTP/1.0 gets no chunks', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/chunks', (request) =>
      request.send(`${OK}${CHUNKED}\r\n${chunked(['for ', 'old'])}`),
    );
    const client = await scene.connect(t);
    client.send('GET /chunks HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n');
    const response = await readResponse(client);
    assert.equal(response.framing, 'close');
    assert.equal(response.text, 'for old');
    assert.equal(valueOf(response, 'connection'), 'close');
  });

  test('HEAD, 204 and 304 have no content, and may say what there would be', async (t) => {
    const scene = shared.scene();
    const answers: readonly (readonly [string, string, string])[] = [
      ['HEAD', '/head-length', `${OK}Content-Length: 5000\r\n\r\n`],
      ['HEAD', '/head-chunked', `${OK}${CHUNKED}\r\n`],
      ['HEAD', '/head-plain', `${OK}\r\n`],
      ['GET', '/204', 'HTTP/1.1 204 No Content\r\n\r\n'],
      ['GET', '/304', 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'],
      ['GET', '/304-length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n'],
    ];
    const client = await scene.connect(t);
    for (const [method, path, bytes] of answers) {
      scene.origin.on(path, (request) => request.send(bytes));
      client.send(`${method} ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
      const response = await readResponse(client, method);
      assert.equal(response.framing, 'none', path);
      assert.ok(bytes.includes(` ${response.status} `), path);
      assert.ok(response.status !== 204 || valuesOf(response, 'content-length').length === 0);
      client.send(get(`/behind${path}`));
      assert.equal(seenIn(await readResponse(client)).target, `/behind${path}`);
    }
    assert.equal(valueOf(await headOf('/head-length'), 'content-length'), '5000');
    async function headOf(path: string): ReturnType<typeof readHead> {
      client.send(`HEAD ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
      return readHead(client);
    }
  });

  test('responses that are cut off never look whole', async (t) => {
    const scene = shared.scene();
    const cut: Readonly<Record<string, string>> = {
      '/cut-length': `${OK}Content-Length: 100\r\n\r\nonly this`,
      '/cut-chunk': `${OK}${CHUNKED}\r\na\r\nonly`,
      '/cut-between': `${OK}${CHUNKED}\r\n4\r\nonly\r\n`,
      '/cut-trailer': `${OK}${CHUNKED}\r\n4\r\nonly\r\n0\r\nX-A: b\r\n`,
    };
    for (const [path, bytes] of Object.entries(cut)) {
      for (const how of ['fin', 'reset'] as const) {
        scene.origin.on(path, async (request) => {
          await request.stream.sendAll(bytes);
          if (how === 'fin') {
            request.stream.finish();
          } else {
            await reached.promise;
            request.stream.reset();
          }
        });
        const reached = Promise.withResolvers<void>();
        const client = await scene.connect(t);
        client.send(get(path));
        const head = await readHead(client);
        reached.resolve();
        if (statusOf(head) === 502) {
          // Seen before anything of it was passed on.
          continue;
        }
        await assert.rejects(readContent(client, head, 'close'), /expected/, `${path} ${how}`);
      }
    }
    assert.equal(seenIn(await scene.ask(t, get('/after'))).target, '/after');
  });

  test('uploads that are cut off never look whole to the origin', async (t) => {
    const scene = shared.scene();
    const heads = ['Content-Length: 100\r\n\r\nonly', `${CHUNKED}\r\n8\r\nonly`];
    for (const [index, rest] of heads.entries()) {
      const path = `/half-${index}`;
      const outcome = Promise.withResolvers<string>();
      scene.origin.on(path, async (request) => {
        try {
          await request.content();
          outcome.resolve('whole');
        } catch {
          outcome.resolve('cut off');
        }
      });
      const client = await scene.connect(t);
      client.send(`POST ${path} HTTP/1.1\r\nHost: a.example\r\n${rest}`);
      await scene.origin.whenSeen(`POST ${path}`);
      client.finish();
      assert.equal(await outcome.promise, 'cut off');
    }
  });

  test('a request without content has no framing, a POST says zero', async (t) => {
    const scene = shared.scene();
    const plain = seenIn(await scene.ask(t, get('/none')));
    assert.equal(plain.framing, 'none');
    const zero = await scene.ask(
      t,
      'POST /zero HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n',
    );
    assert.equal(valueOf(seenIn(zero), 'content-length'), '0');
    const empty = await scene.ask(
      t,
      `POST /empty HTTP/1.1\r\nHost: a.example\r\n${CHUNKED}\r\n0\r\n\r\n`,
    );
    assert.equal(seenIn(empty).framing, 'chunked');
    assert.equal(seenIn(empty).body, '');
  });
});
