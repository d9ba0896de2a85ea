/**
 * A strict reader of the Prometheus text format 0.0.4, for tests.
 *
 * Path: tests parse `GET /metrics` with it.
 * Invariant: whatever a scraper could stumble over is an error here: a family in two pieces, a
 * sample without a type, a duplicate series, a bad name, escape or number, a missing line feed.
 */
import assert from 'node:assert/strict';

/** One family of the page. */
export interface MetricFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Values by series, labels in the order of the page: `name{a="b"}`. */
  readonly samples: Map<string, number>;
  /** The same by labels, unescaped. */
  readonly labels: Readonly<Record<string, string>>[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const TYPES = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const SAMPLE = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/;
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;

/** Reads a page. Throws where it is not exactly right. */
export function parseMetrics(text: string): Map<string, MetricFamily> {
  assert.ok(text.endsWith('\n'), 'the last line ends with a line feed');
  const families = new Map<string, MetricFamily>();
  let help: readonly [string, string] | null = null;
  let current: MetricFamily | null = null;
  for (const line of text.slice(0, -1).split('\n')) {
    const head = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (head?.[1] === 'HELP') {
      help = [head[2] ?? '', head[3] ?? ''];
      current = null;
      assert.ok(!families.has(help[0]), `${help[0]} comes in two pieces`);
    } else if (head?.[1] === 'TYPE') {
      const [name, type] = [head[2] ?? '', head[3] ?? ''];
      assert.equal(help?.[0], name, `HELP stands before TYPE: ${line}`);
      assert.match(name, NAME);
      assert.ok(TYPES.has(type), line);
      current = { name, type, help: help?.[1] ?? '', samples: new Map(), labels: [] };
      families.set(name, current);
    } else {
      assert.ok(current !== null, `a sample without its family: ${line}`);
      readSample(line, current);
    }
  }
  return families;
}

function readSample(line: string, family: MetricFamily): void {
  const match = SAMPLE.exec(line);
  assert.ok(match !== null, `not a sample: ${line}`);
  const [, name = '', labels, value = ''] = match;
  const isHistogram = family.type === 'histogram';
  const familyName = isHistogram ? name.replace(/_(?:bucket|sum|count)$/, '') : name;
  assert.equal(familyName, family.name, 'a family is in one piece');
  assert.match(value, NUMBER);
  const series = labels === undefined ? name : `${name}{${labels}}`;
  assert.ok(!family.samples.has(series), `twice: ${series}`);
  const number = Number(value.replace('Inf', 'Infinity'));
  if (family.type === 'counter') {
    assert.ok(name.endsWith('_total'), `a counter's name ends with _total: ${name}`);
    assert.ok(number >= 0 && Number.isFinite(number), line);
  } else {
    assert.ok(!name.endsWith('_total'), `only a counter's name ends with _total: ${name}`);
  }
  family.samples.set(series, number);
  family.labels.push(labels === undefined ? {} : readLabels(labels));
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const from = LABEL.lastIndex;
    const match = LABEL.exec(text);
    assert.ok(match !== null, `bad labels from "${text.slice(from)}"`);
    const [, name = '', value = ''] = match;
    assert.ok(!(name in labels), `label ${name} twice`);
    assert.ok(!name.startsWith('__'), `label ${name} is reserved`);
    labels[name] = value.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
  }
  return labels;
}
