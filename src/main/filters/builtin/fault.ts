/**
 * holdfast/fault: faults made on purpose, to see how clients and services bear them.
 *
 * Path: a native filter. A delay holds up its own request only; `when` says which requests are
 * meant, for example those with a header.
 * Invariant: a request is delayed first and then, perhaps, aborted or closed; never both of these.
 */
import { z } from 'zod';
import { condition } from './condition.ts';
import { duration, label, share, status } from './fields.ts';
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
});

export const fault = nativeFilter({
  schema,
  places: ['listener', 'route', 'tcp-listener'],
  toPolicy(config, tools) {
    const { abort, delay, close } = config;
    if (abort === undefined && delay === undefined && close === undefined) {
      tools.report([], 'there is no fault: write "abort", "delay" or "close"');
    }
    for (const key of ['abort', 'delay'] as const) {
      if (tools.place !== 'tcp-listener' || config[key] === undefined) continue;
      tools.report([key], 'a listener without HTTP has no requests: only "close" is for it');
    }
    return {
      ...baseOf('fault', { ...config, status: abort?.status }, tools, ABORT_STATUS),
      kind: 'fault',
      abortMillionths: abort?.percent ?? 0,
      closeMillionths: close?.percent ?? 0,
      delayMillionths: delay?.percent ?? 0,
      delayMs: delay?.time ?? 0,
    };
  },
});
