/**
 * Turns what the schema refuses into findings with a place, a name for the thing, and a suggestion.
 *
 * Path: load.ts calls it between references and normalization.
 * Invariant: each issue of the schema becomes at least one finding; nothing is lost and nothing
 * throws. Does not know fields: known keys are read out of the schema.
 */
import { z } from 'zod';
import type { FaultParams } from './field.ts';
import type { Findings, ValuePath } from './findings.ts';
import { toPointer } from './findings.ts';
import { valueAt, writtenPath } from './plain.ts';
import type { Resolved } from './references.ts';
import { configSchema, type ParsedConfig } from './schema.ts';
import type { Source } from './source.ts';
import { suggest } from './suggest.ts';
import { quote } from './units.ts';

/** Words for the items of the two top lists. */
const ITEM_WORDS: Readonly<Record<string, string>> = { listeners: 'listener', clusters: 'cluster' };

/** Examples for keys that have no default and are not plain fields. */
const MISSING_HINTS: Readonly<Record<string, string>> = {
  listeners: 'listeners: [{ name: web, bind: 0.0.0.0:8080, cluster: app }]',
  clusters: 'clusters: [{ name: app, endpoints: [127.0.0.1:3000] }]',
  bind: 'bind: 0.0.0.0:8080',
  endpoints: 'endpoints: [127.0.0.1:3000]',
  accept: 'accept: [10.0.0.0/8]',
};

/** Places that a key is said to belong to. */
const HOMES_SHOWN_MAX = 2;

/** Names the map at a path: `timeouts of listener "mqtt"`. */
export function describePlace(root: unknown, path: ValuePath): string {
  const [top, position, ...rest] = path;
  if (top === undefined) return 'the configuration';
  const word = ITEM_WORDS[String(top)];
  const inner = (word === undefined ? path : rest)
    .map((part) => (typeof part === 'number' ? ` #${part + 1}` : `.${part}`))
    .join('')
    .replace(/^\./, '');
  if (word === undefined || typeof position !== 'number') return inner === '' ? String(top) : inner;
  const name = valueAt(root, [top, position, 'name']);
  const item = typeof name === 'string' ? `${word} ${quote(name)}` : `${word} #${position + 1}`;
  return inner === '' ? item : `${inner} of ${item}`;
}

/** Looks through defaults, options and short forms at the schema underneath. */
function unwrap(schema: unknown): z.ZodType | undefined {
  let current = schema as z.ZodType | undefined;
  for (let depth = 0; depth < 8; depth++) {
    if (current instanceof z.ZodPrefault || current instanceof z.ZodOptional)
      current = current.unwrap() as z.ZodType;
    else if (current instanceof z.ZodPipe && current.in instanceof z.ZodTransform)
      current = current.out as z.ZodType;
    else return current;
  }
  return current;
}

function knownKeys(path: ValuePath): string[] {
  let schema = unwrap(configSchema);
  for (const part of path) {
    if (schema instanceof z.ZodArray) schema = unwrap(schema.element);
    else if (schema instanceof z.ZodObject) schema = unwrap(schema.shape[part]);
    else return [];
    // A short form expands a lone value, so a path may skip a list position.
    if (typeof part !== 'number' && schema === undefined) return [];
  }
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** Where in the language each key is at home, for keys that stand in the wrong map. */
function homesOf(key: string): string[] {
  const homes: string[] = [];
  const visit = (raw: unknown, trail: string): void => {
    const schema = unwrap(raw);
    if (schema instanceof z.ZodArray) visit(schema.element, trail);
    if (!(schema instanceof z.ZodObject)) return;
    for (const [name, inner] of Object.entries(schema.shape)) {
      if (name === key) homes.push(trail);
      visit(inner, trail === '' ? name : `${trail}.${name}`);
    }
  };
  visit(configSchema, '');
  return homes;
}

function unknownKeyHint(key: string, path: ValuePath): string {
  const known = knownKeys(path);
  const guess = suggest(key, known);
  if (guess !== null) return `did you mean "${guess}"?`;
  const homes = homesOf(key);
  const top = String(path[0] ?? '');
  const near = homes
    .filter((home) => home.startsWith(`${top}.`))
    .map((home) => home.slice(top.length + 1));
  const depth = (home: string): number => home.split('.').length;
  const nearest = near.toSorted((a, b) => depth(a) - depth(b)).slice(0, HOMES_SHOWN_MAX);
  const list = nearest.length > 0 ? nearest : homes;
  if (list.includes('')) return `"${key}" belongs to the top level`;
  if (list.length > 0 && list.length <= HOMES_SHOWN_MAX + 1)
    return `"${key}" belongs under ${list.join(' or ')}`;
  return `known here: ${known.join(', ')}`;
}

/** Runs the schema. Returns null when it refused something. */
export function checkShape(
  source: Source,
  resolved: Resolved,
  findings: Findings,
): ParsedConfig | null {
  const result = configSchema.safeParse(resolved.value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) reportIssue(issue, { source, resolved, findings });
  return null;
}

interface Scope {
  readonly source: Source;
  readonly resolved: Resolved;
  readonly findings: Findings;
}

function reportIssue(issue: z.core.$ZodIssue, scope: Scope): void {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  const value = valueAt(scope.resolved.value, path);
  if (issue.code === 'unrecognized_keys') {
    reportUnknownKeys(issue.keys, path, scope);
    return;
  }
  const params = issue.code === 'custom' ? (issue.params as FaultParams | undefined) : undefined;
  const isMissing =
    params?.finding === 'missingKey' || (issue.code === 'invalid_type' && value === undefined);
  if (isMissing) {
    reportMissing(path, params?.hint ?? '', scope);
    return;
  }
  const place = scope.source.place(path);
  if (params !== undefined) {
    const origin = scope.resolved.origins.get(toPointer(path));
    const subject = writtenPath(scope.resolved.value, path).findLast(
      (part) => typeof part === 'string',
    );
    const message = `${subject ?? 'value'}: ${issue.message}${origin === undefined ? '' : ` (from ${origin})`}`;
    scope.findings.add({ name: params.finding, path, place, message, hint: params.hint });
    return;
  }
  reportWrongType(issue, path, scope);
}

function reportUnknownKeys(keys: readonly string[], path: ValuePath, scope: Scope): void {
  for (const key of keys) {
    const where =
      path.length === 0 ? 'at the top level' : `in ${describePlace(scope.resolved.value, path)}`;
    scope.findings.add({
      name: 'unknownKey',
      path: [...path, key],
      place: scope.source.keyPlace([...path, key]),
      message: `unknown key ${quote(key)} ${where}`,
      hint: unknownKeyHint(key, path),
    });
  }
}

function reportMissing(path: ValuePath, example: string, scope: Scope): void {
  const key = String(path.at(-1) ?? '');
  const parent = path.slice(0, -1);
  const where =
    parent.length === 0 ? 'the configuration' : describePlace(scope.resolved.value, parent);
  const hint = MISSING_HINTS[key] ?? (example === '' ? '' : `${key}: ${example}`);
  scope.findings.add({
    name: 'missingKey',
    path,
    place: scope.source.keyPlace(path),
    message: `${where} has no ${quote(key)}`,
    hint: hint === '' ? '' : `for example: ${hint}`,
  });
}

function reportWrongType(issue: z.core.$ZodIssue, path: ValuePath, scope: Scope): void {
  const place = scope.source.place(path);
  const value = valueAt(scope.resolved.value, path);
  const subject =
    path.length === 0 ? 'the configuration' : describePlace(scope.resolved.value, path);
  if (issue.code === 'too_small') {
    scope.findings.add({
      name: 'wrongType',
      path,
      place,
      message: `${subject} is an empty list`,
      hint: 'list at least one',
    });
    return;
  }
  const expected = issue.code === 'invalid_type' && issue.expected === 'array' ? 'a list' : 'a map';
  const key = String(path.at(-1) ?? '');
  const listHint =
    MISSING_HINTS[key] ?? 'write [one, two], or one line for each, starting with "- "';
  const hint =
    expected === 'a list' ? listHint : 'write one "key: value" on each line below, indented';
  const message = `${subject} must be ${expected}, not ${quote(value)}`;
  scope.findings.add({ name: 'wrongType', path, place, message, hint });
}
