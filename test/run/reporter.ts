/**
 * The reporter for node:test: a line per test in the log, with the time it took, and a summary file
 * for the runner.
 *
 * Path: `node --test --test-reporter=./test/run/reporter.ts`, started by test/run/process.ts, which
 * names the summary file in HOLDFAST_TEST_SUMMARY; without that it only prints.
 * Invariant: counts tests, not suites; a file that dies counts as a failed test of its own.
 */
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

interface Outcome {
  readonly name: string;
  readonly file?: string | undefined;
  readonly nesting: number;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details: {
    readonly type?: string | undefined;
    readonly error?: unknown;
    readonly duration_ms: number;
  };
}

function place(outcome: Outcome): string {
  return outcome.file === undefined ? '' : `${relative(process.cwd(), outcome.file)}: `;
}

/** What a failed test threw, without the wrapper that node:test puts around it. */
function explain(error: unknown): string[] {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const text =
    cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause, { depth: 4 });
  return text.split('\n').filter((line) => !/^\s+at .*\(?node:/.test(line));
}

/** True for a failure that only repeats a failure of a subtest. */
function isEcho(error: unknown): boolean {
  return (error as { failureType?: string } | undefined)?.failureType === 'subtestsFailed';
}

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const total = { passed: 0, failed: 0, skipped: [] as string[], failures: [] as string[] };
  for await (const event of events) {
    if (event.type === 'test:stdout' || event.type === 'test:stderr') yield event.data.message;
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const outcome = event.data as Outcome;
    const pad = '  '.repeat(outcome.nesting);
    const isSkipped = outcome.skip !== undefined || outcome.todo !== undefined;
    if (event.type === 'test:fail' && outcome.todo === undefined) {
      yield `${pad}FAIL ${place(outcome)}${outcome.name}\n`;
      if (isEcho(outcome.details.error)) continue;
      const lines = explain(outcome.details.error);
      total.failures.push(`FAIL ${place(outcome)}${outcome.name}`, ...lines, '');
      total.failed += 1;
      yield `${lines.map((line) => `${pad}  ${line}`).join('\n')}\n`;
    } else if (isSkipped) {
      const reason = typeof outcome.skip === 'string' ? ` (${outcome.skip})` : '';
      total.skipped.push(`${place(outcome)}${outcome.name}${reason}`);
      yield `${pad}skip ${outcome.name}${reason}\n`;
    } else {
      if (outcome.details.type !== 'suite') total.passed += 1;
      const ms = outcome.details.duration_ms.toFixed(0);
      yield `${pad}ok ${place(outcome)}${outcome.name} (${ms} ms)\n`;
    }
  }
  const target = process.env['HOLDFAST_TEST_SUMMARY'];
  if (target !== undefined) writeFileSync(target, JSON.stringify(total));
}
