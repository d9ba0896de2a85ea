/**
 * Careful access to a configuration whose shape is not known to be right.
 *
 * Path: the checks (check*.ts) read the plain value through these.
 * Invariant: total; a wrong shape reads as "nothing there", because the schema reports it.
 */
import type { FindingName } from './codes.ts';
import type { Findings, ValuePath } from './findings.ts';
import type { Resolved } from './references.ts';
import type { Source } from './source.ts';
import type { Parsed } from './units.ts';
import type { World } from './world.ts';

/** What the checks look at. */
export interface CheckInput {
  readonly source: Source;
  readonly resolved: Resolved;
  readonly world: World;
  readonly findings: Findings;
}

/** Where to report, and where things stand. */
export interface Reporter {
  readonly source: Source;
  readonly report: Report;
}

/** What the checks of HTTP know besides the listener. */
export interface HttpCheck extends Reporter, CheckInput {
  /** By name. */
  readonly clusters: ReadonlyMap<string, PlainMap>;
}

/** A map of a list where it stands: a host, or a route. */
export interface PlacedMap {
  readonly map: PlainMap;
  readonly path: ValuePath;
}

/** A map of any content. */
export type PlainMap = Readonly<Record<string, unknown>>;
/** Reports a finding at a path. */
export type Report = (name: FindingName, path: ValuePath, message: string, hint?: string) => void;

/** A named item of one of the two top lists. */
export interface Item {
  readonly map: PlainMap;
  readonly path: ValuePath;
  readonly name: string | null;
}

const EMPTY: PlainMap = {};

/** The value as a map, or an empty one. */
export function asMap(value: unknown): PlainMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as PlainMap)
    : EMPTY;
}

/** The value as a list: a lone value is its only item. */
export function asList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return value === undefined || value === null ? [] : [value];
}

/** The items of a top list, whatever their shape. */
export function items(root: PlainMap, key: 'listeners' | 'clusters'): Item[] {
  const list = Array.isArray(root[key]) ? (root[key] as unknown[]) : [];
  return list.map((value, i) => {
    const map = asMap(value);
    return { map, path: [key, i], name: typeof map['name'] === 'string' ? map['name'] : null };
  });
}

/** Follows a path into a plain value. */
export function valueAt(root: unknown, path: ValuePath): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part))
      return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** The part of a path that stands in the text; short forms are expanded beyond it. */
export function writtenPath(root: unknown, path: ValuePath): ValuePath {
  let written = path;
  while (written.length > 0 && valueAt(root, written) === undefined) written = written.slice(0, -1);
  return written;
}

/** An amount, `initial` when it is not set, or null when it cannot be read. */
export function amountOf(
  parse: (value: unknown) => Parsed<number>,
  value: unknown,
  initial: number,
): number | null {
  if (value === undefined || value === null) return initial;
  const parsed = parse(value);
  return parsed.ok ? parsed.value : null;
}
