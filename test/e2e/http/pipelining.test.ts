/**
 * Requests that are sent without waiting for responses (RFC 9112 9.3.2).
 *
 * Path: one write of a client, and what the origin and the client see of it.
 * Invariant under test: responses come in the order of the requests, whatever the origin took for
 * each; nothing behind a request that is refused is run; a client that reads nothing is not read.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seenIn } from './http-origin.ts';
import { chunked, get, requestOf, shareHttp } from './http-scene.ts';
import { readResponse, valueOf } from './message.ts';

const MANY = 1_000;
const BAD =
  'GET /bad HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n';

describe('pipelining', () => {
  const shared = shareHttp(() => ({ http: { limits: { requests: 2_000 } } }));

  test('a thousand requests in one write are answered in their order', async (t) => {
    const client = await shared.scene().connect(t);
    client.send(Array.from({ length: MANY }, (_, i) => get(`/many/${i}`)).join(''));
    for (let i = 0; i < MANY; i++) {
      assert.equal(seenIn(await readResponse(client)).target, `/many/${i}`);
    }
    assert.equal(client.held, 0);
    assert.equal(client.end, null);
  });

  test('an error in the middle ends the connection; nothing behind it is run', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    const half = MANY / 2;
    const good = (from: string): string =>
      Array.from({ length: half }, (_, i) => get(`/${from}/${i}`)).join('');
    client.send(`${good('before')}${BAD}${good('behind')}`);
    for (let i = 0; i < half; i++) {
      assert.equal(seenIn(await readResponse(client)).target, `/before/${i}`);
    }
    const refused = await readResponse(client);
    assert.equal(refused.status, 400);
    assert.equal(valueOf(refused, 'connection'), 'close');
    assert.equal(await client.endedInSilence(), 'fin');
    assert.deepEqual(
      scene.origin.seen.filter((line) => /^GET \/(?:bad|behind)/.test(line)),
      [],
    );
  });

  test('content of every form stays with its request', async (t) => {
    const client = await shared.scene().connect(t);
    const head = 'POST /form HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n';
    const bodies = Array.from({ length: 60 }, (_, i) => `${i}-`.repeat(i * 7));
    const requests = bodies.map((body, i) => {
      const cut = body.length / 3;
      const pieces = [body.slice(0, cut), body.slice(cut)].filter((piece) => piece !== '');
      return i % 2 === 0 ? requestOf('POST', '/form', { body }) : `${head}${chunked(pieces)}`;
    });
    client.send(`${requests.join('')}${get('/last')}`);
    for (const body of bodies) {
      assert.equal(seenIn(await readResponse(client)).body, body);
    }
    assert.equal(seenIn(await readResponse(client)).target, '/last');
  });

  test('requests that come byte by byte are the same', async (t) => {
    const client = await shared.scene().connect(t);
    const head = 'POST /bytes HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n';
    const all = `${requestOf('POST', '/bytes', { body: 'one' })}${head}${chunked(['t', 'wo'])}`;
    for (const byte of all) {
      await client.sendAll(byte);
    }
    assert.equal(seenIn(await readResponse(client)).body, 'one');
    assert.equal(seenIn(await readResponse(client)).body, 'two');
  });

  test('what a slow first response holds up is in order and complete', async (t) => {
    const scene = shared.scene();
    const gate = Promise.withResolvers<void>();
    scene.origin.on('/slow', async (request) => {
      await gate.promise;
      request.reply({ body: 'slow' });
    });
    const client = await scene.connect(t);
    client.send(get('/slow') + get('/fast') + get('/faster'));
    await scene.origin.whenSeen('GET /slow');
    // Others are not held up by it.
    assert.equal(seenIn(await scene.ask(t, get('/other'))).target, '/other');
    assert.equal(client.received, 0);
    gate.resolve();
    assert.equal((await readResponse(client)).text, 'slow');
    assert.equal(seenIn(await readResponse(client)).target, '/fast');
    assert.equal(seenIn(await readResponse(client)).target, '/faster');
  });

  test('a client that sends and never reads is not read for ever', async (t) => {
    const scene = shared.scene();
    const big = 'b'.repeat(256 * 1024);
    scene.origin.on('/big', (request) => request.reply({ body: big }));
    const client = await scene.connect(t, { isPaused: true });
    const requests = 200;
    client.send(Array.from({ length: requests }, () => get('/big')).join(''));
    const reads = await scene.counter('unbufferedReads');
    assert.ok(reads >= 0);
    await scene.origin.whenSeen('GET /big');
    const held = await scene.counter('pendingChunks');
    assert.ok(held * 4096 <= 512 * 1024, `${held} chunks are held`);
    // The origin is not asked for what nobody takes: the kernel's buffers are all there is.
    assert.ok(scene.origin.seen.filter((line) => line === 'GET /big').length < requests);
    client.resume();
    for (let i = 0; i < requests; i++) {
      assert.equal((await readResponse(client)).body.length, big.length);
    }
  });

  test('requests behind Connection: close are not run', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t);
    client.send(get('/first') + get('/final', { Connection: 'close' }) + get('/never'));
    assert.equal(seenIn(await readResponse(client)).target, '/first');
    assert.equal(seenIn(await readResponse(client)).target, '/final');
    assert.equal(await client.endedInSilence(), 'fin');
    assert.equal(scene.origin.seen.includes('GET /never'), false);
  });
});
