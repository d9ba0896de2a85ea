/**
 * Runs one step of a test stage and turns its output into counts.
 *
 * Path: test/run.ts calls it for each step of test/run/stages.ts. A step has a process group of its
 * own and no stdin; all its output goes to a log file.
 * Invariant: however the runner ends, the step's whole process group is ended with it. What a step
 * reports is believed only together with its exit code.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Step } from './stages.ts';
import { parseSummary, type Summary } from './summary.ts';

/** What became of tests; skipped ones by name, because each must be named in the end. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: string[];
}

export interface StepPlace {
  readonly root: string;
  readonly logs: string;
  readonly stage: string;
}

export interface StepResult {
  readonly counts: Counts;
  /** What to show the reader; empty when nothing failed. */
  readonly report: string;
}

const TAIL_LINES = 60;
/** The commands that make echoes; what they say is worth showing, they are not. */
const COMMAND = /^(g\+\+|clang\+\+|ar|rm|mkdir|touch) /;
/** A stopped step gets this long to end by itself. */
const KILL_AFTER_MS = 5_000;
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const SIGNAL_EXIT: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

interface End {
  readonly code: number | null;
  readonly why: string;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group has ended by itself.
  }
}

/** Waits for the end of a step, and ends it when its time is up or the runner is told to stop. */
function waitForEnd(child: ChildProcess, step: Step): Promise<End> {
  return new Promise((resolve) => {
    let why = '';
    const stop = (): void => {
      signalGroup(child, 'SIGTERM');
      setTimeout(() => signalGroup(child, 'SIGKILL'), KILL_AFTER_MS).unref();
    };
    const limit = setTimeout(() => {
      why = `took longer than ${step.limitMs / 1000} s and was ended`;
      stop();
    }, step.limitMs);
    const interrupt = (signal: NodeJS.Signals): void => {
      stop();
      child.once('exit', () => process.exit(SIGNAL_EXIT[signal] ?? 1));
    };
    for (const signal of SIGNALS) process.on(signal, interrupt);
    const finish = (code: number | null, reason: string): void => {
      clearTimeout(limit);
      for (const signal of SIGNALS) process.off(signal, interrupt);
      // A step that ended may have left children in its group.
      signalGroup(child, 'SIGKILL');
      resolve({ code, why: why === '' ? reason : why });
    };
    child.once('error', (error) => finish(null, error.message));
    child.once('exit', (code, signal) => {
      finish(code, signal === null ? `ended with code ${code}` : `was ended by ${signal}`);
    });
  });
}

/** Adds up the `N passed, N failed` lines of native test programs and the `NAME: ..., ok` lines of fuzzers. */
function countNative(text: string): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: [] };
  for (const [, passed, failed] of text.matchAll(/\b(\d+) passed, (\d+) failed\b/g)) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
  }
  counts.passed += [...text.matchAll(/^\w+: \d.*, ok$/gm)].length;
  for (const [, name] of text.matchAll(/^skipped: (.+)$/gm)) counts.skipped.push(`${name}`);
  return counts;
}

function countNode(summary: Summary | undefined): Counts {
  if (summary === undefined) return { passed: 0, failed: 0, skipped: [] };
  const { passed, failed, skipped } = summary;
  return { passed, failed, skipped: [...skipped] };
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `  | ${line}`).join('\n');
}

/** Runs a step to its end; never throws for what the step does. */
export async function runStep(step: Step, place: StepPlace): Promise<StepResult> {
  const log = join(place.logs, `${place.stage}-${step.name}.log`);
  const summaryFile = `${log}.summary`;
  const output = openSync(log, 'w');
  const [command, ...args] = step.command;
  const child = spawn(`${command}`, args, {
    cwd: place.root,
    env: {
      ...process.env,
      HOLDFAST_TEST_SUMMARY: summaryFile,
      // Hundreds of processes of a run load the same modules.
      NODE_COMPILE_CACHE: join(place.root, 'build', 'compile-cache'),
    },
    detached: true,
    stdio: ['ignore', output, output],
  });
  const end = await waitForEnd(child, step);
  closeSync(output);

  const text = readFileSync(log, 'utf8');
  const summary = existsSync(summaryFile)
    ? parseSummary(readFileSync(summaryFile, 'utf8'))
    : undefined;
  const counts = step.counting === 'native' ? countNative(text) : countNode(summary);
  const isSilent = counts.passed + counts.failed + counts.skipped.length === 0;
  if (step.counting === 'exit') {
    if (end.code === 0) counts.passed += 1;
    else counts.failed += 1;
  } else if ((end.code !== 0 && counts.failed === 0) || isSilent) {
    counts.failed += 1;
  }
  if (counts.failed === 0) return { counts, report: '' };
  const shown = summary !== undefined && summary.failures.length > 0;
  const said = text.split('\n').filter((line) => line !== '' && !COMMAND.test(line));
  const lines = shown ? summary.failures : said.slice(-TAIL_LINES);
  const why = isSilent && end.code === 0 && step.counting !== 'exit' ? 'ran no test' : end.why;
  const title = `${place.stage}/${step.name} ${why}; log: ${relative(process.cwd(), log)}`;
  return { counts, report: `${indent(lines)}\n  ${title}` };
}
