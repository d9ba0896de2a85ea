/**
 * The gate's proof of itself: planted regressions are caught, one tree against itself is no alarm.
 *
 * Path: `npm run gate -- self-test`. Twenty runs take half an hour, so what is done is kept in
 * bench/build and a later call goes on from there.
 * Invariant: what is kept belongs to one state of the tree (commit and changes on top of it); with
 * another state it starts from nothing. A run that was interrupted is not kept.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { BUILD, type RigParts, ROOT } from '../rig/index.ts';
import { judgeTimeOf } from './against-base.ts';
import { describeState } from './base.ts';
import { readBudgets } from './budgets.ts';
import { judgeFigures } from './count.ts';
import { type CountedFigure, prepareSubject } from './figures.ts';
import { plantAll } from './plants.ts';
import { describePlant } from './report.ts';

/** One run of the whole gate on one tree against itself. */
export interface SameRun {
  /** When it began: ISO 8601, UTC. */
  readonly at: string;
  readonly seconds: number;
  /** Load average over one minute when it began: what else the machine had to do. */
  readonly loadAverage: number;
  readonly lines: readonly string[];
}

/** What is done so far. */
export interface SelfTestRecord {
  readonly state: string;
  /** A line for each plant. */
  readonly plants: readonly string[];
  readonly runs: readonly SameRun[];
}

/** What a call of the self-test is to do. */
export interface SelfTestRequest {
  readonly figures: readonly CountedFigure[];
  readonly parts: RigParts;
  readonly isTimed: boolean;
  /** Runs that there shall be in the end, and how many of them this call may make. */
  readonly runs: number;
  readonly runsNow: number;
  /** `kept`: goes on from what is kept; `fresh`: starts from nothing; `alone`: keeps nothing. */
  readonly memory: 'kept' | 'fresh' | 'alone';
  readonly write: (line: string) => void;
}

const FILE = join(BUILD, 'gate-self-test.json');

function readRecord(state: string): SelfTestRecord {
  try {
    const record = JSON.parse(readFileSync(FILE, 'utf8')) as SelfTestRecord;
    if (record.state === state) return record;
  } catch {
    // Nothing is kept, or a write was cut short.
  }
  return { state, plants: [], runs: [] };
}

const hasFailed = (line: string): boolean => /^(FAILED|MISSED)/.test(line);
const isAlarm = ({ lines }: SameRun): boolean => lines.some(hasFailed);

async function runOnSameTree(request: SelfTestRequest): Promise<SameRun> {
  const { figures, parts, isTimed } = request;
  const startedMs = performance.now();
  const at = new Date().toISOString();
  const loadAverage = Number((loadavg()[0] ?? 0).toFixed(2));
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  await judgeFigures(figures, parts, write);
  if (isTimed) await judgeTimeOf(ROOT, { parts, write });
  return { at, loadAverage, seconds: Math.round((performance.now() - startedMs) / 1000), lines };
}

async function plant(request: SelfTestRequest): Promise<readonly string[]> {
  const budgets = readBudgets(ROOT);
  await prepareSubject(ROOT, request.parts, budgets.toolchain);
  const lines: string[] = [];
  for await (const result of plantAll(budgets)) {
    const line = describePlant(result);
    lines.push(line);
    request.write(line);
  }
  return lines;
}

function describeProgress(record: SelfTestRecord, runs: number): string {
  const last = record.runs.at(-1);
  const mean = record.runs.reduce((sum, { seconds }) => sum + seconds, 0) / record.runs.length;
  const leftMin = Math.ceil(((runs - record.runs.length) * mean) / 60);
  const outcome = last !== undefined && isAlarm(last) ? 'ALARM' : 'no alarm';
  const left = leftMin > 0 ? `, about ${leftMin} min left` : '';
  return `one tree against itself, run ${record.runs.length} of ${runs}: ${outcome} (${last?.seconds} s${left})`;
}

/** True when every plant was caught and no run raised an alarm; fewer runs than asked for are told. */
export async function runSelfTest(request: SelfTestRequest): Promise<boolean> {
  const { runs, memory, write } = request;
  const state = await describeState(ROOT);
  let record: SelfTestRecord =
    memory === 'kept' ? readRecord(state) : { state, plants: [], runs: [] };
  const keep = (next: SelfTestRecord): void => {
    record = next;
    if (memory === 'alone') return;
    mkdirSync(BUILD, { recursive: true });
    writeFileSync(FILE, `${JSON.stringify(record, null, 2)}\n`);
  };
  if (record.plants.length === 0) {
    keep({ ...record, plants: await plant(request) });
  } else {
    for (const line of record.plants) write(`${line}  (earlier)`);
  }
  if (record.runs.length > 0) write(`${record.runs.length} runs of ${runs} were made earlier`);
  const runsMax = Math.min(runs, record.runs.length + request.runsNow);
  while (record.runs.length < runsMax) {
    const run = await runOnSameTree(request);
    keep({ ...record, runs: [...record.runs, run] });
    for (const line of run.lines) write(`       ${line}`);
    write(describeProgress(record, runs));
  }
  const missed = record.plants.filter(hasFailed).length;
  const alarms = record.runs.filter(isAlarm).length;
  const caught = record.plants.filter((line) => line.startsWith('caught')).length;
  write(
    `${caught} of ${record.plants.length} plants caught, ${alarms} false alarms in ${record.runs.length} runs`,
  );
  if (record.runs.length < runs) write(`${runs - record.runs.length} runs are left: call it again`);
  return missed === 0 && alarms === 0;
}
