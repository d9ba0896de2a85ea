/**
 * holdfast/access-log: fields that the access records of a place get besides their own.
 *
 * Path: a native filter. Values are templates, as those of `requestHeaders` of routes are; the core
 * puts them together when the filter's turn comes, and writes them with the record.
 * Invariant: it refuses nobody; what has no value in a request is not in its record.
 */
import { z } from 'zod';
import { condition } from './condition.ts';
import { label, text } from './fields.ts';
import { baseOf, nativeFilter } from './native-filter.ts';

const schema = z.strictObject({
  name: label.optional(),
  when: condition.optional(),
  fields: z.record(z.string(), text),
});

export const accessLog = nativeFilter({
  schema,
  places: ['listener', 'route'],
  toPolicy(config, tools) {
    const fields = Object.entries(config.fields).map(([name, value]) => ({ name, value }));
    if (fields.length === 0) tools.report(['fields'], 'there is no field: write "name: value"');
    return { ...baseOf('access-log', config, tools), kind: 'access-log', fields };
  },
});
