/**
 * `npm run bench`: runs scenarios against all candidates that can be had, and writes a dated
 * report.
 *
 * Path: command line -> runner -> raw report -> report folder under perf-reports/. The other verbs
 * (setup, compare, render, http) are chosen here.
 * Invariant: a wrong request ends with one sentence and exit code 2 before anything is started;
 * Ctrl-C ends every process, writes what there is as a partial report, and exits with 130.
 */
import { relative } from 'node:path';
import { formatSaturation, saturate } from '../src/main/saturate/index.ts';
import { setUpPeers } from './peers/index.ts';
import { compareReports, readReport, writeReport } from './report/index.ts';
import { explain, Interrupted, UsageFailure } from './rig/index.ts';
import {
  parseHttp,
  parseRequest,
  type Request,
  Runner,
  type RunRequest,
  USAGE,
} from './run/index.ts';
import { SCENARIOS } from './scenarios/index.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

async function runScenarios(request: RunRequest): Promise<void> {
  const interrupt = new AbortController();
  const abort = (): void => interrupt.abort(new Interrupted());
  process.on('SIGINT', abort);
  process.on('SIGTERM', abort);
  const runner = new Runner(request, interrupt.signal);
  await runner.run();
  const { report, folder } = runner;
  if (report?.scenarios.some(({ runs }) => runs.length > 0)) {
    await writeReport(folder, report);
    const kind = report.isPartial ? 'partial report' : 'report';
    process.stderr.write(`\n${kind}: ${relative(process.cwd(), folder)}/report.md\n`);
  }
  if (interrupt.signal.aborted) throw new Interrupted();
}

function list(): void {
  for (const { name, question, groups } of SCENARIOS) {
    const group = groups.length > 0 ? ` [${groups.join(', ')}]` : '';
    process.stdout.write(`${name.padEnd(18)} ${question}${group}\n`);
  }
}

/** `http URL [--connections N] [--seconds S] [--processes N] [--pipelining N]`. */
async function runHttp(words: readonly string[]): Promise<void> {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort(new Interrupted()));
  process.once('SIGTERM', () => interrupt.abort(new Interrupted()));
  try {
    const saturation = await saturate({ ...parseHttp(words), signal: interrupt.signal });
    process.stdout.write(formatSaturation(saturation));
    if (saturation.flaws.length > 0) process.exitCode = EXIT_FAILED;
  } catch (cause) {
    throw interrupt.signal.aborted ? new Interrupted() : cause;
  }
}

async function perform(request: Request): Promise<void> {
  switch (request.kind) {
    case 'help':
      process.stdout.write(USAGE);
      return;
    case 'list':
      list();
      return;
    case 'setup':
      await setUpPeers(request.names);
      return;
    case 'compare':
      process.stdout.write(compareReports(request.left, request.right));
      return;
    case 'render':
      await writeReport(request.folder, readReport(request.folder));
      return;
    case 'http':
      await runHttp(request.words);
      return;
    case 'run':
      await runScenarios(request);
  }
}

try {
  await perform(parseRequest(process.argv.slice(2)));
} catch (cause) {
  if (cause instanceof Interrupted) {
    process.exitCode = EXIT_INTERRUPTED;
  } else {
    process.stderr.write(`bench: ${explain(cause)}\n`);
    process.exitCode = cause instanceof UsageFailure ? EXIT_USAGE : EXIT_FAILED;
  }
}
