/**
 * Frames of WebSocket (RFC 6455) as the demo's origin needs them: what a client sends is taken
 * apart, and what the origin says is put together.
 *
 * Path: page-origin.ts, behind the gateway. The gateway has its own codec, in C++.
 * Invariant: holds at most one frame, of at most FRAME_BYTES_MAX. A client that breaks a rule gets
 * a close frame and no further answer.
 */
import { createHash } from 'node:crypto';

/** Largest frame that the demo takes. */
export const FRAME_BYTES_MAX = 64 * 1024;

const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const LENGTH_IN_2_BYTES = 126;
const LENGTH_IN_8_BYTES = 127;
const MASK_BYTES = 4;
/** From this opcode on: close, ping, pong. */
const OPCODE_CONTROL = 8;
const CONTROL_BYTES_MAX = 125;

export const OPCODE = { text: 1, close: 8, ping: 9, pong: 10 } as const;
export const CLOSE = { goingAway: 1001, protocol: 1002, tooBig: 1009 } as const;

/** One frame, unmasked. */
export interface Frame {
  readonly isLast: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

/** The answer to a Sec-WebSocket-Key (RFC 6455 4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`).digest('base64');
}

/** A frame of an endpoint: not masked. */
export function writeFrame({ isLast, opcode, payload }: Frame): Buffer {
  const first = (isLast ? 0x80 : 0) | opcode;
  const { length } = payload;
  if (length < LENGTH_IN_2_BYTES) return Buffer.concat([Buffer.from([first, length]), payload]);
  const head = Buffer.alloc(length <= 0xffff ? 4 : 10);
  head[0] = first;
  head[1] = length <= 0xffff ? LENGTH_IN_2_BYTES : LENGTH_IN_8_BYTES;
  if (length <= 0xffff) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

/** A close frame with its code. */
export function writeClose(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return writeFrame({ isLast: true, opcode: OPCODE.close, payload });
}

/** Takes the frames of a client out of its bytes, however they are cut. */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);
  #refusal: number | null = null;

  /** The close code that the client deserves, once it broke a rule. */
  get refusal(): number | null {
    return this.#refusal;
  }

  /** The frames that are whole with these bytes. */
  take(bytes: Buffer): Frame[] {
    const frames: Frame[] = [];
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    while (this.#refusal === null) {
      const frame = this.#next();
      if (frame === null) break;
      frames.push(frame);
    }
    return frames;
  }

  #next(): Frame | null {
    const held = this.#held;
    if (held.length < 2) return null;
    const [first = 0, second = 0] = held;
    const opcode = first & 0x0f;
    const short = second & 0x7f;
    const isControlWrong = opcode >= OPCODE_CONTROL && (short > CONTROL_BYTES_MAX || first < 0x80);
    // Not masked, with reserved bits, or a control frame that is long or cut.
    if ((second & 0x80) === 0 || (first & 0x70) !== 0 || isControlWrong) {
      return this.#refuse(CLOSE.protocol);
    }
    const extra = short === LENGTH_IN_2_BYTES ? 2 : short === LENGTH_IN_8_BYTES ? 8 : 0;
    const head = 2 + extra + MASK_BYTES;
    if (held.length < head) return null;
    const length =
      extra === 0 ? short : extra === 2 ? held.readUInt16BE(2) : Number(held.readBigUInt64BE(2));
    if (length > FRAME_BYTES_MAX) return this.#refuse(CLOSE.tooBig);
    if (held.length < head + length) return null;
    const mask = held.subarray(head - MASK_BYTES, head);
    const payload = Buffer.from(held.subarray(head, head + length));
    for (let at = 0; at < length; at++) {
      payload[at] = (payload[at] ?? 0) ^ (mask[at % MASK_BYTES] ?? 0);
    }
    this.#held = held.subarray(head + length);
    return { isLast: first >= 0x80, opcode, payload };
  }

  #refuse(code: number): null {
    this.#refusal = code;
    this.#held = Buffer.alloc(0);
    return null;
  }
}
