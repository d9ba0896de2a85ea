/**
 * From summaries to the blocks of a report: what was asked, what was found, what holds, how to
 * repeat it.
 *
 * Path: write.ts gives it summaries and pictures; nothing is measured or computed here.
 * Invariant: what a report shows of a figure is its median and its 95 % interval over the repeats,
 * or the reason why it is void. What failed, was left out or is not installed is said in the same
 * place.
 */
import type { Figure } from '../scenarios/index.ts';
import type { Block } from './blocks.ts';
import type { RawReport } from './record.ts';
import type { Estimate } from './statistics.ts';
import type { Cell, ScenarioSummary, Verdict } from './summary.ts';
import { formatNumber, formatValue } from './units.ts';

function formatRange(estimate: Estimate, format: (value: number) => string): string {
  const middle = format(estimate.median);
  if (estimate.count < 2 || estimate.low === estimate.high) return middle;
  return `${middle} (${format(estimate.low)} to ${format(estimate.high)})`;
}

function formatCell(cell: Cell | undefined, figure: Figure): string {
  if (cell?.estimate !== undefined) {
    return formatRange(cell.estimate, (value) => formatValue(value, figure.unit));
  }
  return cell?.void === undefined ? '–' : 'void';
}

function formatVerdict({ claim, state, value }: Verdict): readonly string[] {
  const limit =
    claim.atMost === undefined ? `≥ ${claim.atLeast}` : `≤ ${formatNumber(claim.atMost)}`;
  const over = claim.over === undefined ? '' : ` × ${claim.over}`;
  const shown = value === undefined ? '–' : value.toFixed(Math.abs(value) < 100 ? 3 : 0);
  return [claim.sentence, `${limit}${over}`, shown, state === 'fails' ? '**fails**' : state];
}

function listVoids(summary: ScenarioSummary): string[] {
  const found = new Map<string, string[]>();
  for (const row of summary.rows) {
    for (const { key, title } of summary.figures) {
      const reason = row.cells[key]?.void;
      if (reason !== undefined) {
        const sentence = `${row.title}: ${reason}`;
        found.set(sentence, [...(found.get(sentence) ?? []), title]);
      }
    }
  }
  return [...found].map(([sentence, titles]) => `Void for ${sentence} (${titles.join(', ')}).`);
}

function composeTable(summary: ScenarioSummary): Block {
  return {
    kind: 'table',
    head: ['', ...summary.rows.map(({ title, version }) => `${title} ${version}`.trim())],
    rows: summary.figures.map((figure) => [
      figure.title,
      ...summary.rows.map((row) => formatCell(row.cells[figure.key], figure)),
    ]),
  };
}

function composeRatios(summary: ScenarioSummary): Block[] {
  if (summary.ratios.length === 0) return [];
  const figures = summary.figures.filter(({ better }) => better !== 'neither');
  return [
    {
      kind: 'text',
      text: 'Holdfast over each peer, paired by repeat (below 1 is better where less is better):',
    },
    {
      kind: 'table',
      head: ['', ...summary.ratios.map(({ title }) => title)],
      rows: figures.map(({ key, title, better }) => [
        `${title} (${better === 'lower' ? 'less' : 'more'} is better)`,
        ...summary.ratios.map(({ cells }) => {
          const estimate = cells[key];
          return estimate === undefined ? '–' : formatRange(estimate, (value) => value.toFixed(2));
        }),
      ]),
    },
  ];
}

/** The part of a report that belongs to one scenario. */
export function composeScenario(summary: ScenarioSummary, plots: readonly Block[]): Block[] {
  const { scenario, raw, rows, verdicts, notes } = summary;
  const failures = rows.flatMap(({ title, failures }) =>
    [...new Set(failures)].map((failure) => `${title} failed: ${failure}.`),
  );
  const parameters = Object.entries(raw.runs[0]?.parameters ?? {}).map(
    ([key, value]) => `${key} ${value}`,
  );
  const remarks = [
    ...raw.leftOut.map(({ candidate, reason }) => `Without ${candidate}: ${reason}.`),
    ...failures,
    ...listVoids(summary),
    ...notes,
    ...(parameters.length > 0 ? [`Parameters: ${parameters.join(', ')}.`] : []),
  ];
  return [
    { kind: 'heading', level: 2, text: scenario.name },
    { kind: 'text', text: `**${scenario.question}**` },
    composeTable(summary),
    ...composeRatios(summary),
    ...(verdicts.length > 0
      ? [
          {
            kind: 'table' as const,
            head: ['Holdfast promises', 'limit', 'measured', 'verdict'],
            rows: verdicts.map(formatVerdict),
          },
        ]
      : []),
    ...plots,
    ...(remarks.length > 0 ? [{ kind: 'list' as const, items: remarks }] : []),
  ];
}

function describeMachine({ machine }: RawReport): string[] {
  return [
    `${machine.cores} cores, ${machine.cpu}, ${formatValue(machine.memoryBytes, 'bytes')}` +
      (machine.isVirtual ? ', virtual machine' : ''),
    `Linux ${machine.kernel}, Node ${machine.node}, congestion control ` +
      `${machine.congestionControl}, transparent huge pages ${machine.transparentHugePages}`,
    `${machine.descriptorsMax.toLocaleString('en-US')} descriptors for each process, ` +
      `somaxconn ${machine.somaxconn}, governor ${machine.governor}`,
    ...machine.warnings,
  ];
}

/** What stands before the scenarios. */
export function composeHead(report: RawReport): Block[] {
  const titles = report.candidates
    .filter(({ version }) => version !== undefined)
    .map(({ title, version }) => (version === 'none' ? title : `${title} ${version}`));
  const missing = report.candidates.flatMap(({ title, missing }) =>
    missing === undefined ? [] : [`${title} is not installed; \`${missing}\` installs it.`],
  );
  const partial = report.isPartial
    ? ['**This run was interrupted. What follows is what it had measured by then.**']
    : [];
  const quick =
    report.divisor > 1
      ? ['**A quick look: counts and windows are reduced. Nothing here is a result.**']
      : [];
  return [
    { kind: 'heading', level: 1, text: `Benchmark of ${report.startedAt.slice(0, 10)}` },
    ...[...partial, ...quick].map((text) => ({ kind: 'text' as const, text })),
    {
      kind: 'text',
      text:
        `Commit \`${report.commit.slice(0, 12)}\`${report.isCommitClean ? '' : ' with local changes'}, ` +
        `${report.repeats} repeats of ${report.seconds} s, candidates interleaved (A B B A). Each ` +
        'figure is the median over the repeats with its 95 % bootstrap interval; latencies are from ' +
        'the intended send time; every number is derived from `raw.json` beside this file.',
    },
    { kind: 'code', text: report.command },
    { kind: 'list', items: [...describeMachine(report), `Candidates: ${titles.join(', ')}.`] },
    ...(missing.length > 0 ? [{ kind: 'list' as const, items: missing }] : []),
  ];
}
