/**
 * Two reports side by side: `npm run bench -- compare A B`.
 *
 * Path: reads two raw.json files and prints a table for each scenario that both have.
 * Invariant: reports from different machines, window lengths or scales are compared only with a
 * warning above the table, and never judged.
 */
import { SCENARIOS } from '../scenarios/index.ts';
import { type Block, toMarkdown } from './blocks.ts';
import { type RawReport, type RawScenario, readReport } from './record.ts';
import { estimate } from './statistics.ts';
import { valuesOf } from './summary.ts';
import { formatValue } from './units.ts';

function findDifferences(left: RawReport, right: RawReport): string[] {
  const pairs = [
    ['processor', left.machine.cpu, right.machine.cpu],
    ['cores', left.machine.cores, right.machine.cores],
    ['kernel', left.machine.kernel, right.machine.kernel],
    ['window', left.seconds, right.seconds],
    ['scale', left.divisor, right.divisor],
  ] as const;
  return pairs
    .filter(([, a, b]) => a !== b)
    .map(([what, a, b]) => `**The ${what} differs: ${a} and ${b}.**`);
}

function compareScenario(left: RawScenario, right: RawScenario): Block[] {
  const scenario = SCENARIOS.find(({ name }) => name === left.name);
  const candidates = [...new Set(left.runs.map((run) => run.candidate))];
  const rows: string[][] = [];
  for (const candidate of candidates) {
    for (const { key, title, unit } of scenario?.figures ?? []) {
      const [a, b] = [left, right].map(({ runs }) =>
        estimate(valuesOf(runs, candidate, key).filter((value) => value !== undefined)),
      );
      if (a === undefined || b === undefined || a.count === 0 || b.count === 0) continue;
      const isApart = a.high < b.low || b.high < a.low;
      rows.push([
        `${candidate}: ${title}`,
        formatValue(a.median, unit),
        formatValue(b.median, unit),
        a.median === 0 ? '–' : (b.median / a.median).toFixed(3),
        isApart ? 'intervals apart' : '',
      ]);
    }
  }
  return [
    { kind: 'heading', level: 2, text: left.name },
    { kind: 'table', head: ['', 'A', 'B', 'B over A', ''], rows },
  ];
}

/**
 * The comparison as Markdown.
 *
 * @throws UsageFailure when a folder holds no report.
 */
export function compareReports(leftFolder: string, rightFolder: string): string {
  const left = readReport(leftFolder);
  const right = readReport(rightFolder);
  const describe = (report: RawReport): string =>
    `${report.startedAt}, commit \`${report.commit.slice(0, 12)}\`${report.isPartial ? ', partial' : ''}`;
  const blocks: Block[] = [
    { kind: 'heading', level: 1, text: 'Two reports' },
    { kind: 'list', items: [`A: ${describe(left)}`, `B: ${describe(right)}`] },
    ...findDifferences(left, right).map((text) => ({ kind: 'text' as const, text })),
  ];
  for (const scenario of left.scenarios) {
    const other = right.scenarios.find(({ name }) => name === scenario.name);
    if (other !== undefined) blocks.push(...compareScenario(scenario, other));
  }
  return toMarkdown(blocks);
}
