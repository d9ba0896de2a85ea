/**
 * Requests that are not answered by any origin: what they are answered with, and that they end.
 *
 * Path: raw bytes on a connection of their own; the origin must see none of them (threats rows C3,
 * C10).
 * Invariant under test: each has its status, a response that can be read, and a connection that is
 * closed with FIN behind it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seenIn } from './http-origin.ts';
import { get, HttpScene, shareHttp } from './http-scene.ts';
import { readResponse, valueOf } from './message.ts';

const HOST = 'Host: a.example\r\n';
const post = (fields: string, content = ''): string =>
  `POST /refused HTTP/1.1\r\n${HOST}${fields}\r\n${content}`;
const line = (text: string): string => `${text}\r\n${HOST}\r\n`;

/** What is refused, with its status. */
const REFUSED: readonly (readonly [status: number, name: string, bytes: string])[] = [
  [400, 'no host', 'GET /refused HTTP/1.1\r\n\r\n'],
  [400, 'two hosts', `GET /refused HTTP/1.1\r\n${HOST}${HOST}\r\n`],
  [400, 'a host with a user', 'GET /refused HTTP/1.1\r\nHost: u@a.example\r\n\r\n'],
  [400, 'a list of hosts', 'GET /refused HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n'],
  [400, 'another host in the target', line('GET http://b.example/refused HTTP/1.1')],
  [400, 'a space in the target', line('GET /refu sed HTTP/1.1')],
  [400, 'a fragment', line('GET /refused#x HTTP/1.1')],
  [400, 'two spaces', line('GET  /refused HTTP/1.1')],
  [400, 'a bare line feed', `GET /refused HTTP/1.1\n${HOST}\r\n`],
  [400, 'a bare carriage return', `GET /refused HTTP/1.1\r\nA: b\rc\r\n${HOST}\r\n`],
  [400, 'a NUL', `GET /refused HTTP/1.1\r\nA: b\0c\r\n${HOST}\r\n`],
  [400, 'a field without a colon', `GET /refused HTTP/1.1\r\n${HOST}nothing\r\n\r\n`],
  [400, 'a field without a name', `GET /refused HTTP/1.1\r\n${HOST}: x\r\n\r\n`],
  [400, 'a space before the colon', `GET /refused HTTP/1.1\r\n${HOST}A : x\r\n\r\n`],
  [400, 'a folded line', `GET /refused HTTP/1.1\r\n${HOST}A: x\r\n y\r\n\r\n`],
  [400, 'a name with _', `GET /refused HTTP/1.1\r\n${HOST}X_Forwarded_For: x\r\n\r\n`],
  [400, 'a method that is no token', line('G@T /refused HTTP/1.1')],
  [
    400,
    'length and encoding',
    post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 'hello'),
  ],
  [400, 'two lengths', post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello')],
  [400, 'a list of lengths', post('Content-Length: 5, 5\r\n', 'hello')],
  [400, 'a length with a sign', post('Content-Length: +5\r\n', 'hello')],
  [400, 'a length of 2^63', post('Content-Length: 9223372036854775808\r\n')],
  [400, 'a length of 2^64', post('Content-Length: 18446744073709551616\r\n')],
  [400, 'a coding that nobody knows', post('Transfer-Encoding: xchunked\r\n')],
  [400, 'chunked twice', post('Transfer-Encoding: chunked, chunked\r\n')],
  [
    400,
    'chunks in HTTP/1.0',
    `POST /refused HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`,
  ],
  [400, 'a path above the root', line('GET /../refused HTTP/1.1')],
  [400, 'an escaped slash', line('GET /refused%2fx HTTP/1.1')],
  [400, 'an escaped NUL', line('GET /refused%00 HTTP/1.1')],
  [414, 'a long target', line(`GET /refused${'x'.repeat(65_536)} HTTP/1.1`)],
  [417, 'an expectation', post('Expect: a-miracle\r\nContent-Length: 0\r\n')],
  [431, 'a long field', `GET /refused HTTP/1.1\r\n${HOST}A: ${'x'.repeat(1 << 20)}\r\n\r\n`],
  [431, 'many fields', `GET /refused HTTP/1.1\r\n${HOST}${'A: b\r\n'.repeat(10_000)}\r\n`],
  [431, 'a long name', `GET /refused HTTP/1.1\r\n${HOST}${'n'.repeat(300)}: b\r\n\r\n`],
  [501, 'a long method', line(`${'M'.repeat(100)} /refused HTTP/1.1`)],
  [501, 'compressed chunks', post('Transfer-Encoding: gzip, chunked\r\n')],
  [505, 'HTTP/2.0', line('GET /refused HTTP/2.0')],
  [505, 'HTTP/1.2', line('GET /refused HTTP/1.2')],
  [505, 'the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
];

/** What is found in content, when the origin has its head already. */
const REFUSED_CHUNKS: readonly (readonly [name: string, content: string])[] = [
  ['seventeen digits', '00000000000000005\r\nhello\r\n0\r\n\r\n'],
  ['more than 4 GiB twice over', 'ffffffffffffffff\r\nhello'],
  ['a sign', '+5\r\nhello\r\n0\r\n\r\n'],
  ['0x', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['a space', ' 5\r\nhello\r\n0\r\n\r\n'],
  ['nothing', '\r\nhello\r\n0\r\n\r\n'],
  ['a bare line feed', '5\nhello\r\n0\r\n\r\n'],
  ['content that is longer', '5\r\nhelloX\r\n0\r\n\r\n'],
  ['an extension that is too long', `5;${'e'.repeat(300)}\r\nhello\r\n0\r\n\r\n`],
  ['a control byte in an extension', '5;a=\x01\r\nhello\r\n0\r\n\r\n'],
  ['a trailer that frames', '5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n'],
  ['too many trailers', `5\r\nhello\r\n0\r\n${'A: b\r\n'.repeat(40)}\r\n`],
];

describe('requests that are refused', () => {
  const shared = shareHttp();

  for (const [status, name, bytes] of REFUSED) {
    test(`${name}: ${status}`, async (t) => {
      const scene = shared.scene();
      const client = await scene.connect(t);
      client.send(bytes);
      const response = await readResponse(client);
      assert.equal(response.status, status);
      assert.equal(valueOf(response, 'connection'), 'close');
      assert.equal(await client.endedInSilence(), 'fin');
      assert.deepEqual(
        scene.origin.seen.filter((seen) => seen.includes('refused')),
        [],
      );
    });
  }

  for (const [name, content] of REFUSED_CHUNKS) {
    test(`chunks with ${name}: 400 or an end, never a whole request`, async (t) => {
      const scene = shared.scene();
      const outcome = Promise.withResolvers<string>();
      scene.origin.on('/chunks', async (request) => {
        await request.content().then(
          () => outcome.resolve('whole'),
          () => outcome.resolve('cut off'),
        );
      });
      const client = await scene.connect(t);
      client.send(
        `POST /chunks HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${content}${get('/behind')}`,
      );
      const response = await readResponse(client);
      assert.ok([400, 413, 431].includes(response.status), response.startLine);
      assert.equal(await client.endedInSilence(), 'fin');
      if (scene.origin.seen.includes('POST /chunks')) {
        assert.equal(await outcome.promise, 'cut off');
      }
      assert.equal(scene.origin.seen.includes('GET /behind'), false);
    });
  }

  test('CONNECT is refused', async (t) => {
    const response = await shared
      .scene()
      .ask(t, 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n');
    assert.ok(response.status >= 400, response.startLine);
    assert.notEqual(response.status, 502);
  });

  test('an empty line in front of a request is passed over, once', async (t) => {
    const scene = shared.scene();
    assert.equal(seenIn(await scene.ask(t, `\r\n${get('/late')}`)).target, '/late');
  });

  test('what is no HTTP at all ends', async (t) => {
    for (const bytes of [
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n',
      '\0'.repeat(100),
      '\n\n\n',
    ]) {
      const client = await shared.scene().connect(t);
      client.send(bytes);
      client.finish();
      assert.equal(await client.ended(), 'fin');
      assert.ok(client.held === 0 || (await readResponse(client)).status === 400);
    }
  });
});

describe('limits of the configuration', () => {
  const shared = shareHttp(() => ({
    http: {
      limits: { head: '2KiB', target: 100, fields: 10 },
      timeouts: { head: '300ms', body: '300ms' },
    },
  }));

  test('head, target and fields are as configured', async (t) => {
    const scene = shared.scene();
    assert.equal((await scene.ask(t, get(`/${'x'.repeat(99)}`))).status, 200);
    assert.equal((await scene.ask(t, get(`/${'x'.repeat(100)}`))).status, 414);
    assert.equal((await scene.ask(t, get('/', { A: 'x'.repeat(1_500) }))).status, 200);
    assert.equal((await scene.ask(t, get('/', { A: 'x'.repeat(2_500) }))).status, 431);
    const some = (count: number): string =>
      get('/', Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, 'y'])));
    assert.equal((await scene.ask(t, some(9))).status, 200);
    assert.equal((await scene.ask(t, some(10))).status, 431);
  });

  test('a head that does not come to its end is answered with 408', async (t) => {
    const client = await shared.scene().connect(t);
    client.send('GET / HTTP/1.1\r\nHost: a.example\r\n');
    const late = await readResponse(client);
    assert.equal(late.status, 408);
    assert.equal(valueOf(late, 'connection'), 'close');
    assert.equal(await client.endedInSilence(), 'fin');
  });

  test('a head that comes byte by byte has no more time than another', async (t) => {
    const client = await shared.scene().connect(t);
    client.send('GET / HTTP/1.1\r\nHost: a.example\r\nX: ');
    const dripping = setInterval(() => client.send('x'), 20);
    t.after(() => clearInterval(dripping));
    const late = await readResponse(client);
    assert.equal(late.status, 408);
    clearInterval(dripping);
    await client.ended();
  });

  test('content that does not come is answered with 408', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    client.send('POST /waits HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nfour');
    const late = await readResponse(client);
    assert.equal(late.status, 408);
    assert.equal(await client.ended(), 'fin');
  });

  test('content that comes slowly, but comes, is not late', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    client.send('POST /drips HTTP/1.1\r\nHost: a.example\r\nContent-Length: 12\r\n\r\n');
    let left = 12;
    // Together they take longer than the timeout, which is for the time between two pieces.
    const dripping = setInterval(() => {
      if (left-- > 0) {
        client.send('x');
      }
    }, 50);
    t.after(() => clearInterval(dripping));
    assert.equal(seenIn(await readResponse(client)).body, 'x'.repeat(12));
  });
});

test('fields with _ pass where the listener keeps them', async (t) => {
  const scene = await HttpScene.start(t, { http: { underscores: 'keep' } });
  const seen = seenIn(await scene.ask(t, get('/', { user_id: '7' })));
  assert.equal(valueOf(seen, 'user_id'), '7');
});
