/**
 * The description cuts bytes into the frames it describes.
 *
 * Path: `holdfast filter test examples/filters/telemetry-codec.test.ts`; the project's tests too.
 * Invariant: however the bytes are split, the same frames come out.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameError, FrameReader } from 'holdfast/testing';
import codec from './telemetry-codec.ts';

function frame(kind: number, id: number, body: string, status?: number): Buffer {
  const header = Buffer.alloc(status === undefined ? 11 : 12);
  header.set([0x48, 0x46, kind, 0]);
  header.writeUInt32BE(id, 4);
  header.writeUIntBE(Buffer.byteLength(body), 8, 3);
  if (status !== undefined) header[11] = status;
  return Buffer.concat([header, Buffer.from(body)]);
}

const BYTES = Buffer.concat([frame(1, 7, '21.5'), frame(3, 0, ''), frame(2, 7, 'ok', 200)]);

function read(reader: FrameReader, pieces: readonly Buffer[]): string[] {
  return pieces
    .flatMap((piece) => reader.push(piece))
    .map((one) => `${one.kind} ${one.requestId} ${one.status} ${Buffer.from(one.body).toString()}`);
}

test('frames come out whole, however the bytes are split', () => {
  const expected = ['request 7 null 21.5', 'heartbeat null null ', 'response 7 200 ok'];
  for (let at = 0; at <= BYTES.length; at++) {
    const reader = new FrameReader(codec);
    assert.deepEqual(read(reader, [BYTES.subarray(0, at), BYTES.subarray(at)]), expected);
    assert.equal(reader.pendingBytes, 0);
  }
  const reader = new FrameReader(codec);
  assert.deepEqual(
    read(
      reader,
      [...BYTES].map((byte) => Buffer.from([byte])),
    ),
    expected,
  );
});

test('what is not this protocol is told', () => {
  assert.throws(() => new FrameReader(codec).push(Buffer.from('GET / HTTP/1.1')), FrameError);
  assert.throws(() => new FrameReader(codec).push(frame(9, 1, '')), /there is no variant 9/);
  const large = frame(1, 1, '');
  large.writeUIntBE(70_000, 8, 3);
  assert.throws(() => new FrameReader(codec).push(large), /larger than 65536 bytes/);
});
