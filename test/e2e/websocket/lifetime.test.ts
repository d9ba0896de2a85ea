/**
 * How the gateway ends WebSockets by itself: limits, silence, age, drain (threats row E3).
 *
 * Path: routes with one limit each; both ends of each WebSocket in the test.
 * Invariant under test: the gateway speaks between two frames only, never inside one; both ends get
 * a close frame that says why; pings of the gateway are answered by clients and seen by nobody
 * else.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import type { ByteStream } from '../http/byte-stream.ts';
import { HttpScene, shareHttp } from '../http/http-scene.ts';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  clientFrame,
  endpointFrame,
  PING,
  PONG,
  readCloseCode,
  readFrame,
  TEXT,
} from './frames.ts';
import { handshake, Sockets } from './ws-scene.ts';

const LIMITS: Readonly<Record<string, object>> = {
  '/small': { maxFrame: 1000 },
  '/idle': { idle: '1s' },
  '/counted': { idle: '1s', countPings: true },
  '/pinged': { ping: '1s', pong: '500ms' },
  '/aged': { maxAge: '1s' },
};

/** The end of a WebSocket whose other side broke a limit: a close frame at most. */
async function expectNoFrameButClose(stream: ByteStream): Promise<void> {
  await stream.ended();
  if (stream.held > 0) {
    assert.equal((await readFrame(stream)).opcode, CLOSE);
  }
  assert.equal(stream.held, 0);
}

describe('limits of WebSockets', () => {
  const shared = shareHttp(() => ({
    isRouted: true,
    http: {
      hosts: [
        {
          routes: Object.entries(LIMITS).map(([path, websocket]) => ({
            match: { path },
            cluster: 'app',
            websocket,
          })),
        },
      ],
    },
  }));

  async function open(t: Owner, path: string): ReturnType<Sockets['join']> {
    const scene = shared.scene();
    return new Sockets(scene.origin, path).join(t, scene, { text: handshake(path) });
  }

  test('a frame up to the limit passes, a longer one ends with 1009 on both sides', async (t) => {
    const { client, endpoint } = await open(t, '/small');
    client.send(clientFrame(BINARY, Buffer.alloc(1000)));
    assert.equal((await readFrame(endpoint)).payload.length, 1000);
    client.send(clientFrame(BINARY, Buffer.alloc(1001)));
    assert.equal(await readCloseCode(client), 1009);
    await client.ended();
    await expectNoFrameButClose(endpoint);
  });

  test('a long frame of an endpoint ends the same way', async (t) => {
    const { client, endpoint } = await open(t, '/small');
    endpoint.send(endpointFrame(BINARY, Buffer.alloc(70_000)));
    assert.equal(await readCloseCode(endpoint), 1009);
    await expectNoFrameButClose(client);
  });

  test('a length with its highest bit set ends it', async (t) => {
    const { client } = await open(t, '/small');
    client.send(clientFrame(BINARY, '', { announced: 0x8000_0000_0000_0000n, lengthBytes: 8 }));
    assert.ok([1002, 1009].includes(await readCloseCode(client)));
    await client.ended();
  });

  test('silence ends it, and pings are silence unless they count', async (t) => {
    const { client, endpoint } = await open(t, '/idle');
    const pinging = setInterval(() => client.send(clientFrame(PING, 'p')), 100);
    t.after(() => clearInterval(pinging));
    assert.ok((await readCloseCode(client)) >= 1000);
    clearInterval(pinging);
    await client.ended();
    assert.ok((await readCloseCode(endpoint)) >= 1000);
  });

  test('messages keep it open', async (t) => {
    const { client, endpoint } = await open(t, '/idle');
    // In all twice as long as the limit.
    for (let i = 0; i < 20; i++) {
      client.send(clientFrame(TEXT, `${i}`));
      assert.equal((await readFrame(endpoint)).payload.toString(), `${i}`);
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
    assert.equal(client.end, null);
  });

  test('pings keep it open where they count', async (t) => {
    const { client, endpoint } = await open(t, '/counted');
    for (let i = 0; i < 20; i++) {
      client.send(clientFrame(PING, `${i}`));
      assert.equal((await readFrame(endpoint)).payload.toString(), `${i}`);
      endpoint.send(endpointFrame(PONG, `${i}`));
      assert.equal((await readFrame(client)).payload.toString(), `${i}`);
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
    assert.equal(client.end, null);
  });

  test('the gateway pings a silent client; who answers stays, who does not is closed', async (t) => {
    const { client, endpoint } = await open(t, '/pinged');
    for (let i = 0; i < 2; i++) {
      const ping = await readFrame(client);
      assert.equal(ping.opcode, PING);
      assert.equal(ping.isMasked, false);
      client.send(clientFrame(PONG, ping.payload));
    }
    // Its answers went to the gateway; the endpoint has nothing or pongs, which mean nothing to it.
    client.send(clientFrame(TEXT, 'message'));
    let next = await readFrame(endpoint);
    while (next.opcode === PONG) {
      next = await readFrame(endpoint);
    }
    assert.equal(next.payload.toString(), 'message');
    assert.equal((await readFrame(client)).opcode, PING);
    // No answer now.
    assert.ok((await readCloseCode(client)) >= 1000);
    await client.ended();
    await endpoint.ended();
  });

  test('a ping of the gateway waits for the end of a frame that is under way', async (t) => {
    const { client, endpoint } = await open(t, '/pinged');
    const long = endpointFrame(BINARY, Buffer.alloc(2_000, 0x61));
    endpoint.send(long.subarray(0, 1_000));
    await client.heard(1_000);
    const waiting = new Promise((resolve) => {
      setTimeout(resolve, 1_300);
    });
    await waiting;
    endpoint.send(long.subarray(1_000));
    const whole = await readFrame(client);
    assert.equal(whole.opcode, BINARY);
    assert.equal(whole.payload.length, 2_000);
    assert.ok(whole.payload.every((byte) => byte === 0x61));
  });

  test('age ends it, also while messages flow', async (t) => {
    const { client, endpoint } = await open(t, '/aged');
    const flowing = setInterval(() => endpoint.send(endpointFrame(TEXT, 'm')), 50);
    t.after(() => clearInterval(flowing));
    assert.ok([1001, 1012].includes(await readCloseCode(client)));
    clearInterval(flowing);
    await client.ended();
    assert.ok((await readCloseCode(endpoint)) >= 1000);
  });
});

describe('drain of WebSockets', () => {
  const drain = { readinessDelay: '0s', over: '200ms', grace: '10s' };

  test('both ends get a close frame between two frames, and nothing is lost', async (t) => {
    const scene = await HttpScene.start(t, { drain });
    const { client, endpoint } = await new Sockets(scene.origin).join(t, scene);
    const message = endpointFrame(BINARY, Buffer.alloc(100_000, 0x62));
    endpoint.send(message.subarray(0, 50_000));
    await client.heard(50_000);
    scene.gateway.signal('SIGTERM');
    await scene.gateway.adminUntil('/v1/status', ({ json }) => json.listeners.length === 0);
    endpoint.send(message.subarray(50_000));
    const whole = await readFrame(client);
    assert.equal(whole.payload.length, 100_000);
    assert.ok(whole.payload.every((byte) => byte === 0x62));
    const close = await readFrame(client);
    assert.equal(close.opcode, CLOSE);
    const code = close.payload.readUInt16BE();
    assert.ok([1001, 1012].includes(code), `${code}`);
    assert.ok(close.payload.length > 2, 'it says why');
    client.send(clientFrame(CLOSE, close.payload));
    client.finish();
    assert.ok([1001, 1012].includes(await readCloseCode(endpoint)));
    endpoint.finish();
    assert.deepEqual(await scene.gateway.exited, { code: 0, signal: null });
  });

  test('a fragmented message is not cut by the close', async (t) => {
    const scene = await HttpScene.start(t, { drain });
    const { client, endpoint } = await new Sockets(scene.origin).join(t, scene);
    endpoint.send(endpointFrame(TEXT, 'first', { isFinal: false }));
    assert.equal((await readFrame(client)).payload.toString(), 'first');
    scene.gateway.signal('SIGTERM');
    await scene.gateway.adminUntil('/v1/status', ({ json }) => json.listeners.length === 0);
    // A close may stand between fragments (RFC 6455 5.4), but it stands between frames.
    endpoint.send(endpointFrame(CONTINUATION, 'last'));
    for (let frame = await readFrame(client); ; frame = await readFrame(client)) {
      if (frame.opcode === CLOSE) {
        assert.ok([1001, 1012].includes(frame.payload.readUInt16BE()));
        break;
      }
      assert.equal(frame.payload.toString(), 'last');
    }
    client.finish();
    endpoint.finish();
    assert.deepEqual(await scene.gateway.exited, { code: 0, signal: null });
  });
});

test('reloads of routes close no WebSocket and lose no message', async (t) => {
  const routes = (i: number): object => ({
    hosts: [
      {
        routes: [
          { match: { path: '/ws' }, cluster: 'app', websocket: true },
          { match: { path: `/other-${i}` }, respond: { status: 403 } },
        ],
      },
    ],
  });
  const scene = await HttpScene.start(t, { isRouted: true, shards: 2, http: routes(0) });
  const sockets = new Sockets(scene.origin);
  const joins = [];
  for (let i = 0; i < 50; i++) {
    joins.push(await sockets.join(t, scene));
  }
  const flow = { isOver: false };
  const flows = joins.map(async ({ client, endpoint }) => {
    for (let i = 0; !flow.isOver; i++) {
      client.send(clientFrame(TEXT, `${i}`));
      assert.equal((await readFrame(endpoint)).payload.toString(), `${i}`);
      endpoint.send(endpointFrame(TEXT, `${i}`));
      assert.equal((await readFrame(client)).payload.toString(), `${i}`);
    }
  });
  for (let i = 1; i <= 50; i++) {
    await scene.reload({ http: routes(i) });
  }
  flow.isOver = true;
  await Promise.all(flows);
  assert.ok(joins.every(({ client, endpoint }) => client.end === null && endpoint.end === null));
});
