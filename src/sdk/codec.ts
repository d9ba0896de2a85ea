/**
 * Codecs of your own: length-framed protocols described as numbers, not as code.
 *
 * Path: a TCP listener names it as `codec`, and the core cuts what both sides send by it, for
 * message filters; frame-reader.ts does the same in tests.
 * Invariant: all fields are big endian unless `endian` says otherwise, and lie within the header of
 * their variant. A frame's size is known from its header alone.
 */
import { API_VERSION, type Defined } from './filter.ts';

/** A number in the header: where it begins, counted from 0, and how many bytes it has. */
export interface CodecField {
  readonly at: number;
  readonly size: 1 | 2 | 3 | 4 | 8;
}

/** What a frame is for. */
export type FrameKind = 'request' | 'oneway' | 'response' | 'heartbeat' | 'goaway';

/** One form of frame. */
export interface CodecVariant {
  readonly kind: FrameKind;
  /** Bytes of the header. */
  readonly header: number;
  /** At most 4 fields whose values, added up, are the bytes that follow the header. */
  readonly length: readonly CodecField[];
  /** Added to that sum; -4 where a length counts itself. Without it 0. */
  readonly lengthPlus?: number;
  /** What a response carries to tell which request it answers. */
  readonly requestId?: CodecField;
  /** Milliseconds that the client waits. */
  readonly timeout?: CodecField;
  readonly status?: CodecField;
}

/** A protocol of frames. */
export interface Codec {
  readonly name: string;
  /**
   * The first bytes of each direction, at most 32, which belong to its first frame; refused
   * otherwise. Without it anything goes.
   */
  readonly magic?: readonly number[];
  readonly endian?: 'big' | 'little';
  /** Largest frame, header included, at most 64 MiB. */
  readonly frameBytesMax: number;
  /** The field that tells the variants apart; without it there is one variant, `0`. */
  readonly by?: CodecField;
  /** Variants by the value of that field. */
  readonly variants: Readonly<Record<number, CodecVariant>>;
}

/** Defines a codec. */
export function defineCodec(codec: Codec): Codec & Defined<'codec'> {
  return Object.freeze({ ...codec, kind: 'codec', apiVersion: API_VERSION });
}
