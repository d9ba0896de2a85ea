/**
 * holdfast/concurrency: as many requests at once as latency allows; the others get 503 at once.
 *
 * Path: a native filter. The core compares the latency of short windows with the lowest one of the
 * last minutes, for all shards together (runtime/concurrency.h).
 * Invariant: the limit stays between `min` and `max`.
 */
import { z } from 'zod';
import { condition } from './condition.ts';
import { count, duration, label, share, status } from './fields.ts';
import { baseOf, nativeFilter } from './native-filter.ts';

const CONCURRENCY_MAX = 1_000_000;
/** Where a limit begins, if its bounds allow that. */
const INITIAL = 50;
const WINDOW_MS_MAX = 60_000;
const BASELINE_MS_MAX = 3_600_000;

/** Half as much again as the lowest latency is no load. */
const TOLERANCE_MILLIONTHS = 500_000;

const schema = z.strictObject({
  name: label.optional(),
  shadow: z.boolean().optional(),
  status: status.optional(),
  when: condition.optional(),
  min: count(1, CONCURRENCY_MAX).default(5),
  max: count(1, CONCURRENCY_MAX).default(1000),
  initial: count(1, CONCURRENCY_MAX).optional(),
  window: duration(10, WINDOW_MS_MAX).default(100),
  baseline: duration(1000, BASELINE_MS_MAX).default(60_000),
  tolerance: share.default(TOLERANCE_MILLIONTHS),
});

export const concurrency = nativeFilter({
  schema,
  places: ['listener', 'route'],
  toPolicy(config, tools) {
    const { min, max, initial } = config;
    if (min > max) tools.report(['min'], '"min" is above "max"');
    if (initial !== undefined && (initial < min || initial > max)) {
      tools.report(['initial'], `"initial" is not from "min" to "max": write ${min} to ${max}`);
    }
    if (config.baseline < config.window) {
      tools.report(['baseline'], '"baseline" is shorter than "window"');
    }
    return {
      ...baseOf('concurrency', config, tools, 503),
      kind: 'concurrency',
      least: min,
      most: max,
      initial: Math.min(Math.max(initial ?? INITIAL, min), max),
      windowMs: config.window,
      baselineMs: config.baseline,
      tolerancePermille: 1000 + Math.round(config.tolerance / 1000),
    };
  },
});
