/**
 * Runs the stages of the test suite: `run.ts [STAGE [PATTERN]]`; without a stage, everything CI
 * runs.
 *
 * Path: `npm test`, `npm run check`, `npm run test:e2e -- PATTERN` and CI come here, after the
 * set-up.
 * Invariant: the last line is exactly `N passed, N failed, N skipped`, what was skipped is
 * named before it, and the exit code is 0 only when nothing failed. A stage that cannot say what it
 * did has failed.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Counts, runStep } from './run/process.ts';
import { ALL_STAGES, STAGES, type Stage } from './run/stages.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const LOGS_KEPT = 5;
const EXIT_USAGE = 2;
const TITLE_WIDTH = 12;

/** Makes the directory for this run's logs, next to those of the last few runs. */
function createLogDirectory(): string {
  const parent = join(ROOT, 'build', 'test-logs');
  mkdirSync(parent, { recursive: true });
  const earlier = readdirSync(parent)
    .map((name) => join(parent, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const old of earlier.slice(LOGS_KEPT - 1)) rmSync(old, { recursive: true, force: true });
  return mkdtempSync(join(parent, 'run-'));
}

function describeCounts(counts: Counts): string {
  const skipped = counts.skipped.length > 0 ? `, ${counts.skipped.length} skipped` : '';
  const failed = counts.failed > 0 ? `, ${counts.failed} failed` : '';
  return `${counts.passed} passed${failed}${skipped}`;
}

async function runStage(stage: Stage, patterns: readonly string[], logs: string): Promise<Counts> {
  const total: Counts = { passed: 0, failed: 0, skipped: [] };
  const reports: string[] = [];
  const startedMs = performance.now();
  process.stdout.write(stage.name.padEnd(TITLE_WIDTH));
  for (const step of stage.steps(ROOT, patterns)) {
    const result = await runStep(step, { root: ROOT, logs, stage: stage.name });
    total.passed += result.counts.passed;
    total.failed += result.counts.failed;
    total.skipped.push(...result.counts.skipped);
    if (result.report !== '') reports.push(result.report);
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const verdict = total.failed > 0 ? 'FAILED' : 'ok';
  process.stdout.write(`${verdict.padEnd(7)} ${seconds.padStart(6)} s  ${describeCounts(total)}\n`);
  for (const report of reports) process.stdout.write(`${report}\n`);
  return total;
}

async function runStages(stages: readonly Stage[], patterns: readonly string[]): Promise<number> {
  const logs = createLogDirectory();
  process.stdout.write(`full logs in ${relative(process.cwd(), logs)}\n`);
  const total: Counts = { passed: 0, failed: 0, skipped: [] };
  for (const stage of stages) {
    const counts = await runStage(stage, patterns, logs);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped.push(...counts.skipped);
  }
  if (total.skipped.length > 0) process.stdout.write('\nskipped:\n');
  for (const name of total.skipped) process.stdout.write(`  ${name}\n`);
  process.stdout.write(
    `\n${total.passed} passed, ${total.failed} failed, ${total.skipped.length} skipped\n`,
  );
  return total.failed > 0 ? 1 : 0;
}

const [wanted, ...patterns] = process.argv.slice(2);
const chosen = wanted === undefined ? ALL_STAGES : STAGES.filter((stage) => stage.name === wanted);
if (chosen.length === 0) {
  const names = STAGES.map((stage) => stage.name).join(', ');
  process.stderr.write(`holdfast: there is no test stage "${wanted}"; there are ${names}.\n`);
  process.exitCode = EXIT_USAGE;
} else {
  process.exitCode = await runStages(
    chosen.filter((stage) => stage.isPresent(ROOT)),
    patterns,
  );
}
