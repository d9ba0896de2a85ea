/**
 * WebSockets of clients that come with TLS.
 *
 * Path: a listener with a certificate whose records are detached, an endpoint without TLS.
 * Invariant under test: frames arrive byte for byte through records; what the gateway says itself
 * (a refusal, a close of a drain) goes through them too, and the end is a close_notify.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeDirectory, type Owner } from '../harness.ts';
import { ByteStream } from '../http/byte-stream.ts';
import { HttpScene } from '../http/http-scene.ts';
import { readResponse } from '../http/message.ts';
import { checksumOf, makeBytes } from '../tcp/pattern.ts';
import { Authority, writePair } from '../tls/authority.ts';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  clientFrame,
  endpointFrame,
  readCloseCode,
  readFrame,
  TEXT,
} from './frames.ts';
import { handshake, Sockets } from './ws-scene.ts';

const MIB = 1024 * 1024;

interface Opened {
  readonly scene: HttpScene;
  readonly client: ByteStream;
  readonly endpoint: ByteStream;
}

async function open(owner: Owner, validate: boolean): Promise<Opened> {
  const directory = makeDirectory(owner);
  const root = Authority.root('Root of WebSockets', 'ec');
  const pair = root.issue({ name: 'a.example', altNames: ['a.example'], kind: 'ec' });
  const certificate = writePair(directory, 'front', pair);
  const scene = await HttpScene.start(owner, {
    isRouted: true,
    drain: { readinessDelay: '0s', over: '0s', grace: '10s' },
    web: { tls: { certificates: [certificate] } },
    http: {
      hosts: [{ routes: [{ match: { path: '/ws' }, cluster: 'app', websocket: { validate } }] }],
    },
  });
  const sockets = new Sockets(scene.origin);
  const tls = { ca: root.cert, name: 'a.example' };
  const client = await ByteStream.connect(owner, { port: scene.port(), tls });
  client.send(handshake());
  assert.equal((await readResponse(client)).status, 101);
  const { stream } = await sockets.next();
  return { scene, client, endpoint: stream };
}

describe('WebSockets with TLS', () => {
  for (const validate of [false, true]) {
    test(`megabytes pass both ways, ${validate ? 'validated' : 'as they are'}`, async (t) => {
      const { client, endpoint } = await open(t, validate);
      const payload = makeBytes('secure', MIB);
      const up = Buffer.concat([
        clientFrame(BINARY, payload, { isFinal: false }),
        clientFrame(CONTINUATION, payload),
        clientFrame(TEXT, 'behind'),
      ]);
      const down = Buffer.concat([endpointFrame(BINARY, payload), endpointFrame(TEXT, 'behind')]);
      const sent = Promise.all([client.sendAll(up), endpoint.sendAll(down)]);
      assert.equal(checksumOf(await endpoint.take(up.length)), checksumOf(up));
      assert.equal(checksumOf(await client.take(down.length)), checksumOf(down));
      await sent;
    });
  }

  test('a violation is closed with 1002, and the connection with it', async (t) => {
    const { client } = await open(t, true);
    client.send(clientFrame(3, 'x'));
    assert.equal(await readCloseCode(client), 1002);
    assert.equal(await client.ended(), 'fin');
  });

  test('a drain closes it with a frame', async (t) => {
    const { scene, client, endpoint } = await open(t, false);
    endpoint.send(endpointFrame(TEXT, 'last'));
    assert.equal((await readFrame(client)).payload.toString(), 'last');
    scene.gateway.signal('SIGTERM');
    const code = await readCloseCode(client);
    assert.ok([1001, 1012].includes(code), `${code}`);
    client.send(clientFrame(CLOSE, Buffer.from([code >> 8, code & 255])));
    client.finish();
    await readCloseCode(endpoint);
    endpoint.finish();
    assert.deepEqual(await scene.gateway.exited, { code: 0, signal: null });
  });
});
