/**
 * raw.json: everything a run measured, and nothing that was computed from it.
 *
 * Path: the runner fills it, the report and the comparison read it back.
 * Invariant: every number in report.md and report.html is derived from this file alone, by
 * summary.ts; so `npm run bench -- render DIR` writes the same report again.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Machine, UsageFailure } from '../rig/index.ts';

/** One measurement of one candidate. */
export interface RawRun {
  readonly candidate: string;
  readonly repeat: number;
  /** Position in the interleaved order of the scenario, from 0. */
  readonly order: number;
  readonly startedAt: string;
  readonly seconds: number;
  readonly figures: Readonly<Record<string, number>>;
  readonly voids: Readonly<Record<string, string>>;
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly notes: readonly string[];
  readonly series: Readonly<Record<string, readonly (readonly [number, number])[]>>;
  /** HdrHistogram V2, compressed, base64; values in nanoseconds. */
  readonly histograms: Readonly<Record<string, string>>;
  /** Why there are no figures. */
  readonly failure?: string;
}

/** One scenario with all its runs. */
export interface RawScenario {
  readonly name: string;
  readonly question: string;
  readonly runs: RawRun[];
  readonly leftOut: readonly { readonly candidate: string; readonly reason: string }[];
}

/** A candidate of the run, installed or not. */
export interface RawCandidate {
  readonly name: string;
  readonly title: string;
  readonly version?: string;
  /** The command that installs it. */
  readonly missing?: string;
}

/** The file. */
export interface RawReport {
  readonly format: 1;
  readonly startedAt: string;
  finishedAt: string;
  /** True until the last measurement is done: an interrupted run stays so. */
  isPartial: boolean;
  readonly command: string;
  readonly commit: string;
  readonly isCommitClean: boolean;
  readonly machine: Machine;
  readonly repeats: number;
  readonly seconds: number;
  readonly divisor: number;
  readonly candidates: readonly RawCandidate[];
  readonly scenarios: RawScenario[];
}

/** @throws UsageFailure when the folder has no report of this format. */
export function readReport(folder: string): RawReport {
  let report: RawReport;
  try {
    report = JSON.parse(readFileSync(join(folder, 'raw.json'), 'utf8')) as RawReport;
  } catch {
    throw new UsageFailure(`${folder} holds no report: there is no readable raw.json in it`);
  }
  if (report.format !== 1) throw new UsageFailure(`${folder} holds a report of another format`);
  return report;
}
