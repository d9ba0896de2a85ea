/**
 * The same exchanges through TLS on either side.
 *
 * Path: a listener with a certificate, and a cluster whose endpoint has one.
 * Invariant under test: TLS changes what the origin is told of the scheme and nothing else; content
 * that was cut off without close_notify does not look whole.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { makeDirectory } from '../harness.ts';
import { makeBytes } from '../tcp/pattern.ts';
import { Authority, writePair, writeText } from '../tls/authority.ts';
import { RecordPeer, SocketOrigin } from '../tls/record-peer.ts';
import { DATA } from '../tls/wire-keys.ts';
import { ByteStream } from './byte-stream.ts';
import { seenIn } from './http-origin.ts';
import { get, HttpScene, requestOf } from './http-scene.ts';
import { readResponse, valueOf } from './message.ts';

describe('HTTP with TLS', () => {
  test('a listener with a certificate serves many requests on one connection', async (t) => {
    const directory = makeDirectory(t);
    const root = Authority.root('Root of HTTP', 'ec');
    const pair = root.issue({ name: 'a.example', altNames: ['a.example'], kind: 'ec' });
    const certificate = writePair(directory, 'front', pair);
    const scene = await HttpScene.start(t, { web: { tls: { certificates: [certificate] } } });
    const tls = { ca: root.cert, name: 'a.example' };
    const client = await ByteStream.connect(t, { port: scene.port(), tls });
    const body = makeBytes('tls', 200_000).toString('latin1');
    for (let i = 0; i < 10; i++) {
      client.send(requestOf('POST', `/${i}`, { body: body.slice(i) }));
      const seen = seenIn(await readResponse(client));
      assert.equal(seen.body === body.slice(i), true);
      assert.equal(valueOf(seen, 'x-forwarded-proto'), 'https');
    }
    client.send(get('/bad', { Host: 'b, c' }));
    assert.equal((await readResponse(client)).status, 400);
    assert.equal(await client.ended(), 'fin');
  });

  test('an endpoint with a certificate is asked through TLS, on kept connections', async (t) => {
    const directory = makeDirectory(t);
    const root = Authority.root('Root of origins', 'ec');
    const pair = root.issue({
      name: 'localhost',
      altNames: ['localhost', '127.0.0.1'],
      kind: 'ec',
    });
    const origin = createServer({ cert: pair.cert, key: pair.key }, (request, response) => {
      const { remotePort } = request.socket;
      request.resume().on('end', () => response.end(`${remotePort}`));
    });
    origin.listen(0, '127.0.0.1');
    await once(origin, 'listening');
    t.after(() => {
      origin.closeAllConnections();
      origin.close();
    });
    const bound = origin.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const scene = await HttpScene.start(t, {
      app: {
        endpoints: [`127.0.0.1:${port}`],
        tls: { ca: writeText(directory, 'ca.pem', root.cert), serverName: 'localhost' },
      },
    });
    const ports = new Set<string>();
    const client = await scene.connect(t);
    for (let i = 0; i < 10; i++) {
      client.send(requestOf('POST', '/', { body: 'b'.repeat(i * 5_000) }));
      const response = await readResponse(client);
      assert.equal(response.status, 200);
      ports.add(response.text);
    }
    assert.equal(ports.size, 1);
  });

  test('a reload that changes the TLS of a cluster closes its unused connections', async (t) => {
    const directory = makeDirectory(t);
    const root = Authority.root('Root of origins', 'ec');
    const names = ['one.example', 'two.example'];
    const pair = root.issue({ name: 'one.example', altNames: names, kind: 'ec' });
    const connections: { readonly name: string; readonly closed: Promise<unknown> }[] = [];
    const origin = createServer({ cert: pair.cert, key: pair.key }, (_, response) => {
      response.end(`${connections.length}`);
    });
    origin.on('secureConnection', (socket: TLSSocket) => {
      connections.push({ name: `${socket.servername}`, closed: once(socket, 'close') });
    });
    origin.listen(0, '127.0.0.1');
    await once(origin, 'listening');
    t.after(() => {
      origin.closeAllConnections();
      origin.close();
    });
    const bound = origin.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const ca = writeText(directory, 'ca.pem', root.cert);
    const appOf = (serverName: string): object => ({
      endpoints: [`127.0.0.1:${port}`],
      tls: { ca, serverName },
    });
    const scene = await HttpScene.start(t, { app: appOf('one.example') });
    const client = await scene.connect(t);
    const ask = async (): Promise<string> => {
      client.send(get());
      return (await readResponse(client)).text;
    };
    assert.equal(await ask(), '1');
    // A reload that changes something else leaves the connection where it is.
    await scene.reload({ app: appOf('one.example'), web: { accessLog: false } });
    assert.equal(await ask(), '1');
    await scene.reload({ app: appOf('two.example') });
    await connections[0]?.closed;
    assert.equal(await ask(), '2');
    assert.deepEqual(
      connections.map(({ name }) => name),
      names,
    );
  });

  test('an answer counts although its endpoint breaks a rule of TLS behind it', async (t) => {
    const directory = makeDirectory(t);
    const root = Authority.root('Root of origins', 'ec');
    const pair = root.issue({ name: 'localhost', kind: 'ec' });
    const origin = await SocketOrigin.start(t);
    t.after(() => origin.cut());
    const scene = await HttpScene.start(t, {
      app: {
        endpoints: [origin.address],
        tls: { ca: writeText(directory, 'ca.pem', root.cert), serverName: 'localhost' },
      },
    });
    const client = await scene.connect(t);
    for (const text of ['first', 'second']) {
      client.send(get());
      const peer = await RecordPeer.answer(t, await origin.next(), {
        cert: pair.cert,
        key: pair.key,
      });
      await peer.take('GET / HTTP/1.1\r\n'.length);
      const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
      await peer.sendRaw(Buffer.concat([peer.seal(DATA, answer), Buffer.from('not a record')]));
      assert.equal((await readResponse(client)).text, text);
      assert.equal(await peer.outcome(), 'alert 10');
    }
  });
});
