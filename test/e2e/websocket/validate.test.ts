/**
 * `validate: true`: frames that break RFC 6455 end the WebSocket, those that do not pass.
 *
 * Path: one violation for each WebSocket, from the client or from the endpoint (threats row E1).
 * Invariant under test: who sent it gets the code that RFC 6455 7.4.1 has for it; the frame that
 * broke the rule never reaches the other end; everything that is allowed passes byte for byte.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { shareHttp } from '../http/http-scene.ts';
import { makeBytes } from '../tcp/pattern.ts';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  clientFrame,
  closePayload,
  endpointFrame,
  frame,
  PING,
  PONG,
  readCloseCode,
  readFrame,
  TEXT,
} from './frames.ts';
import { handshake, Sockets } from './ws-scene.ts';

type Make = typeof clientFrame;

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** Each makes the frames of one violation; `both` sides are tried. */
const VIOLATIONS: readonly (readonly [string, number, (make: Make) => Buffer[]])[] = [
  ['RSV1 without an extension', 1002, (make) => [make(TEXT, 'x', { reserved: 4 })]],
  ['RSV2', 1002, (make) => [make(TEXT, 'x', { reserved: 2 })]],
  ['RSV3', 1002, (make) => [make(PING, 'x', { reserved: 1 })]],
  ['opcode 3', 1002, (make) => [make(3, 'x')]],
  ['opcode 7', 1002, (make) => [make(7)]],
  ['opcode 11', 1002, (make) => [make(11, 'x')]],
  ['opcode 15', 1002, (make) => [make(15)]],
  ['a fragmented ping', 1002, (make) => [make(PING, 'x', { isFinal: false })]],
  ['a fragmented close', 1002, (make) => [make(CLOSE, closePayload(1000), { isFinal: false })]],
  ['a ping of 126 bytes', 1002, (make) => [make(PING, Buffer.alloc(126))]],
  ['a close of 126 bytes', 1002, (make) => [make(CLOSE, Buffer.alloc(126, 3))]],
  ['a continuation of nothing', 1002, (make) => [make(CONTINUATION, 'x')]],
  [
    'a continuation behind a whole message',
    1002,
    (make) => [make(TEXT, 'whole'), make(CONTINUATION, 'x', { isFinal: false })],
  ],
  [
    'a message inside a message',
    1002,
    (make) => [make(TEXT, 'x', { isFinal: false }), make(TEXT, 'y')],
  ],
  [
    'a length of 2^63',
    1002,
    (make) => [make(BINARY, '', { announced: 1n << 63n, lengthBytes: 8 })],
  ],
  ['a length in two bytes too many', 1002, (make) => [make(TEXT, 'x', { lengthBytes: 2 })]],
  ['a length in eight bytes too many', 1002, (make) => [make(TEXT, 'x', { lengthBytes: 8 })]],
  ['a close of one byte', 1002, (make) => [make(CLOSE, bytes(3))]],
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
    (code): readonly [string, number, (make: Make) => Buffer[]] => [
      `close code ${code}`,
      1002,
      (make) => [make(CLOSE, closePayload(code))],
    ],
  ),
  [
    'a close reason that is not UTF-8',
    1007,
    (make) => [make(CLOSE, closePayload(1000, bytes(0xff)))],
  ],
  ['text that is not UTF-8', 1007, (make) => [make(TEXT, bytes(0x61, 0x80))]],
  ['overlong text', 1007, (make) => [make(TEXT, bytes(0xc0, 0xaf))]],
  ['a surrogate in text', 1007, (make) => [make(TEXT, bytes(0xed, 0xa0, 0x80))]],
  ['text beyond U+10FFFF', 1007, (make) => [make(TEXT, bytes(0xf4, 0x90, 0x80, 0x80))]],
  ['text that ends in a character', 1007, (make) => [make(TEXT, bytes(0xe2, 0x82))]],
  [
    'text that goes wrong in its second frame',
    1007,
    (make) => [make(TEXT, bytes(0xe2, 0x82), { isFinal: false }), make(CONTINUATION, bytes(0x41))],
  ],
];

const SMILE = Buffer.from('\u{1f600}', 'utf8');

/** What is allowed. */
const ALLOWED = (make: Make): Buffer[] => [
  make(TEXT),
  make(TEXT, 'ASCII, Ünïcödé and \u{1f600}'),
  make(TEXT, SMILE.subarray(0, 1), { isFinal: false }),
  make(PING, makeBytes('ping', 125)),
  make(CONTINUATION, SMILE.subarray(1, 3), { isFinal: false }),
  make(CONTINUATION, '', { isFinal: false }),
  make(PONG),
  make(CONTINUATION, SMILE.subarray(3)),
  make(BINARY, bytes(0xff, 0xfe, 0x00)),
  make(BINARY, makeBytes('long', 126)),
  make(BINARY, makeBytes('longer', 65_536)),
  make(TEXT, '\0\u{10ffff}\ufffe'),
];

describe('validated WebSockets', () => {
  const shared = shareHttp(() => ({
    isRouted: true,
    http: {
      hosts: [
        { routes: [{ match: { path: '/ws' }, cluster: 'app', websocket: { validate: true } }] },
      ],
    },
  }));

  function open(t: Owner, text = handshake()): ReturnType<Sockets['join']> {
    const scene = shared.scene();
    return new Sockets(scene.origin).join(t, scene, { text });
  }

  for (const [name, code, make] of VIOLATIONS) {
    for (const side of ['client', 'endpoint'] as const) {
      test(`${name} from the ${side}: ${code}`, async (t) => {
        const joined = await open(t);
        const from = joined[side];
        const to = joined[side === 'client' ? 'endpoint' : 'client'];
        const frames = make(side === 'client' ? clientFrame : endpointFrame);
        from.send(Buffer.concat(frames));
        assert.equal(await readCloseCode(from), code);
        await from.ended();
        // The other end gets what was whole before, and a close frame; never the violation.
        const isPassed = frames.slice(0, -1).map((each) => each.length);
        await to.ended();
        for (let i = 0; i < isPassed.length && to.held > 0; i++) {
          const { opcode } = await readFrame(to);
          assert.notEqual(opcode, CLOSE);
        }
        if (to.held > 0) {
          assert.equal((await readFrame(to)).opcode, CLOSE);
        }
        assert.equal(to.held, 0);
      });
    }
  }

  for (const side of ['client', 'endpoint'] as const) {
    test(`a part of a message of the ${side} that turns out wrong ends with RST`, async (t) => {
      const joined = await open(t);
      const from = joined[side];
      const to = joined[side === 'client' ? 'endpoint' : 'client'];
      const make = side === 'client' ? clientFrame : endpointFrame;
      const whole = make(TEXT, Buffer.concat([Buffer.from('good'), bytes(0xff, 0xff)]));
      const good = whole.length - 2;
      await from.sendAll(whole.subarray(0, good));
      assert.deepEqual(await to.take(good), whole.subarray(0, good));
      from.send(whole.subarray(good));
      // Who sent it is told; to the other one FIN would look like the end of a whole message.
      assert.equal(await readCloseCode(from), 1007);
      assert.equal(await from.ended(), 'fin');
      assert.equal(await to.ended(), 'ECONNRESET');
      assert.equal(to.held, 0);
    });

    test(`a violation of the ${side} inside a message of the other end`, async (t) => {
      const joined = await open(t);
      const from = joined[side];
      const to = joined[side === 'client' ? 'endpoint' : 'client'];
      const half = (side === 'client' ? endpointFrame : clientFrame)(BINARY, 'two halves');
      await to.sendAll(half.subarray(0, half.length - 5));
      await from.take(half.length - 5);
      from.send((side === 'client' ? clientFrame : endpointFrame)(TEXT, 'x', { reserved: 2 }));
      assert.equal(await readCloseCode(to), 1001);
      assert.equal(await from.ended(), 'ECONNRESET');
      assert.equal(from.held, 0);
      assert.equal(await to.ended(), 'fin');
    });
  }

  test('a client without a mask, and an endpoint with one: 1002', async (t) => {
    const one = await open(t);
    one.client.send(endpointFrame(TEXT, 'bare'));
    assert.equal(await readCloseCode(one.client), 1002);
    await one.endpoint.ended();
    const other = await open(t);
    other.endpoint.send(frame({ opcode: TEXT, payload: 'x', mask: 1 }));
    assert.equal(await readCloseCode(other.endpoint), 1002);
    await other.client.ended();
  });

  test('what is allowed passes byte for byte, whole and cut', async (t) => {
    const { client, endpoint } = await open(t);
    const up = Buffer.concat(ALLOWED(clientFrame));
    const down = Buffer.concat(ALLOWED(endpointFrame));
    client.send(up);
    endpoint.send(down);
    assert.equal(up.equals(await endpoint.take(up.length)), true);
    assert.equal(down.equals(await client.take(down.length)), true);
    for (let at = 0; at < 400; at += 7) {
      await client.sendAll(up.subarray(at, at + 7));
    }
    assert.equal(up.subarray(0, 400).equals(await endpoint.take(400)), true);
  });

  test('close codes that are allowed pass', async (t) => {
    for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4999]) {
      const { client, endpoint } = await open(t);
      client.send(clientFrame(CLOSE, closePayload(code, 'why')));
      assert.deepEqual((await readFrame(endpoint)).payload, closePayload(code, 'why'));
      endpoint.send(endpointFrame(CLOSE, closePayload(code)));
      assert.equal(await readCloseCode(client), code);
      endpoint.finish();
      await client.ended();
    }
  });

  test('RSV1 passes where permessage-deflate was agreed, and its text is not read', async (t) => {
    const scene = shared.scene();
    const extension = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
    const sockets = new Sockets(scene.origin, '/ws', extension);
    const { client, endpoint } = await sockets.join(t, scene, {
      text: handshake('/ws', extension),
    });
    const sent = clientFrame(TEXT, bytes(0xff, 0x80), { reserved: 4 });
    client.send(sent);
    assert.deepEqual(await endpoint.take(sent.length), sent);
    client.send(clientFrame(TEXT, 'x', { reserved: 2 }));
    assert.equal(await readCloseCode(client), 1002);
  });
});
