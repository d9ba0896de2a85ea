/**
 * Prometheus text exposition, version 0.0.4.
 *
 * Path: metrics.ts collects families, this writes them, admin/ sends the pieces.
 * Invariant: the text is valid whatever names contain; a family's samples stand together under one
 * HELP and one TYPE.
 */

export type MetricKind = 'counter' | 'gauge' | 'histogram';

/** A metric with all its samples. */
export interface Family {
  readonly name: string;
  readonly kind: MetricKind;
  /** A full sentence. */
  readonly help: string;
  readonly samples: Iterable<Sample>;
}

/** One value. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Of a histogram: `_bucket`, `_sum` or `_count`. */
  readonly suffix?: string;
}

/** What a family is called, before it has samples. */
export type FamilyHead = Omit<Family, 'samples'>;

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Characters per piece; a piece is the most that is written without looking at anything else. */
const PIECE_CHARS = 64 * 1024;

/** Writes one family, in pieces. */
export function* writeFamily(family: Family): Generator<string> {
  const { name, kind, help, samples } = family;
  let piece = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${kind}\n`;
  for (const { labels, value, suffix = '' } of samples) {
    piece += `${name}${suffix}${writeLabels(labels)} ${writeValue(value)}\n`;
    if (piece.length > PIECE_CHARS) {
      yield piece;
      piece = '';
    }
  }
  yield piece;
}

/** A family of one sample. */
export function one(
  head: FamilyHead,
  value: number,
  labels: Readonly<Record<string, string>> = {},
): Family {
  return { ...head, samples: [{ labels, value }] };
}

/** A family with one label. */
export function many(
  head: FamilyHead,
  label: string,
  values: readonly (readonly [string, number])[],
): Family {
  return { ...head, samples: values.map(([key, value]) => ({ labels: { [label]: key }, value })) };
}

/** What a histogram says: how many values were at most each bound. */
export interface Buckets {
  /** Ascending, in the unit of the metric. */
  readonly bounds: readonly number[];
  /** Cumulative, one for each bound. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

/** The samples of one histogram. */
export function histogramSamples(
  labels: Readonly<Record<string, string>>,
  { bounds, counts, count, sum }: Buckets,
): Sample[] {
  return [
    ...bounds.map((bound, index) => ({
      labels: { ...labels, le: String(bound) },
      value: counts[index] ?? 0,
      suffix: '_bucket',
    })),
    { labels: { ...labels, le: '+Inf' }, value: count, suffix: '_bucket' },
    { labels, value: sum, suffix: '_sum' },
    { labels, value: count, suffix: '_count' },
  ];
}

/** `connectFailures` to `connect_failures`. */
export function toSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function writeLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function writeValue(value: number): string {
  if (Number.isFinite(value)) {
    return String(value);
  }
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
