/**
 * holdfast/compression through a gateway: which responses are compressed, what their heads say, and
 * the stream through the compressors.
 *
 * Path: client -> policies of the core -> origin -> compressor -> client; contents are read with
 * the zlib of Node.
 * Invariant under test: what a client decodes is what the origin sent, and a response that the
 * origin broke off never looks whole.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  brotliDecompressSync,
  constants,
  createGunzip,
  gunzipSync,
  zstdDecompressSync,
} from 'node:zlib';
import type { ByteStream } from '../http/byte-stream.ts';
import { seenIn } from '../http/http-origin.ts';
import { chunked, get, requestOf } from '../http/http-scene.ts';
import { type Response, readHead, readResponse, valueOf, valuesOf } from '../http/message.ts';
import { routesOf, shareFilters } from './filter-scene.ts';

const KIB = 1024;
const TYPE = ['Content-Type', 'text/plain'] as const;

function use(config: object = {}): { use: string; with: object } {
  return { use: 'holdfast/compression', with: config };
}

const { scene } = shareFilters({}, () => ({
  isRouted: true,
  web: { limits: { buffer: { high: '64KiB', low: '16KiB' } } },
  http: routesOf([
    { path: '/all', filters: [use()] },
    { path: '/small', filters: [use({ level: 'small', algorithms: ['gzip', 'br', 'zstd'] })] },
    { path: '/hidden', filters: [use({ removeAcceptEncoding: true, minBytes: 0 })] },
    { path: '/plain' },
  ]),
}));

/** Text that compresses, and is nowhere the same. */
function textOf(bytes: number): Buffer {
  const lines: string[] = [];
  for (let i = 0, length = 0; length < bytes; i++) {
    const line = `line ${i} of a text, ${(i * 2654435761) % 4294967296}\n`;
    lines.push(line);
    length += line.length;
  }
  return Buffer.from(lines.join('')).subarray(0, bytes);
}

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
};

function decoded(response: Response): Buffer {
  const decode = DECODERS[valueOf(response, 'content-encoding') ?? ''];
  return decode === undefined ? response.body : decode(response.body);
}

/** Sends a body as the framing has it; without one, the connection ends it. */
function sendBody(framing: 'length' | 'chunked' | 'close', body: Uint8Array): string {
  if (framing === 'length') return `Content-Length: ${body.length}\r\n`;
  return framing === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : 'Connection: close\r\n';
}

test('every algorithm, framing and size decodes to what the origin sent', async (t) => {
  const bodies = [textOf(2 * KIB), textOf(100 * KIB), textOf(1024 * KIB), randomBytes(300 * KIB)];
  let body = bodies[0] ?? Buffer.alloc(0);
  let framing: 'length' | 'chunked' | 'close' = 'length';
  for (const path of ['/all', '/small']) {
    scene().origin.on(path, (request) => {
      request.send(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n${sendBody(framing, body)}\r\n`);
      if (framing !== 'chunked') request.send(body);
      else request.send(Buffer.from(chunked([body.toString('latin1')]), 'latin1'));
      if (framing === 'close') request.stream.finish();
    });
  }
  const framings = ['length', 'chunked', 'close'] as const;
  const turns = ['/all', '/small'].flatMap((path) =>
    ['gzip', 'br', 'zstd'].flatMap((coding) =>
      framings.flatMap((how) => bodies.map((bytes) => ({ path, coding, how, bytes }))),
    ),
  );
  for (const turn of turns) {
    body = turn.bytes;
    framing = turn.how;
    const response = await scene().ask(t, get(turn.path, { 'Accept-Encoding': turn.coding }));
    assert.equal(valueOf(response, 'content-encoding'), turn.coding);
    assert.equal(response.framing, 'chunked');
    assert.equal(valueOf(response, 'vary'), 'Accept-Encoding');
    const { path, coding, how } = turn;
    assert.ok(decoded(response).equals(body), `${path} ${coding} ${how} ${body.length}`);
  }
});

test('ten MiB to a slow client: bounded memory on the way', async (t) => {
  const body = randomBytes(7 * 1024 * KIB).toString('base64');
  scene().origin.on('/all', (request) => request.reply({ fields: [TYPE], body }));
  const client = await scene().connect(t, { isPaused: true });
  client.send(get('/all', { 'Accept-Encoding': 'gzip' }));
  await scene().counterUntil('paused', (value) => value > 0);
  const { json } = await scene().gateway.admin('GET', '/v1/connections');
  const [held] = json.connections.map((each: { pendingBytes: number }) => each.pendingBytes);
  assert.ok(held >= 64 * KIB && held <= 128 * KIB, `${held} bytes wait`);
  client.resume();
  const response = await readResponse(client);
  assert.ok(decoded(response).equals(Buffer.from(body)));
  assert.ok(response.body.length < body.length);
});

test('pipelined requests are answered in order, each in its own coding', async (t) => {
  const body = textOf(40 * KIB);
  scene().origin.on('/all', (request) => request.reply({ fields: [TYPE], body }));
  const client = await scene().connect(t);
  const codings = ['gzip', 'identity', 'br', 'zstd', 'gzip'];
  client.send(codings.map((coding) => get('/all', { 'Accept-Encoding': coding })).join(''));
  for (const coding of codings) {
    const response = await readResponse(client);
    const expected = coding === 'identity' ? undefined : coding;
    assert.equal(valueOf(response, 'content-encoding'), expected);
    assert.ok(decoded(response).equals(body));
  }
});

test('events come one by one', async (t) => {
  const said = Promise.withResolvers<ByteStream>();
  scene().origin.on('/all', async (request) => {
    request.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n');
    request.send('Transfer-Encoding: chunked\r\n\r\n');
    said.resolve(request.stream);
    await request.stream.ended();
  });
  const client = await scene().connect(t);
  client.send(get('/all', { 'Accept-Encoding': 'gzip' }));
  const origin = await said.promise;
  const head = await readHead(client);
  assert.equal(valueOf(head, 'content-encoding'), 'gzip');
  const gunzip = createGunzip({ flush: constants.Z_SYNC_FLUSH });
  for (let i = 0; i < 20; i++) {
    const event = `data: number ${i}\n\n`;
    origin.send(`${event.length.toString(16)}\r\n${event}\r\n`);
    // Each event is whole before the next one is sent.
    let got = '';
    while (got.length < event.length) {
      const size = Number.parseInt((await client.line()).trim(), 16);
      gunzip.write(await client.take(size));
      await client.line();
      await new Promise<void>((resolve) => gunzip.flush(resolve));
      got += (gunzip.read() ?? '').toString();
    }
    assert.equal(got, event);
  }
  client.reset();
});

test('what the origin breaks off is broken off for the client', async (t) => {
  const body = textOf(64 * KIB);
  scene().origin.on('/all', (request) => {
    const framing = request.target.endsWith('chunked')
      ? 'Transfer-Encoding: chunked\r\n\r\n40000\r\n'
      : 'Content-Length: 262144\r\n\r\n';
    request.send(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n${framing}`);
    request.send(body);
    request.stream.finish();
  });
  for (const how of ['length', 'chunked']) {
    for (const coding of ['gzip', 'br', 'zstd']) {
      const client = await scene().connect(t);
      client.send(get(`/all?${how}`, { 'Accept-Encoding': coding }));
      const head = await readHead(client);
      assert.equal(valueOf(head, 'content-encoding'), coding);
      assert.equal(await client.ended(), 'ECONNRESET');
    }
  }
});

test('HEAD and 304 say what GET says', async (t) => {
  const body = textOf(4 * KIB);
  const fields = [TYPE, ['ETag', '"one"'], ['Accept-Ranges', 'bytes']] as const;
  scene().origin.on('/all', (request) => {
    const isKnown = valuesOf(request.head, 'if-none-match').length > 0;
    if (isKnown) request.send('HTTP/1.1 304 Not Modified\r\nETag: "one"\r\n\r\n');
    else request.reply({ fields, body });
  });
  const accept = { 'Accept-Encoding': 'br' };
  const whole = await scene().ask(t, get('/all', accept));
  const head = await scene().ask(t, requestOf('HEAD', '/all', { fields: accept }));
  for (const response of [whole, head]) {
    assert.equal(valueOf(response, 'content-encoding'), 'br');
    assert.equal(valueOf(response, 'etag'), 'W/"one"');
    assert.equal(valueOf(response, 'vary'), 'Accept-Encoding');
    assert.equal(valueOf(response, 'accept-ranges'), undefined);
    assert.equal(valueOf(response, 'content-length'), undefined);
  }
  const known = await scene().ask(t, get('/all', { ...accept, 'If-None-Match': 'W/"one"' }));
  assert.equal(known.status, 304);
  assert.equal(valueOf(known, 'etag'), 'W/"one"');
  assert.equal(valueOf(known, 'vary'), 'Accept-Encoding');
  assert.equal(valueOf(known, 'content-encoding'), undefined);
});

test('fields that would be wrong go, in trailers too', async (t) => {
  const text = textOf(2 * KIB).toString();
  scene().origin.on('/all', (request) => {
    request.send('HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n');
    request.send('Digest: sha-256=a\r\nContent-MD5: b\r\nVary: Origin\r\nETag: W/"w"\r\n');
    request.send('Trailer: X-Sum, Repr-Digest\r\nTransfer-Encoding: chunked\r\n\r\n');
    request.send(`${text.length.toString(16)}\r\n${text}\r\n0\r\n`);
    request.send('X-Sum: 7\r\nRepr-Digest: sha-256=:c:\r\n\r\n');
  });
  const response = await scene().ask(t, get('/all', { 'Accept-Encoding': 'gzip' }));
  assert.equal(decoded(response).toString(), text);
  assert.deepEqual(valuesOf(response, 'vary'), ['Origin', 'Accept-Encoding']);
  assert.equal(valueOf(response, 'etag'), 'W/"w"');
  for (const gone of ['digest', 'content-md5']) assert.deepEqual(valuesOf(response, gone), []);
  assert.deepEqual(response.trailers, [['X-Sum', '7']]);
});

test('responses that are left as they are', async (t) => {
  const body = textOf(2 * KIB);
  const cases: readonly (readonly [string, string, object, readonly string[]])[] = [
    // What the origin says; what the client adds; what Vary says then.
    ['short', 'Content-Type: text/plain\r\nContent-Length: 1000\r\n', {}, []],
    ['image', 'Content-Type: image/png\r\nContent-Length: 2048\r\n', {}, []],
    ['no type', 'Content-Length: 2048\r\n', {}, []],
    ['coded', 'Content-Type: text/a\r\nContent-Encoding: x\r\nContent-Length: 2048\r\n', {}, []],
    [
      'no-transform',
      'Content-Type: text/a\r\nCache-Control: public, no-transform\r\nContent-Length: 2048\r\n',
      {},
      [],
    ],
    [
      'range',
      'Content-Type: text/a\r\nContent-Length: 2048\r\n',
      { Range: 'bytes=0-' },
      ['Accept-Encoding'],
    ],
    [
      'asked',
      'Content-Type: text/a\r\nContent-Length: 2048\r\n',
      { 'Cache-Control': 'no-transform' },
      ['Accept-Encoding'],
    ],
    [
      'varied',
      'Content-Type: text/a\r\nVary: accept-encoding\r\nContent-Length: 2048\r\n',
      { Range: 'bytes=0-' },
      ['accept-encoding'],
    ],
  ];
  let head = '';
  scene().origin.on('/all', (request) => {
    const length = Number(/Content-Length: (\d+)/.exec(head)?.[1]);
    request.send(`HTTP/1.1 200 OK\r\n${head}\r\n`);
    request.send(body.subarray(0, length));
  });
  for (const [what, said, asked, vary] of cases) {
    head = said;
    const response = await scene().ask(t, get('/all', { 'Accept-Encoding': 'gzip', ...asked }));
    assert.equal(response.framing, 'length', what);
    assert.ok(body.subarray(0, response.body.length).equals(response.body), what);
    assert.deepEqual(valuesOf(response, 'vary'), vary, what);
  }
  head = 'Content-Type: text/a\r\nContent-Length: 2048\r\n';
  const old = await scene().ask(t, 'GET /all HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n');
  assert.equal(valueOf(old, 'content-encoding'), undefined);
  const none = await scene().ask(t, get('/all'));
  assert.equal(valueOf(none, 'content-encoding'), undefined);
  assert.equal(valueOf(none, 'vary'), 'Accept-Encoding');
  const plain = await scene().ask(t, get('/plain', { 'Accept-Encoding': 'gzip' }));
  assert.deepEqual(valuesOf(plain, 'vary'), []);
});

test('the client likes, then the gateway', async (t) => {
  scene().origin.on('/all', (request) => request.reply({ fields: [TYPE], body: textOf(2 * KIB) }));
  const table: readonly (readonly [string, string | undefined])[] = [
    ['gzip, br, zstd', 'zstd'],
    ['gzip, br', 'br'],
    ['gzip;q=1, br;q=0.9', 'gzip'],
    ['*', 'zstd'],
    ['*;q=0.5, gzip', 'gzip'],
    ['zstd;q=0, *', 'br'],
    ['zstd;q=0, br;q=0, *;q=0', undefined],
    ['identity', undefined],
    ['identity;q=1, gzip;q=0.5', undefined],
    ['identity;q=0, gzip;q=0.001', 'gzip'],
    ['deflate, compress', undefined],
    ['X-GZip', 'gzip'],
    ['gzip;q=2', undefined],
    ['gzip ; Q=0.5 , ,', 'gzip'],
    ['', undefined],
  ];
  for (const [accept, coding] of table) {
    const response = await scene().ask(t, get('/all', { 'Accept-Encoding': accept }));
    assert.equal(valueOf(response, 'content-encoding'), coding, accept);
    assert.equal(valueOf(response, 'vary'), 'Accept-Encoding', accept);
  }
});

test('the endpoint need not know', async (t) => {
  const response = await scene().ask(t, get('/hidden', { 'Accept-Encoding': 'gzip' }));
  assert.equal(response.status, 200);
  assert.deepEqual(
    valuesOf(seenIn({ ...response, text: decoded(response).toString() }), 'accept-encoding'),
    [],
  );
});

test('counted by algorithm; nothing is left', async (t) => {
  const body = textOf(8 * KIB);
  scene().origin.on('/hidden', (request) => request.reply({ fields: [TYPE], body }));
  const response = await scene().ask(t, get('/hidden', { 'Accept-Encoding': 'br' }));
  const { text } = await scene().gateway.counted('/metrics?scope=filter');
  const bytes = (direction: string): number => {
    const line = new RegExp(
      `holdfast_compression_bytes_total\\{[^}]*site="web/hidden",algorithm="br",direction="${direction}"\\} (\\d+)`,
    );
    return Number(line.exec(text)?.[1]);
  };
  assert.equal(bytes('in'), body.length);
  assert.equal(bytes('out'), response.body.length);
  assert.match(
    text,
    /holdfast_compression_responses_total\{[^}]*site="web\/hidden",algorithm="br"\} 1\n/,
  );
  assert.match(text, /holdfast_compression_skipped_total\{[^}]*site="web\/hidden"\} 0\n/);
});
