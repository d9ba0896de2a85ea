/**
 * What passes through an open WebSocket: every byte of every frame, both ways, and how it ends
 * (threats rows E1, E3).
 *
 * Path: both ends in the test; frames of all forms, cut anywhere, under back-pressure.
 * Invariant under test: bytes are the same on both sides and in order; what nobody reads stays with
 * its sender; FIN and RST arrive as what they are.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { shareHttp } from '../http/http-scene.ts';
import { checksumOf, Dice, makeBytes } from '../tcp/pattern.ts';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  clientFrame,
  closePayload,
  endpointFrame,
  PING,
  PONG,
  readFrame,
  TEXT,
} from './frames.ts';
import { Sockets } from './ws-scene.ts';

const MIB = 1024 * 1024;
const CHUNK = 4096;
const HELD_MAX = 2 * (64 * 1024 + 128 * 1024);
const LENGTHS = [0, 1, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537, 200_000];

/** A run of frames as clients or endpoints may send them. */
function traffic(make: typeof clientFrame, seed: number, bytes: number): Buffer {
  const dice = new Dice(seed);
  const frames: Buffer[] = [];
  for (let made = 0; made < bytes; ) {
    const pieces = 1 + dice.below(4);
    for (let i = 0; i < pieces; i++) {
      const length = dice.below(5) === 0 ? dice.below(100_000) : dice.below(300);
      const opcode = i === 0 ? BINARY : CONTINUATION;
      const payload = makeBytes(`${seed}-${made}`, length);
      frames.push(make(opcode, payload, { isFinal: i === pieces - 1 }));
      made += length + 2;
      if (dice.below(4) === 0) {
        frames.push(make(dice.below(2) === 0 ? PING : PONG, `p${made}`));
      }
    }
  }
  return Buffer.concat(frames);
}

describe('tunnels', () => {
  const shared = shareHttp(() => ({ shards: 2 }));

  test('frames of every length arrive as they are', async (t) => {
    const scene = shared.scene();
    const { client, endpoint } = await new Sockets(scene.origin).join(t, scene);
    for (const length of LENGTHS) {
      const payload = makeBytes('length', length);
      const asked = clientFrame(BINARY, payload);
      client.send(asked);
      assert.equal(checksumOf(await endpoint.take(asked.length)), checksumOf(asked));
      const answered = endpointFrame(BINARY, payload);
      endpoint.send(answered);
      assert.equal(checksumOf(await client.take(answered.length)), checksumOf(answered));
    }
  });

  test('fragments, and control frames between them, arrive at every cut', async (t) => {
    const scene = shared.scene();
    const frames = (make: typeof clientFrame): Buffer =>
      Buffer.concat([
        make(TEXT, 'first ', { isFinal: false }),
        make(PING, 'in between'),
        make(CONTINUATION, 'second ', { isFinal: false }),
        make(PONG, ''),
        make(CONTINUATION, 'last'),
        make(BINARY, makeBytes('cut', 130)),
      ]);
    const { client, endpoint } = await new Sockets(scene.origin).join(t, scene);
    const up = frames(clientFrame);
    const down = frames(endpointFrame);
    for (let at = 1; at < up.length; at += 3) {
      await client.sendAll(up.subarray(0, at));
      await client.sendAll(up.subarray(at));
      await endpoint.sendAll(down.subarray(0, Math.min(at, down.length)));
      await endpoint.sendAll(down.subarray(Math.min(at, down.length)));
      assert.deepEqual(await endpoint.take(up.length), up);
      assert.deepEqual(await client.take(down.length), down);
    }
    for (const byte of up) {
      await client.sendAll(Uint8Array.of(byte));
    }
    assert.deepEqual(await endpoint.take(up.length), up);
  });

  test('megabytes in both directions at once arrive whole, many sockets beside each other', async (t) => {
    const scene = shared.scene();
    const sockets = new Sockets(scene.origin);
    const joins = [];
    for (let i = 0; i < 4; i++) {
      joins.push(await sockets.join(t, scene));
    }
    await Promise.all(
      joins.map(async ({ client, endpoint }, i) => {
        const up = traffic(clientFrame, i + 1, 4 * MIB);
        const down = traffic(endpointFrame, i + 101, 4 * MIB);
        const sent = Promise.all([client.sendAll(up), endpoint.sendAll(down)]);
        const [gotUp, gotDown] = await Promise.all([
          endpoint.take(up.length),
          client.take(down.length),
        ]);
        await sent;
        assert.equal(checksumOf(gotUp), checksumOf(up));
        assert.equal(checksumOf(gotDown), checksumOf(down));
      }),
    );
  });

  for (const side of ['client', 'endpoint'] as const) {
    test(`a ${side} that does not read holds the other end up, and no memory`, async (t) => {
      const scene = shared.scene();
      const joined = await new Sockets(scene.origin).join(t, scene);
      const reader = joined[side];
      const writer = joined[side === 'client' ? 'endpoint' : 'client'];
      const bytes = traffic(side === 'client' ? endpointFrame : clientFrame, 7, 24 * MIB);
      reader.pause();
      const sent = writer.sendAll(bytes);
      await scene.counterUntil('paused', (paused) => paused >= 1);
      const held = (await scene.counter('pendingChunks')) * CHUNK;
      assert.ok(held <= HELD_MAX, `${held} bytes are held`);
      // The other direction is free.
      const back = side === 'client' ? clientFrame(TEXT, 'back') : endpointFrame(TEXT, 'back');
      reader.send(back);
      assert.equal((await readFrame(writer)).payload.toString(), 'back');
      reader.resume();
      await sent;
      assert.equal(checksumOf(await reader.take(bytes.length)), checksumOf(bytes));
    });
  }

  test('a close handshake passes, and both ends with FIN', async (t) => {
    const scene = shared.scene();
    const { client, endpoint } = await new Sockets(scene.origin).join(t, scene);
    client.send(clientFrame(CLOSE, closePayload(1000, 'bye')));
    const asked = await readFrame(endpoint);
    assert.deepEqual(asked.payload, closePayload(1000, 'bye'));
    endpoint.send(endpointFrame(CLOSE, asked.payload));
    endpoint.finish();
    assert.deepEqual((await readFrame(client)).payload, closePayload(1000, 'bye'));
    assert.equal(await client.ended(), 'fin');
    client.finish();
    assert.equal(await endpoint.ended(), 'fin');
  });

  for (const side of ['client', 'endpoint'] as const) {
    test(`FIN of the ${side} arrives behind its last byte; the other direction goes on`, async (t) => {
      const scene = shared.scene();
      const joined = await new Sockets(scene.origin).join(t, scene);
      const from = joined[side];
      const to = joined[side === 'client' ? 'endpoint' : 'client'];
      const make = side === 'client' ? clientFrame : endpointFrame;
      const back = side === 'client' ? endpointFrame : clientFrame;
      const last = make(BINARY, makeBytes('last', 100_000));
      from.send(last);
      from.finish();
      assert.equal(checksumOf(await to.take(last.length)), checksumOf(last));
      assert.equal(await to.ended(), 'fin');
      const answer = back(TEXT, 'still here');
      to.send(answer);
      assert.deepEqual(await from.take(answer.length), answer);
      to.finish();
      assert.equal(await from.ended(), 'fin');
    });

    test(`RST of the ${side} arrives as RST`, async (t) => {
      const scene = shared.scene();
      const joined = await new Sockets(scene.origin).join(t, scene);
      const from = joined[side];
      const to = joined[side === 'client' ? 'endpoint' : 'client'];
      from.send(side === 'client' ? clientFrame(TEXT, 'x') : endpointFrame(TEXT, 'x'));
      assert.equal((await readFrame(to)).payload.toString(), 'x');
      from.reset();
      assert.equal(await to.ended(), 'ECONNRESET');
    });
  }

  test('five hundred sockets echo beside each other', async (t) => {
    const scene = shared.scene();
    const sockets = new Sockets(scene.origin);
    const joins = [];
    for (let i = 0; i < 500; i++) {
      joins.push(await sockets.join(t, scene));
    }
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        joins.map(async ({ client, endpoint }, i) => {
          client.send(clientFrame(TEXT, `${round}-${i}`));
          const { payload } = await readFrame(endpoint);
          endpoint.send(endpointFrame(TEXT, payload));
          assert.equal((await readFrame(client)).payload.toString(), `${round}-${i}`);
        }),
      );
    }
  });
});
