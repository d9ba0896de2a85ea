/**
 * Content of many megabytes, both ways, and readers that do not keep up.
 *
 * Path: Node's own client and origin behind and before the gateway, and sums of what passed.
 * Invariant under test: every byte arrives once and in order; what a slow reader does not take
 * stays with the sender and its kernel, and the gateway holds no more than its watermarks say.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { Checksum, checksumOf, makeBytes } from '../tcp/pattern.ts';
import { ByteStream } from './byte-stream.ts';
import { seenIn } from './http-origin.ts';
import { get, HttpScene } from './http-scene.ts';
import { readHead, statusOf } from './message.ts';

const MIB = 1024 * 1024;
const SIZE = 48 * MIB;
const CHUNK = 4096;
/** Two watermarks, and one read of each side on its way. */
const HELD_MAX = 2 * (64 * 1024 + 128 * 1024);
const BYTES = makeBytes('http', SIZE);

async function sumOf(stream: IncomingMessage): Promise<string> {
  const sum = new Checksum();
  for await (const piece of stream) {
    sum.add(piece as Buffer);
  }
  return sum.value();
}

/** Answers an upload with its sum and sends the bytes to those who ask for them. */
function answer(asked: IncomingMessage, response: ServerResponse): void {
  if (asked.method === 'POST') {
    void sumOf(asked).then((sum) => response.end(sum));
    return;
  }
  const isChunked = asked.url === '/chunked';
  response.writeHead(200, isChunked ? {} : { 'content-length': `${SIZE}` });
  void pipeline(Readable.from(slices(isChunked ? 12_345 : 65_536)), response).catch(() => {});
}

function* slices(step: number): Generator<Buffer> {
  for (let at = 0; at < SIZE; at += step) {
    yield BYTES.subarray(at, at + step);
  }
}

async function startBulk(owner: Owner): Promise<number> {
  const listening = createServer(answer);
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  owner.after(() => {
    listening.closeAllConnections();
    listening.close();
  });
  const bound = listening.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

function upload(port: number, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', method: 'POST', headers, agent: false });
    asked.once('error', reject);
    asked.once('response', (response) => {
      response.setEncoding('utf8').on('data', resolve);
    });
    pipeline(Readable.from(slices(100_000)), asked).catch(reject);
  });
}

function download(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', path, agent: false });
    asked.once('error', reject);
    asked.once('response', (response) => void sumOf(response).then(resolve, reject));
    asked.end();
  });
}

describe('transfers', () => {
  test('uploads and downloads of both framings arrive whole, many at once', async (t) => {
    const port = await startBulk(t);
    const scene = await HttpScene.start(t, {
      shards: 2,
      app: { endpoints: [`127.0.0.1:${port}`] },
    });
    const sums = await Promise.all([
      upload(scene.port(), { 'content-length': `${SIZE}` }),
      upload(scene.port(), { 'transfer-encoding': 'chunked' }),
      download(scene.port(), '/length'),
      download(scene.port(), '/chunked'),
    ]);
    const wanted = checksumOf(BYTES);
    assert.deepEqual(sums, [wanted, wanted, wanted, wanted]);
  });

  test('a client that does not read holds its origin up, and no memory', async (t) => {
    const port = await startBulk(t);
    const scene = await HttpScene.start(t, { app: { endpoints: [`127.0.0.1:${port}`] } });
    const clients: ByteStream[] = [];
    for (let i = 0; i < 4; i++) {
      const client = await scene.connect(t, { isPaused: true });
      client.send(get(i % 2 === 0 ? '/length' : '/chunked'));
      clients.push(client);
    }
    await scene.counterUntil('paused', (paused) => paused >= clients.length);
    const held = (await scene.counter('pendingChunks')) * CHUNK;
    assert.ok(held <= clients.length * HELD_MAX, `${held} bytes are held`);
    for (const client of clients) {
      client.resume();
      assert.equal(statusOf(await readHead(client)), 200);
      await client.heard(SIZE);
      client.socket.destroy();
    }
  });

  test('an origin that does not read holds its client up, and no memory', async (t) => {
    const scene = await HttpScene.start(t);
    const gate = Promise.withResolvers<void>();
    scene.origin.on('/slow', async (request) => {
      request.stream.pause();
      await gate.promise;
      request.stream.resume();
      const { body } = await request.content();
      request.reply({ body: checksumOf(body) });
    });
    const client = await scene.connect(t);
    client.send(`POST /slow HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${SIZE}\r\n\r\n`);
    const sent = client.sendAll(BYTES);
    await scene.counterUntil('paused', (paused) => paused >= 1);
    const held = (await scene.counter('pendingChunks')) * CHUNK;
    assert.ok(held <= HELD_MAX, `${held} bytes are held`);
    // Nobody else notices.
    assert.equal(seenIn(await scene.ask(t, get('/canary'))).target, '/canary');
    gate.resolve();
    await sent;
    await readHead(client);
    assert.equal((await client.take(16)).toString('latin1'), checksumOf(BYTES));
  });

  test('when the memory cap is reached everybody is served in the end', async (t) => {
    const port = await startBulk(t);
    const scene = await HttpScene.start(t, {
      limits: { memory: '1MiB' },
      app: { endpoints: [`127.0.0.1:${port}`] },
    });
    const slow: ByteStream[] = [];
    for (let i = 0; i < 24; i++) {
      const client = await scene.connect(t, { isPaused: true });
      client.send(get('/length'));
      slow.push(client);
    }
    await scene.counterUntil('paused', (paused) => paused >= slow.length);
    const held = (await scene.counter('pendingChunks')) * CHUNK;
    assert.ok(held <= MIB + 256 * 1024, `${held} bytes are held`);
    assert.equal(await download(scene.port(), '/length'), checksumOf(BYTES));
    for (const client of slow.slice(4)) {
      client.socket.destroy();
    }
    for (const client of slow.slice(0, 4)) {
      client.resume();
      await client.heard(SIZE);
      assert.equal(client.end, null);
      client.socket.destroy();
    }
  });
});
