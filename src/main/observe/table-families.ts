/**
 * Tables of the core as Prometheus families.
 *
 * Path: core-metrics.ts and http-metrics.ts hand over rows of the board in the order of the core's
 * tables.
 * Invariant: a counter that the core adds appears by itself, named after the core's name; names
 * that have a convention, and base units, are told.
 */
import type { CounterInfo } from '../../../native/epoll/index.ts';
import { type Family, type Sample, toSnakeCase } from './exposition.ts';

/** How a counter of the core is shown. */
export interface Shown {
  readonly name: string;
  /** The core's unit times this is the base unit. */
  readonly factor?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Says what the core's sentence does not, because the unit or the family differs. */
  readonly help?: string;
}

/** One row of a table: its labels, and its values in the table's order. */
export interface Row {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

/** Samples by the names of a table. */
export function byReason(
  labels: Readonly<Record<string, string>>,
  reasons: readonly { readonly name: string }[],
  values: readonly number[],
): Sample[] {
  return reasons.map(({ name }, index) => ({
    labels: { ...labels, reason: name },
    value: values[index] ?? 0,
  }));
}

/** One family for each name; counters that share a name become samples of one family. */
export function tableFamilies(
  table: readonly CounterInfo[],
  rows: readonly Row[],
  options: {
    readonly prefix: string;
    readonly names: Readonly<Record<string, Shown>>;
    readonly skipped: ReadonlySet<string>;
  },
): Family[] {
  const families = new Map<string, Family & { readonly samples: Sample[] }>();
  for (const [column, { name, kind, help }] of table.entries()) {
    if (options.skipped.has(name)) {
      continue;
    }
    const suffix = kind === 'counter' ? '_total' : '';
    const shown: Shown = options.names[name] ?? {
      name: `${options.prefix}_${toSnakeCase(name)}${suffix}`,
    };
    const family = families.get(shown.name) ?? {
      name: shown.name,
      kind,
      help: shown.help ?? help,
      samples: [],
    };
    families.set(shown.name, family);
    for (const { labels, values } of rows) {
      family.samples.push({
        labels: { ...labels, ...shown.labels },
        value: (values[column] ?? 0) * (shown.factor ?? 1),
      });
    }
  }
  return [...families.values()];
}
