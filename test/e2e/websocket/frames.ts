/**
 * WebSocket frames as bytes (RFC 6455 5.2), also those that nobody may send.
 *
 * Path: clients and origins of these tests write and read them; what the gateway writes itself is
 * read with them too.
 * Invariant: a frame is what the wish says, whether it is allowed or not; a reader takes any frame
 * and judges nothing but that it is whole.
 */
import type { ByteStream } from '../http/byte-stream.ts';

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** A frame to be written. */
export interface FrameWish {
  readonly opcode: number;
  readonly payload?: string | Uint8Array;
  /** The last of its message; true by default. */
  readonly isFinal?: boolean;
  /** The three reserved bits as a number. */
  readonly reserved?: number;
  /** A mask of 32 bits, as clients have; none by default. */
  readonly mask?: number;
  /** Bytes for the length: the shortest form by default. */
  readonly lengthBytes?: 0 | 2 | 8;
  /** Announces this many bytes instead. */
  readonly announced?: bigint;
}

/** A frame that was read. */
export interface Frame {
  readonly opcode: number;
  readonly isFinal: boolean;
  readonly reserved: number;
  readonly isMasked: boolean;
  /** Without the mask. */
  readonly payload: Buffer;
}

const LONG = 126;
const LONGEST = 127;

function lengthForm(bytes: bigint): 0 | 2 | 8 {
  if (bytes < LONG) {
    return 0;
  }
  return bytes < 65_536 ? 2 : 8;
}

function maskBytes(mask: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(mask >>> 0);
  return bytes;
}

function applyMask(payload: Uint8Array, mask: Uint8Array): Buffer {
  const out = Buffer.from(payload);
  for (let i = 0; i < out.length; i++) {
    out[i] = (out[i] ?? 0) ^ (mask[i & 3] ?? 0);
  }
  return out;
}

/** The bytes of a frame. */
export function frame(wish: FrameWish): Buffer {
  const { opcode, payload = '', isFinal = true, reserved = 0, mask, announced } = wish;
  const content = typeof payload === 'string' ? Buffer.from(payload, 'utf8') : payload;
  const length = announced ?? BigInt(content.length);
  const form = wish.lengthBytes ?? lengthForm(length);
  const head = Buffer.alloc(2 + form);
  head[0] = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode;
  const short = form === 0 ? Number(length) : form === 2 ? LONG : LONGEST;
  head[1] = (mask === undefined ? 0 : 0x80) | short;
  if (form === 2) {
    head.writeUInt16BE(Number(length), 2);
  } else if (form === 8) {
    head.writeBigUInt64BE(length, 2);
  }
  if (mask === undefined) {
    return Buffer.concat([head, content]);
  }
  const key = maskBytes(mask);
  return Buffer.concat([head, key, applyMask(content, key)]);
}

/** A frame of a client: masked. */
export function clientFrame(
  opcode: number,
  payload: string | Uint8Array = '',
  more: Partial<FrameWish> = {},
): Buffer {
  return frame({ opcode, payload, mask: 0x37fa213d, ...more });
}

/** A frame of an endpoint: not masked. */
export function endpointFrame(
  opcode: number,
  payload: string | Uint8Array = '',
  more: Partial<FrameWish> = {},
): Buffer {
  return frame({ opcode, payload, ...more });
}

/** The payload of a close frame. */
export function closePayload(code: number, reason: string | Uint8Array = ''): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return Buffer.concat([head, typeof reason === 'string' ? Buffer.from(reason) : reason]);
}

/** The next frame on a connection. */
export async function readFrame(stream: ByteStream): Promise<Frame> {
  const [first = 0, second = 0] = await stream.take(2);
  const short = second & 0x7f;
  let length = short;
  if (short === LONG) {
    length = (await stream.take(2)).readUInt16BE();
  } else if (short === LONGEST) {
    length = Number((await stream.take(8)).readBigUInt64BE());
  }
  const isMasked = second >= 0x80;
  const mask = isMasked ? await stream.take(4) : Buffer.alloc(4);
  const payload = applyMask(await stream.take(length), mask);
  const reserved = (first >> 4) & 7;
  return { opcode: first & 15, isFinal: first >= 0x80, reserved, isMasked, payload };
}

/** Reads frames until a close frame; its code, 1005 for none. */
export async function readCloseCode(stream: ByteStream): Promise<number> {
  for (;;) {
    const { opcode, payload } = await readFrame(stream);
    if (opcode === CLOSE) {
      return payload.length === 0 ? 1005 : payload.readUInt16BE();
    }
  }
}
