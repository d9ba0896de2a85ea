/**
 * The part of the language that names filters, on listeners and on routes of HTTP, and balancers
 * and discoveries of clusters.
 *
 * Path: schema-listener.ts, schema-route.ts and schema-cluster.ts use it; see schema.ts.
 * Invariant: a filter is named, never found. What stands under `with` is the filter's own business:
 * the filter checks it, which src/main/filters asks for.
 */
import { z } from 'zod';
import { shorthand, text } from './field.ts';
import * as limit from './limits.ts';
import type { Parsed } from './units.ts';
import { quote } from './units.ts';

const PACKAGE = /^(?:@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*(?:\/[\w.~-]+)*$/i;
const PATH = /^(?:\.{1,2}\/|\/|file:\/\/\/)/;

function refuse(message: string, hint: string): Parsed<string> {
  return { ok: false, fault: { name: 'badFilter', message, hint } };
}

/** A path that begins with a dot or a slash, or the name of a package. */
export function parseFilterName(value: string): Parsed<string> {
  const bytes = Buffer.byteLength(value);
  if (bytes > limit.FILTER_NAME_BYTES_MAX) {
    const hint = `it may have ${limit.FILTER_NAME_BYTES_MAX}`;
    return refuse(`the name of a filter has ${bytes} bytes`, hint);
  }
  if (PATH.test(value) && !value.includes('\0')) return { ok: true, value };
  const isFile = /\.[cm]?[jt]s$/.test(value) && !value.startsWith('@');
  if (isFile) return refuse(`${quote(value)} is not a path`, `write "./${value}"`);
  if (PACKAGE.test(value)) return { ok: true, value };
  const hint = 'write a path such as "./auth.ts", a package, or "holdfast/rbac"';
  return refuse(`${quote(value)} names no filter`, hint);
}

/** What tells the messages of a TCP listener apart. */
export function codec(is: string) {
  const use = text(
    { is: 'The codec: a path relative to this file, or a package.', example: './telemetry.ts' },
    'codec',
    parseFilterName,
  );
  const schema = z.strictObject({ use });
  return shorthand(schema, 'use', { type: 'string', examples: ['./telemetry.ts'] })
    .optional()
    .meta({ description: is, 'x-example': './telemetry.ts' });
}

/** One use of a module, as a map or as its name alone. */
function use(says: {
  readonly use: string;
  readonly with: string;
  readonly example: string;
  readonly told: unknown;
}) {
  return shorthand(
    z.strictObject({
      use: text({ is: says.use, example: says.example }, 'filter', parseFilterName),
      with: z.unknown().optional().meta({
        description: says.with,
        'x-example': says.told,
        'x-kind': 'any',
      }),
    }),
    'use',
    { type: 'string', examples: [says.example] },
  );
}

/** Filters of a listener or of a route, in order. */
export function filters(is: string) {
  const filter = use({
    use: 'The filter: a path relative to this file, a package, or one of the built-in ones (`holdfast/rbac`).',
    with: 'What the filter is told; each says what it takes.',
    example: './auth.ts',
    told: { audience: 'chat' },
  });
  return z
    .array(filter)
    .optional()
    .meta({
      description: `${is} At most ${limit.FILTERS_MAX}.`,
      'x-example': [{ use: './auth.ts', with: { audience: 'chat' } }],
    });
}

/** A balancer or a discovery of a cluster. */
export function steering(
  kind: 'balancer' | 'discovery',
  is: string,
  example: { readonly use: string; readonly with: unknown },
) {
  return use({
    use: `The ${kind}: a path relative to this file, or a package.`,
    with: `What the ${kind} is told; each says what it takes.`,
    example: example.use,
    told: example.with,
  })
    .optional()
    .meta({ description: is, 'x-example': example });
}
