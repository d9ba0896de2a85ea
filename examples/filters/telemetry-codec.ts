/**
 * A protocol of devices: frames of a fixed header, an id and a length, described as numbers.
 *
 *   byte 0-1  0x48 0x46      what every frame begins with
 *   byte 2    kind           1 reading, 2 answer, 3 sign of life
 *   byte 3    flags
 *   byte 4-7  id             which reading an answer belongs to
 *   byte 8-10 length         of what follows
 *   answers have byte 11     status
 */
import { defineCodec } from 'holdfast/sdk';

const LENGTH = { at: 8, size: 3 } as const;
const ID = { at: 4, size: 4 } as const;

export default defineCodec({
  name: 'telemetry',
  magic: [0x48, 0x46],
  frameBytesMax: 64 << 10,
  by: { at: 2, size: 1 },
  variants: {
    1: { kind: 'request', header: 11, length: [LENGTH], requestId: ID },
    2: {
      kind: 'response',
      header: 12,
      length: [LENGTH],
      requestId: ID,
      status: { at: 11, size: 1 },
    },
    3: { kind: 'heartbeat', header: 11, length: [LENGTH] },
  },
});
