/**
 * Names of header fields in the configuration of built-in filters.
 *
 * Path: the schemas of the filters in this directory.
 * Invariant: what a schema yields is lower case, and a field that a filter may set.
 */
import { isGatewayField } from 'holdfast/sdk';
import * as z from 'zod';

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const LENGTH_MAX = 256;

/** A field that is read. */
export const headerName = z
  .string({ error: 'must be the name of a header field' })
  .regex(TOKEN, 'must be the name of a header field')
  .max(LENGTH_MAX, `must have at most ${LENGTH_MAX} characters`)
  .toLowerCase();

/** A field that the filter sets. */
export const settableHeaderName = headerName.refine((name) => !isGatewayField(name), {
  error: 'belongs to the gateway and cannot be set',
});

/** A map from fields that the filter sets; yields a Map with names in lower case. */
export function byHeader<Value extends z.ZodType>(value: Value, entriesMax: number) {
  return z
    .record(z.string(), value, { error: 'must be a map from header fields' })
    .transform((fields, about) => {
      const byName = new Map<string, z.infer<Value>>();
      for (const [key, entry] of Object.entries(fields)) {
        const name = settableHeaderName.safeParse(key);
        for (const { message } of name.error?.issues ?? []) {
          about.addIssue({ code: 'custom', path: [key], message });
        }
        if (name.success) byName.set(name.data, entry);
      }
      if (byName.size > entriesMax) {
        about.addIssue({ code: 'custom', message: `must name at most ${entriesMax} fields` });
      }
      return byName;
    });
}
