/**
 * Writes a report's folder: report.md, report.html, raw.json, machine.json, plots, .hgrm and .hlog
 * files.
 *
 * Path: the runner saves raw.json after every measurement and calls `writeReport` at the end, or
 * when it is interrupted; `render DIR` calls it alone.
 * Invariant: each file is written whole under another name and then renamed, so a reader never sees
 * a part.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Plot, SCENARIOS } from '../scenarios/index.ts';
import { type Block, toHtml, toMarkdown } from './blocks.ts';
import { composeHead, composeScenario } from './compose.ts';
import { formatHgrm, formatHlog, type LogInterval, merge, percentilePoints } from './histogram.ts';
import { ReportPool } from './pool.ts';
import type { RawReport, RawScenario } from './record.ts';
import { medianOf } from './statistics.ts';
import { type ScenarioSummary, summarizeScenario, valuesOf } from './summary.ts';
import type { Picture, Series } from './svg.ts';

function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Saves what has been measured so far. */
export function saveRaw(folder: string, report: RawReport): void {
  mkdirSync(folder, { recursive: true });
  writeWhole(join(folder, 'raw.json'), `${JSON.stringify(report)}\n`);
}

/** The histograms of a candidate that are not void. */
const histogramsOf = (raw: RawScenario, candidate: string, name: string): string[] =>
  raw.runs
    .filter((run) => run.candidate === candidate && run.voids[`${name}.p99`] === undefined)
    .flatMap((run) => run.histograms[name] ?? []);

/** The median over the repeats at each x. */
function seriesOf(raw: RawScenario, candidate: string, name: string): [number, number][] {
  const byX = new Map<number, number[]>();
  for (const run of raw.runs) {
    if (run.candidate !== candidate) continue;
    for (const [x, y] of run.series[name] ?? []) byX.set(x, [...(byX.get(x) ?? []), y]);
  }
  return [...byX].map(([x, ys]): [number, number] => [x, medianOf(ys)]).sort(([a], [b]) => a - b);
}

/** What a bar stands for in the unit that is written beside it. */
const BAR_UNITS: Readonly<Record<string, readonly [number, string]>> = {
  ns: [1000, 'µs'],
  us: [1, 'µs'],
  bytes: [1, 'B'],
  perSecond: [1, '/s'],
  bytesPerSecond: [2 ** 30, 'GiB/s'],
  count: [1, ''],
  ratio: [1, ''],
  s: [1, 's'],
};

function pictureOf(plot: Plot, summary: ScenarioSummary, report: RawReport): Picture {
  const { raw, rows, figures } = summary;
  const collect = (points: (candidate: string) => Series['points']): Series[] =>
    rows
      .map(({ candidate, title }) => ({
        name: title,
        colour: report.candidates.findIndex(({ name }) => name === candidate),
        points: points(candidate),
      }))
      .filter((series) => series.points.length > 0);
  if (plot.kind === 'percentiles') {
    const series = collect((candidate) => {
      const encoded = histogramsOf(raw, candidate, plot.histogram);
      return encoded.length === 0 ? [] : percentilePoints(merge(encoded));
    });
    return { kind: 'percentiles', title: plot.title, x: 'percentile', y: 'latency, µs', series };
  }
  if (plot.kind === 'lines') {
    const series = collect((candidate) => seriesOf(raw, candidate, plot.series));
    return { kind: 'lines', title: plot.title, x: plot.x, y: plot.y, series };
  }
  const unit = figures.find(({ key }) => key === plot.figure)?.unit ?? 'count';
  const [divisor, label] = BAR_UNITS[unit] ?? [1, ''];
  const series = collect((candidate) => {
    const values = valuesOf(raw.runs, candidate, plot.figure).filter((each) => each !== undefined);
    return values.length === 0 ? [] : [[0, medianOf(values) / divisor]];
  });
  return { kind: 'bars', title: plot.title, x: '', y: label, series };
}

function writeHistograms(folder: string, raw: RawScenario): void {
  const names = [...new Set(raw.runs.flatMap((run) => Object.keys(run.histograms)))];
  const candidates = [...new Set(raw.runs.map((run) => run.candidate))];
  const intervals: LogInterval[] = [];
  for (const name of names) {
    for (const candidate of candidates) {
      const encoded = histogramsOf(raw, candidate, name);
      if (encoded.length === 0) continue;
      const path = join(folder, 'histograms', `${raw.name}.${name}.${candidate}.hgrm`);
      writeWhole(path, formatHgrm(merge(encoded)));
    }
    for (const run of raw.runs) {
      const encoded = run.histograms[name];
      if (encoded === undefined) continue;
      const { startedAt, seconds } = run;
      intervals.push({ tag: `${run.candidate}.${name}`, startedAt, seconds, encoded });
    }
  }
  if (intervals.length === 0) return;
  const path = join(folder, 'histograms', `${raw.name}.hlog`);
  writeWhole(
    path,
    formatHlog(intervals, `${raw.name}: latencies in nanoseconds, maxima in microseconds`),
  );
}

/** Renders everything that follows from the raw report. */
export async function writeReport(folder: string, report: RawReport): Promise<void> {
  mkdirSync(join(folder, 'plots'), { recursive: true });
  mkdirSync(join(folder, 'histograms'), { recursive: true });
  saveRaw(folder, report);
  writeWhole(join(folder, 'machine.json'), `${JSON.stringify(report.machine, null, 2)}\n`);
  await using pool = new ReportPool();
  const blocks: Block[] = composeHead(report);
  for (const raw of report.scenarios) {
    const scenario = SCENARIOS.find(({ name }) => name === raw.name);
    if (scenario === undefined || raw.runs.length === 0) continue;
    const summary = await summarizeScenario(report, raw, scenario, (values) =>
      pool.estimate(values),
    );
    const plots: Block[] = [];
    for (const [index, plot] of scenario.plots.entries()) {
      const svg = await pool.draw(pictureOf(plot, summary, report));
      if (svg === '') continue;
      const name = `${raw.name}-${index + 1}`;
      writeWhole(join(folder, 'plots', `${name}.svg`), svg);
      plots.push({ kind: 'plot', name, title: plot.title, svg });
    }
    blocks.push(...composeScenario(summary, plots));
    writeHistograms(folder, raw);
  }
  writeWhole(join(folder, 'report.md'), toMarkdown(blocks));
  writeWhole(join(folder, 'report.html'), toHtml(blocks, `Holdfast benchmark ${report.startedAt}`));
}
