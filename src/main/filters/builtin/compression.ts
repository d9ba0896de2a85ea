/**
 * holdfast/compression: responses are compressed for clients that take it.
 *
 * Path: a native filter. It refuses nobody: with the request it settles what the client takes, and
 * the core compresses the response where its head allows that.
 * Invariant: the order of `algorithms` is the gateway's own liking; what a client likes better goes
 * first. Requests are not compressed.
 */
import { z } from 'zod';
import { condition } from './condition.ts';
import { label, oneOrMore, size, text } from './fields.ts';
import { baseOf, nativeFilter } from './native-filter.ts';

const ALGORITHMS = ['zstd', 'br', 'gzip'] as const;

/** What is text, and is most of what pages load. */
const TYPES = ['text/*', 'application/json', 'application/javascript', 'image/svg+xml'];

/** Below this, heads and packets weigh more than what is saved. */
const BYTES_MIN = 1024;

const BYTES_MAX = Number.MAX_SAFE_INTEGER;

const schema = z.strictObject({
  name: label.optional(),
  when: condition.optional(),
  algorithms: oneOrMore(z.enum(ALGORITHMS)).default([...ALGORITHMS]),
  minBytes: size(0, BYTES_MAX).default(BYTES_MIN),
  types: oneOrMore(text).default(TYPES),
  level: z.enum(['fast', 'balanced', 'small']).default('fast'),
  removeAcceptEncoding: z.boolean().default(false),
});

export const compression = nativeFilter({
  schema,
  places: ['listener', 'route'],
  toPolicy(config, tools) {
    for (const [i, algorithm] of config.algorithms.entries()) {
      if (config.algorithms.indexOf(algorithm) === i) continue;
      tools.report(['algorithms', i], `"${algorithm}" stands in the list twice`);
    }
    return {
      ...baseOf('compression', config, tools),
      kind: 'compression',
      algorithms: config.algorithms,
      level: config.level,
      bytesMin: config.minBytes,
      types: config.types,
      isHidden: config.removeAcceptEncoding,
    };
  },
});
