/**
 * From raw runs to the figures of a report: medians, intervals, ratios, and what holds of the
 * claims.
 *
 * Path: raw.json in, Summary out; markdown, HTML and the comparison show nothing else.
 * Invariant: a void figure enters no median; a claim whose figures are missing is "not measured",
 * never held. Ratios are paired by repeat, so that what disturbed both does not count.
 */
import type { Claim, Figure, Scenario } from '../scenarios/index.ts';
import type { RawReport, RawRun, RawScenario } from './record.ts';
import { type Estimate, medianOf, pairRatios } from './statistics.ts';

/** One figure of one candidate. */
export interface Cell {
  readonly estimate?: Estimate;
  /** Why it is void, where every run of it is. */
  readonly void?: string;
}

/** One candidate's row. */
export interface Row {
  readonly candidate: string;
  readonly title: string;
  readonly version: string;
  readonly cells: Readonly<Record<string, Cell>>;
  readonly failures: readonly string[];
}

/** Holdfast over a peer. */
export interface RatioRow {
  readonly peer: string;
  readonly title: string;
  readonly cells: Readonly<Record<string, Estimate>>;
}

/** What became of a claim. */
export interface Verdict {
  readonly claim: Claim;
  readonly state: 'holds' | 'fails' | 'not measured';
  readonly value?: number;
}

/** One scenario of the report. */
export interface ScenarioSummary {
  readonly scenario: Scenario;
  readonly raw: RawScenario;
  readonly figures: readonly Figure[];
  readonly rows: readonly Row[];
  readonly ratios: readonly RatioRow[];
  readonly verdicts: readonly Verdict[];
  readonly notes: readonly string[];
}

/** Computes intervals; the report gives a pool, tests give the function itself. */
export type Estimator = (values: readonly number[]) => Promise<Estimate> | Estimate;

export const PRODUCT = 'holdfast';

/** Values of a figure by repeat; undefined where a run has none or it is void. */
export function valuesOf(
  runs: readonly RawRun[],
  candidate: string,
  key: string,
): (number | undefined)[] {
  const values: (number | undefined)[] = [];
  for (const run of runs) {
    if (run.candidate !== candidate) continue;
    values[run.repeat] = run.voids[key] === undefined ? run.figures[key] : undefined;
  }
  return Array.from(values);
}

const isNumber = (value: number | undefined): value is number => value !== undefined;

async function summarizeCell(
  runs: readonly RawRun[],
  key: string,
  estimator: Estimator,
): Promise<Cell> {
  const candidate = runs[0]?.candidate ?? '';
  const values = valuesOf(runs, candidate, key).filter(isNumber);
  if (values.length > 0) return { estimate: await estimator(values) };
  const reason = runs.map((run) => run.voids[key]).find((each) => each !== undefined);
  return reason === undefined ? {} : { void: reason };
}

async function summarizeRow(
  report: RawReport,
  runs: readonly RawRun[],
  figures: readonly Figure[],
  estimator: Estimator,
): Promise<Row> {
  const name = runs[0]?.candidate ?? '';
  const about = report.candidates.find((candidate) => candidate.name === name);
  const cells: Record<string, Cell> = {};
  for (const { key } of figures) cells[key] = await summarizeCell(runs, key, estimator);
  return {
    candidate: name,
    title: about?.title ?? name,
    version: about?.version ?? '',
    cells,
    failures: runs.flatMap((run) => (run.failure === undefined ? [] : [run.failure])),
  };
}

function judge(claim: Claim, runs: readonly RawRun[]): Verdict {
  const own = valuesOf(runs, PRODUCT, claim.figure);
  const values =
    claim.over === undefined
      ? own.filter(isNumber)
      : pairRatios(own, valuesOf(runs, claim.over, claim.overFigure ?? claim.figure));
  if (values.length === 0) return { claim, state: 'not measured' };
  const value = medianOf(values);
  const isHeld =
    (claim.atMost === undefined || value <= claim.atMost) &&
    (claim.atLeast === undefined || value >= claim.atLeast);
  return { claim, state: isHeld ? 'holds' : 'fails', value };
}

/** Each note once, with the candidates it is about where it is not about all. */
function listNotes(runs: readonly RawRun[], rows: readonly Row[]): string[] {
  return [...new Set(runs.flatMap((run) => run.notes))].map((note) => {
    const about = rows.filter(({ candidate }) =>
      runs.some((run) => run.candidate === candidate && run.notes.includes(note)),
    );
    if (about.length === rows.length) return note;
    return `${about.map(({ title }) => title).join(', ')}: ${note}`;
  });
}

/** Summarizes one scenario of a report. */
export async function summarizeScenario(
  report: RawReport,
  raw: RawScenario,
  scenario: Scenario,
  estimator: Estimator,
): Promise<ScenarioSummary> {
  const names = report.candidates
    .map(({ name }) => name)
    .filter((name) => raw.runs.some((run) => run.candidate === name));
  const figures = scenario.figures.filter(({ key }) =>
    raw.runs.some((run) => run.figures[key] !== undefined),
  );
  const rows: Row[] = [];
  const ratios: RatioRow[] = [];
  for (const name of names) {
    const runs = raw.runs.filter((run) => run.candidate === name);
    const row = await summarizeRow(report, runs, figures, estimator);
    rows.push(row);
    if (name === PRODUCT || !names.includes(PRODUCT)) continue;
    const cells: Record<string, Estimate> = {};
    for (const { key } of figures) {
      const own = valuesOf(raw.runs, PRODUCT, key);
      const pairs = pairRatios(own, valuesOf(raw.runs, name, key));
      if (pairs.length > 0) cells[key] = await estimator(pairs);
    }
    if (Object.keys(cells).length > 0) ratios.push({ peer: name, title: row.title, cells });
  }
  return {
    scenario,
    raw,
    figures,
    rows,
    ratios,
    verdicts: scenario.claims.map((claim) => judge(claim, raw.runs)),
    notes: listNotes(raw.runs, rows),
  };
}
