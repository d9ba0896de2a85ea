/**
 * Cuts bytes into frames by a codec's description: the meaning of the description, in code.
 *
 * Path: tests of codecs and `holdfast/testing`; not on the path of a connection.
 * Invariant: pure, incremental: any way of splitting the bytes yields the same frames. Holds at
 * most one incomplete frame, of frameBytesMax bytes at most.
 */
import type { Codec, CodecField, CodecVariant } from '../sdk/index.ts';

/** One frame. */
export interface Frame {
  readonly kind: CodecVariant['kind'];
  /** The value of the field that tells variants apart; 0 without one. */
  readonly variant: number;
  readonly requestId: bigint | null;
  readonly timeoutMs: bigint | null;
  readonly status: bigint | null;
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

/** Bytes that are not what the codec describes. The connection cannot go on. */
export class FrameError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FrameError';
  }
}

function readField(bytes: Uint8Array, field: CodecField, endian: 'big' | 'little'): bigint {
  let value = 0n;
  for (let index = 0; index < field.size; index++) {
    const at = field.at + (endian === 'big' ? index : field.size - 1 - index);
    value = (value << 8n) | BigInt(bytes[at] ?? 0);
  }
  return value;
}

/** Reads frames out of one direction of one connection. */
export class FrameReader {
  readonly #codec: Codec;
  readonly #endian: 'big' | 'little';
  #pending: Uint8Array = new Uint8Array(0);
  #isMagicSeen: boolean;

  constructor(codec: Codec) {
    this.#codec = codec;
    this.#endian = codec.endian ?? 'big';
    this.#isMagicSeen = codec.magic === undefined;
  }

  /** Bytes of an incomplete frame that wait for more. */
  get pendingBytes(): number {
    return this.#pending.length;
  }

  /** Takes bytes and returns the frames that are now whole. @throws FrameError */
  push(bytes: Uint8Array): Frame[] {
    const joined = new Uint8Array(this.#pending.length + bytes.length);
    joined.set(this.#pending);
    joined.set(bytes, this.#pending.length);
    this.#pending = joined;
    this.#checkMagic();
    const frames: Frame[] = [];
    for (let frame = this.#cut(); frame !== null; frame = this.#cut()) frames.push(frame);
    return frames;
  }

  #checkMagic(): void {
    const magic = this.#codec.magic;
    if (this.#isMagicSeen || magic === undefined) return;
    for (const [index, byte] of magic.entries()) {
      const found = this.#pending[index];
      if (found === undefined) return;
      if (found !== byte) throw new FrameError(`byte ${index} is ${found}, not ${byte}`);
    }
    this.#isMagicSeen = true;
  }

  /** The variant that the pending bytes begin with; null: more bytes are needed. */
  #variant(): { readonly key: number; readonly variant: CodecVariant } | null {
    const { by, variants } = this.#codec;
    if (by !== undefined && this.#pending.length < by.at + by.size) return null;
    const key = by === undefined ? 0 : Number(readField(this.#pending, by, this.#endian));
    const variant = variants[key];
    if (variant === undefined) throw new FrameError(`there is no variant ${key}`);
    return { key, variant };
  }

  #cut(): Frame | null {
    if (!this.#isMagicSeen) return null;
    const found = this.#variant();
    if (found === null || this.#pending.length < found.variant.header) return null;
    const { key, variant } = found;
    const header = this.#pending.slice(0, variant.header);
    const read = (field: CodecField): bigint => readField(header, field, this.#endian);
    const follow = variant.length.reduce((sum, field) => sum + read(field), 0n);
    const bodyBytes = follow + BigInt(variant.lengthPlus ?? 0);
    const size = bodyBytes + BigInt(variant.header);
    if (bodyBytes < 0n) throw new FrameError(`a frame says it has ${bodyBytes} bytes of content`);
    if (size > BigInt(this.#codec.frameBytesMax)) {
      throw new FrameError(
        `a frame of ${size} bytes is larger than ${this.#codec.frameBytesMax} bytes`,
      );
    }
    if (BigInt(this.#pending.length) < size) return null;
    const body = this.#pending.slice(variant.header, Number(size));
    this.#pending = this.#pending.slice(Number(size));
    return {
      kind: variant.kind,
      variant: key,
      requestId: variant.requestId === undefined ? null : read(variant.requestId),
      timeoutMs: variant.timeout === undefined ? null : read(variant.timeout),
      status: variant.status === undefined ? null : read(variant.status),
      header,
      body,
    };
  }
}
