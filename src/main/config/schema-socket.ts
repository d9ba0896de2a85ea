/**
 * The part of the language that describes the TCP sockets of either side.
 *
 * Path: schema-listener.ts and schema-cluster.ts both use it; see schema.ts for the whole.
 * Invariant: both sides have the same options with the same defaults.
 */
import { z } from 'zod';
import { count, duration, flag, seconds, section, shorthand } from './field.ts';

/** Lengths of time, in milliseconds. */
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Lengths of text and buffers, in bytes. */
export const KIB = 1024;
export const MIB = 1024 * KIB;

/** Words that stand for 0. */
export const NEVER = ['never', 'off'];
export const UNLIMITED = ['unlimited', 'off'];

const keepalive = {
  idle: seconds(
    { is: 'A connection that was silent for this long is probed by the kernel.', initial: '60s' },
    { min: SECOND, max: 9 * HOUR, zero: ['off'] },
  ),
  interval: seconds({ is: 'Time between two probes.', initial: '10s' }, { min: SECOND, max: HOUR }),
  count: count(
    { is: 'Unanswered probes after which the connection is dead.', initial: 6 },
    { min: 1, max: 127 },
  ),
};

/** Options of the TCP sockets on one side. */
export const socket = section('Options of the TCP sockets on this side.', {
  nodelay: flag({ is: 'Sends small writes at once (TCP_NODELAY).', initial: true }),
  keepalive: shorthand(z.strictObject(keepalive), 'idle', {
    type: 'string',
    examples: ['60s', 'off'],
  })
    .prefault({})
    .meta({
      description:
        'How silent connections are probed: a map, or only its `idle`. With a `userTimeout` shorter than the silence, one unanswered probe is enough (tcp(7)).',
    }),
  userTimeout: duration(
    {
      is: 'Sent bytes that stay unacknowledged for this long end the connection (TCP_USER_TIMEOUT).',
      initial: '30s',
    },
    { min: SECOND, max: HOUR, zero: ['off'] },
  ),
});
