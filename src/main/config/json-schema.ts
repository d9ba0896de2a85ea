/**
 * The JSON Schema of the configuration language, for editors and for the reference page.
 *
 * Path: `holdfast schema` prints it; generate.ts writes docs/config.schema.json and reads it for
 * docs/config.md.
 * Invariant: derived from schema.ts alone. It accepts at least what the loader accepts in shape;
 * the loader checks more (amounts, names, what belongs together).
 */
import { z } from 'zod';
import { configSchema } from './schema.ts';

/** A node of a JSON Schema, with our own marks. */
export interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly enum?: readonly string[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly 'x-kind'?: string;
  readonly 'x-limits'?: string;
  readonly 'x-reload'?: 'reload' | 'restart';
  readonly 'x-shorthand'?: Readonly<Record<string, unknown>>;
}

/** Keys of a node that describe it as a whole, rather than its long form. */
const OUTER_KEYS = new Set(['description', 'default', 'examples']);

/** Offers the short form of a map beside its long form. */
function offerShorthand(node: Record<string, unknown>): void {
  const shorthand = node['x-shorthand'];
  if (shorthand === undefined || node['properties'] === undefined) return;
  const long: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) {
    if (OUTER_KEYS.has(key)) continue;
    if (key !== 'x-shorthand') long[key] = value;
    Reflect.deleteProperty(node, key);
  }
  node['anyOf'] = [shorthand, long];
}

/** Offers a lone item beside a list of them. */
function offerLoneItem(node: Record<string, unknown>): void {
  if (node['x-lone-item'] !== true || node['type'] !== 'array') return;
  Reflect.deleteProperty(node, 'x-lone-item');
  const list: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) {
    if (OUTER_KEYS.has(key)) continue;
    list[key] = value;
    Reflect.deleteProperty(node, key);
  }
  node['anyOf'] = [list['items'], list];
}

/** Examples come under a mark, because zod drops them where input and output differ. */
function tidyNode(node: Record<string, unknown>): void {
  if (node['x-example'] !== undefined) node['examples'] = [node['x-example']];
  Reflect.deleteProperty(node, 'x-example');
  const isEmptyDefault = JSON.stringify(node['default']) === '{}';
  if (isEmptyDefault) Reflect.deleteProperty(node, 'default');
}

/** Makes the JSON Schema (draft 2020-12). */
export function createJsonSchema(): SchemaNode {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ jsonSchema }) => {
      tidyNode(jsonSchema);
      offerShorthand(jsonSchema);
      offerLoneItem(jsonSchema);
    },
  });
  return { ...schema, title: 'Holdfast configuration' } as SchemaNode;
}
