/**
 * holdfast/size-limit: the most bytes that a request and a response may have.
 *
 * Path: a native filter. What says its length is judged by it; content without a length is cut off
 * by the core where it grows too long.
 * Invariant: of several limits the smallest holds.
 */
import { z } from 'zod';
import { condition } from './condition.ts';
import { label, size, status } from './fields.ts';
import { baseOf, nativeFilter } from './native-filter.ts';

const BYTES_MAX = Number.MAX_SAFE_INTEGER;

const schema = z.strictObject({
  name: label.optional(),
  shadow: z.boolean().optional(),
  status: status.optional(),
  when: condition.optional(),
  request: size(1, BYTES_MAX).optional(),
  response: size(1, BYTES_MAX).optional(),
});

export const sizeLimit = nativeFilter({
  schema,
  places: ['listener', 'route'],
  toPolicy(config, tools) {
    if (config.request === undefined && config.response === undefined) {
      tools.report([], 'there is no limit: write "request" or "response"');
    }
    return {
      ...baseOf('size-limit', config, tools, 413),
      kind: 'size-limit',
      requestBytesMax: config.request ?? 0,
      responseBytesMax: config.response ?? 0,
    };
  },
});
