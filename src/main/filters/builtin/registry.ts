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

/** The message of an issue of the schema; unknown keys are guessed at. */
function* findingsOf(issue: z.core.$ZodIssue, known: readonly string[]): Generator<NativeFinding> {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) {
      const guess = path.length === 0 ? suggest(key, known) : null;
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
  const message = issue.message.replace(/\.$/, '');
  yield { path, message: message.replace(/^Invalid input: /, '') };
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

/** A fault that the core found, as a finding of the use that it belongs to. */
export function findingOfFault(fault: PolicyFault): NativeFinding {
  const path = fault.rule === -1 ? [] : ['rules', fault.rule];
  const value = fault.value === '' ? '' : `${JSON.stringify(fault.value)}: `;
  const where = fault.position === -1 ? '' : ` at position ${fault.position + 1}`;
  return { path, message: `${value}${fault.text}${where}` };
}
