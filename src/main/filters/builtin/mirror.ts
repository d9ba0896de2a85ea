/**
 * holdfast/mirror: copies of requests for another cluster, whose answers nobody gets.
 *
 * Path: a native filter. The core makes a copy when a request is whole and sends it beside it;
 * which id the cluster has is known when a snapshot is compiled. That the cluster exists, and that
 * it counts as used, is src/main/config's to check.
 * Invariant: what becomes of a copy is counted for its cluster, and changes nothing for the
 * request.
 */
import { z } from 'zod';
import { parseLabel } from '../../config/index.ts';
import { condition } from './condition.ts';
import { duration, label, parsed, share, size, text } from './fields.ts';
import { baseOf, nativeFilter } from './native-filter.ts';

/** All requests. */
const ALL_MILLIONTHS = 1_000_000;
const CONTENT_BYTES = 64 * 1024;
/** The core knows the same. */
const CONTENT_BYTES_MAX = 1024 * 1024;
/** Ten minutes. */
const TIMEOUT_MS_MAX = 600_000;

const schema = z.strictObject({
  name: label.optional(),
  when: condition.optional(),
  cluster: text,
  subset: z.record(z.string(), parsed(parseLabel)).optional(),
  percent: share.default(ALL_MILLIONTHS),
  contentMax: size(0, CONTENT_BYTES_MAX).default(CONTENT_BYTES),
  timeout: duration(1, TIMEOUT_MS_MAX).optional(),
});

export const mirror = nativeFilter({
  schema,
  places: ['listener', 'route'],
  toPolicy(config, tools) {
    return {
      ...baseOf('mirror', config, tools),
      kind: 'mirror',
      target: config.cluster,
      subset: config.subset ?? null,
      cluster: 0,
      millionths: config.percent,
      contentBytesMax: config.contentMax,
      timeoutMs: config.timeout ?? 0,
    };
  },
});
