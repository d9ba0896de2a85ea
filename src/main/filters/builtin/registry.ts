/**
 * The native filters by name, and the check of one use.
 *
 * Path: the planner of filters asks for each `use: holdfast/...`; what comes out goes into the
 * snapshot, with an id of its place.
 * Invariant: never throws. A use with any finding gives no policy.
 */
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import type { PolicyFault, PolicyInput } from '../../../../native/epoll/index.ts';
import { suggest } from '../../config/index.ts';
import { accessLog } from './access-log.ts';
import { basicAuth } from './basic-auth.ts';
import { compression } from './compression.ts';
import { concurrency } from './concurrency.ts';
import { CONDITION_KEYS } from './condition.ts';
import { cors } from './cors.ts';
import { fault } from './fault.ts';
import { headers } from './headers.ts';
import { ipAccess } from './ip-access.ts';
import { mirror } from './mirror.ts';
import type { FilterPlace, NativeFilter, NativeFinding } from './native-filter.ts';
import { rateLimit } from './rate-limit.ts';
import { rbac } from './rbac.ts';
import { sizeLimit } from './size-limit.ts';

const PREFIX = 'holdfast/';

/** Bytes of one file that a native filter reads. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

const FILTERS: ReadonlyMap<string, NativeFilter> = new Map([
  ['rbac', rbac],
  ['ip-access', ipAccess],
  ['rate-limit', rateLimit],
  ['cors', cors],
  ['basic-auth', basicAuth],
  ['size-limit', sizeLimit],
  ['headers', headers],
  ['fault', fault],
  ['concurrency', concurrency],
  ['access-log', accessLog],
  ['compression', compression],
  ['mirror', mirror],
]);

/** What a check finds. */
export interface NativeCheck {
  /** Null when there are findings. Its `id` is 0: the place gives it one. */
  readonly input: PolicyInput | null;
  readonly findings: readonly NativeFinding[];
  /** Absolute paths of files that were read: when one changes, the use is to be checked again. */
  readonly files: readonly string[];
}

/** The names of native filters, as `use` has them. */
export function listNativeFilters(): string[] {
  return [...FILTERS.keys()].map((name) => `${PREFIX}${name}`);
}

/** True for a filter that the core evaluates: `holdfast/rbac`. */
export function isNativeFilter(specifier: string): boolean {
  return specifier.startsWith(PREFIX) && FILTERS.has(specifier.slice(PREFIX.length));
}

/** Longest text of a file's error that is worth showing. */
function reasonOf(fault: unknown): string {
  return fault instanceof Error ? fault.message.slice(0, 200) : 'it cannot be read';
}

/** What a schema expected, for people. */
const EXPECTED: Readonly<Record<string, string>> = {
  array: 'must be a list',
  boolean: 'must be true or false',
  number: 'must be a number',
  object: 'must be a map of keys and values',
  record: 'must be a map of keys and values',
  string: 'must be text',
};

/** An issue of the schema in one sentence that says what to write. */
function sentenceOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') {
    return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
  }
  const expected = issue.code === 'invalid_type' ? EXPECTED[issue.expected] : undefined;
  if (expected !== undefined) return expected;
  return issue.message.replace(/\.$/, '').replace(/^Invalid input: /, '');
}

/** The message of an issue of the schema; unknown keys are guessed at. */
function* findingsOf(issue: z.core.$ZodIssue, known: readonly string[]): Generator<NativeFinding> {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) {
      const isCondition = path.includes('when');
      const names = path.length === 0 ? known : isCondition ? CONDITION_KEYS : [];
      const guess = suggest(key, names);
      const hint = guess === null ? '' : `: did you mean "${guess}"?`;
      yield { path: [...path, key], message: `unknown key "${key}"${hint}` };
    }
    return;
  }
  if (issue.code === 'invalid_union' && issue.errors.some((errors) => errors.length > 0)) {
    // The alternative that got furthest says most.
    const best = issue.errors.toSorted(
      (a, b) => (b[0]?.path.length ?? 0) - (a[0]?.path.length ?? 0),
    )[0];
    for (const inner of best ?? []) {
      yield* findingsOf({ ...inner, path: [...issue.path, ...inner.path] }, known);
    }
    return;
  }
  yield { path, message: sentenceOf(issue) };
}

function keysOf(schema: z.ZodType): string[] {
  const shape = (schema as { readonly shape?: Readonly<Record<string, unknown>> }).shape;
  return Object.keys(shape ?? {});
}

/**
 * Checks what stands under `with` of a native filter.
 *
 * @param place - what has the filter in its list.
 * @param base - URL of the configuration file, from which paths of files lead.
 */
export function checkNativeFilter(
  specifier: string,
  config: unknown,
  place: FilterPlace,
  base: string,
): NativeCheck {
  const findings: NativeFinding[] = [];
  const files: string[] = [];
  const report = (path: readonly (string | number)[], message: string): void => {
    findings.push({ path, message });
  };
  const filter = FILTERS.get(specifier.slice(PREFIX.length));
  if (filter === undefined) {
    report([], `there is no filter "${specifier}"`);
    return { input: null, findings, files };
  }
  if (!filter.places.includes(place)) {
    const words = { listener: 'a listener', route: 'a route', 'tcp-listener': 'TCP' } as const;
    report([], `"${specifier}" is not for ${words[place]}`);
    return { input: null, findings, files };
  }
  const parsed = filter.schema.safeParse(config ?? {});
  if (!parsed.success) {
    const known = keysOf(filter.schema);
    for (const issue of parsed.error.issues) findings.push(...findingsOf(issue, known));
    return { input: null, findings, files };
  }
  const readText = (path: string, at: readonly (string | number)[]): string | null => {
    try {
      const file = fileURLToPath(new URL(path, base));
      files.push(file);
      if (statSync(file).size <= FILE_BYTES_MAX) return readFileSync(file, 'utf8');
      report(at, `${path} has more than ${FILE_BYTES_MAX} bytes`);
    } catch (fault) {
      report(at, `${path} cannot be read: ${reasonOf(fault)}`);
    }
    return null;
  };
  const input = filter.toPolicy(parsed.data, { place, report, readText });
  return { input: findings.length > 0 ? null : input, findings, files };
}

type Path = readonly (string | number)[];

/** Where `text` stands as a value or a key, at most twice: then it is not clear which is meant. */
function placesOf(text: string, value: unknown, path: Path, found: Path[] = []): Path[] {
  if (found.length > 1) return found;
  if (value === text) found.push(path);
  if (typeof value !== 'object' || value === null) return found;
  for (const [key, inner] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    if (key === text && !Array.isArray(value)) found.push(at);
    placesOf(text, inner, at, found);
  }
  return found;
}

function valueAt(value: unknown, path: Path): unknown {
  let inner = value;
  for (const key of path) inner = (inner as Readonly<Record<string, unknown>> | undefined)?.[key];
  return inner;
}

/**
 * A fault that the core found, as a finding of the use that it belongs to.
 *
 * @param config - what stands under `with`: the text that is wrong is looked for in it.
 */
export function findingOfFault(fault: PolicyFault, config: unknown): NativeFinding {
  const place = fault.rule === -1 ? [] : ['rules', fault.rule];
  const places = fault.value === '' ? [] : placesOf(fault.value, valueAt(config, place), place);
  const path = places.length === 1 ? (places[0] ?? place) : place;
  const value = fault.value === '' ? '' : `${JSON.stringify(fault.value)}: `;
  const where = fault.position === -1 ? '' : ` at position ${fault.position + 1}`;
  return { path, message: `${value}${fault.text}${where}` };
}
