/**
 * The WebSocket frames of the demo's origin.
 *
 * Path: src/main/demo/frames.ts, by itself.
 * Invariant under test: frames are the same however their bytes are cut; what no client may send,
 * or what is too long, is refused with its close code.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  acceptOf,
  FRAME_BYTES_MAX,
  type Frame,
  FrameReader,
  OPCODE,
  writeClose,
  writeFrame,
} from '../../../src/main/demo/frames.ts';

const MASK = Buffer.from([0x11, 0x22, 0x33, 0x44]);

/** The frame as a client sends it: with the mask bit, a mask, and masked content. */
function mask(frame: Frame): Buffer {
  const bytes = writeFrame(frame);
  const head = bytes.length - frame.payload.length;
  bytes[1] = (bytes[1] ?? 0) | 0x80;
  const content = bytes.subarray(head).map((byte, at) => byte ^ (MASK[at % 4] ?? 0));
  return Buffer.concat([bytes.subarray(0, head), MASK, content]);
}

function text(payload: string | Buffer): Frame {
  return { isLast: true, opcode: OPCODE.text, payload: Buffer.from(payload) };
}

test('the example of RFC 6455 1.3 is answered as it stands there', () => {
  assert.equal(acceptOf('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

test('frames of every form of length come back, whole and byte by byte', () => {
  for (const length of [0, 1, 125, 126, 65_535, FRAME_BYTES_MAX]) {
    const frames = [text(Buffer.alloc(length, 'a')), text('behind it')];
    const bytes = Buffer.concat(frames.map(mask));
    assert.deepEqual(new FrameReader().take(bytes), frames);
    if (length > 1000) continue;
    const reader = new FrameReader();
    const taken = Array.from(bytes, (_, at) => reader.take(bytes.subarray(at, at + 1))).flat();
    assert.deepEqual(taken, frames);
  }
});

test('fragments keep their place', () => {
  const first = { isLast: false, opcode: OPCODE.text, payload: Buffer.from('in ') };
  const last = { isLast: true, opcode: 0, payload: Buffer.from('parts') };
  const bytes = Buffer.concat([mask(first), mask(last)]);
  assert.deepEqual(new FrameReader().take(bytes), [first, last]);
});

const REFUSED: readonly (readonly [string, Buffer, number])[] = [
  ['a frame without a mask', writeFrame(text('plain')), 1002],
  ['a reserved bit', Buffer.from([0xc1, 0x80, 0, 0, 0, 0]), 1002],
  ['a ping in parts', Buffer.from([0x09, 0x80, 0, 0, 0, 0]), 1002],
  ['a long ping', Buffer.from([0x89, 0xfe, 0, 126]), 1002],
  ['more than it takes', mask(text(Buffer.alloc(FRAME_BYTES_MAX + 1))), 1009],
];

for (const [name, bytes, code] of REFUSED) {
  test(`${name} is refused with ${code}, and so is what follows`, () => {
    const reader = new FrameReader();
    assert.deepEqual(reader.take(bytes), []);
    assert.equal(reader.refusal, code);
    assert.deepEqual(reader.take(mask(text('later'))), []);
  });
}

test('a close frame carries its code', () => {
  assert.deepEqual(writeClose(1001), Buffer.from([0x88, 2, 0x03, 0xe9]));
});
