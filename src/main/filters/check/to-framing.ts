/**
 * What the core is told of a codec.
 *
 * Path: worker.ts, behind the check of the description; the core measures frames by it.
 * Invariant: nothing but where frames end; what a frame is for stays with tests and filters.
 */
import type { FramingInput } from '../../../../native/epoll/index.ts';
import type { Codec } from '../../../sdk/index.ts';

/** The part of a description that says where frames end. */
export function toFraming({ magic, endian, frameBytesMax, by, variants }: Codec): FramingInput {
  return {
    magic: magic ?? [],
    endian: endian ?? 'big',
    frameBytesMax,
    by: by === undefined ? null : { at: by.at, size: by.size },
    variants: Object.entries(variants).map(([value, { header, length, lengthPlus }]) => ({
      value: Number(value),
      header,
      length: length.map(({ at, size }) => ({ at, size })),
      lengthPlus: lengthPlus ?? 0,
    })),
  };
}
