/**
 * holdfast/fault: faults made on purpose, to see how clients and services bear them.
 *
 * Path: a native filter. A delay holds up its own request only; `when` says which requests are
 * meant, for example those with a header.
 * Invariant: a request is delayed first and then, perhaps, aborted or closed; never both of these.
 * One that goes on may be slowed down, with a bucket of its own.
 */
import { z } from 'zod';
import { condition } from './condition.ts';
import {
  DIRECTIONS,
  direction,
  duration,
  label,
  parsed,
  parseSpeed,
  perSecond,
  RATE_COUNT_MAX,
  SPEED_MIN,
  share,
  status,
} from './fields.ts';
import { baseOf, nativeFilter } from './native-filter.ts';

/** Ten minutes. */
const DELAY_MS_MAX = 600_000;
const ABORT_STATUS = 503;

const schema = z.strictObject({
  name: label.optional(),
  shadow: z.boolean().optional(),
  when: condition.optional(),
  abort: z.strictObject({ percent: share, status: status.default(ABORT_STATUS) }).optional(),
  delay: z.strictObject({ percent: share, time: duration(1, DELAY_MS_MAX) }).optional(),
  close: z.strictObject({ percent: share }).optional(),
  throttle: z
    .strictObject({
      percent: share,
      rate: parsed(parseSpeed),
      direction: direction.default('toClient'),
    })
    .optional(),
});

export const fault = nativeFilter({
  schema,
  places: ['listener', 'route', 'tcp-listener'],
  toPolicy(config, tools) {
    const { abort, delay, close, throttle } = config;
    if ([abort, delay, close, throttle].every((fault) => fault === undefined)) {
      tools.report([], 'there is no fault: write "abort", "delay", "close" or "throttle"');
    }
    for (const key of ['abort', 'delay'] as const) {
      if (tools.place !== 'tcp-listener' || config[key] === undefined) continue;
      tools.report(
        [key],
        'a listener without HTTP has no requests: "close" and "throttle" are for it',
      );
    }
    return {
      ...baseOf('fault', { ...config, status: abort?.status }, tools, ABORT_STATUS),
      kind: 'fault',
      abortMillionths: abort?.percent ?? 0,
      closeMillionths: close?.percent ?? 0,
      delayMillionths: delay?.percent ?? 0,
      delayMs: delay?.time ?? 0,
      throttleMillionths: throttle?.percent ?? 0,
      throttleDirections: DIRECTIONS[throttle?.direction ?? 'toClient'],
      throttleBytes:
        throttle === undefined
          ? SPEED_MIN
          : Math.min(Math.ceil(perSecond(throttle.rate)), RATE_COUNT_MAX),
    };
  },
});
