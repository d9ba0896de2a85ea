/**
 * The suite cannot fool itself: failures, crashes, skips and silence are counted as what they are.
 *
 * Path: test/run/reporter.ts under a real `node --test`, and test/run/process.ts on real commands.
 * Invariant: what did not demonstrably pass has failed.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runStep, type StepResult } from '../../run/process.ts';
import type { Counting } from '../../run/stages.ts';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const REPORTER = join(ROOT, 'test/run/reporter.ts');

describe('the runner', () => {
  const logs = mkdtempSync(join(tmpdir(), 'holdfast-run-'));
  after(() => rmSync(logs, { recursive: true }));
  let steps = 0;

  const run = (counting: Counting, command: readonly string[], limitMs = 60_000) => {
    steps += 1;
    const step = { name: `step${steps}`, command, counting, limitMs };
    return runStep(step, { root: ROOT, logs, stage: 'self' });
  };

  /** Runs a test file with this text under node:test and our reporter. */
  const runTests = (text: string): Promise<StepResult> => {
    const file = join(logs, `fixture${steps}.test.mjs`);
    writeFileSync(file, `import { describe, it, test } from 'node:test';\n${text}`);
    // A test runner inside a test would otherwise report to the outer one.
    const clean = ['env', '-u', 'NODE_TEST_CONTEXT', process.execPath];
    return run('node', [...clean, '--test', `--test-reporter=${REPORTER}`, file]);
  };

  it('counts tests but not suites, and names what is skipped', async () => {
    const skipped = `test('c', { skip: 'no reason' }, () => {});`;
    const { counts, report } = await runTests(
      `describe('s', () => { it('a', () => {}); it('b', () => {}); }); ${skipped}`,
    );
    assert.deepEqual([counts.passed, counts.failed, counts.skipped.length], [2, 0, 1]);
    assert.match(`${counts.skipped[0]}`, /c \(no reason\)$/);
    assert.equal(report, '');
  });

  it('counts a failure inside a suite once and shows it', async () => {
    const { counts, report } = await runTests(
      `describe('s', () => { it('a', () => { throw new Error('broken'); }); it('b', () => {}); });`,
    );
    assert.deepEqual([counts.passed, counts.failed], [1, 1]);
    assert.match(report, /FAIL .*a\n.*Error: broken/);
  });

  it('counts a file that dies as failed', async () => {
    const { counts } = await runTests(`test('a', () => {}); setImmediate(() => process.abort());`);
    assert.ok(counts.failed >= 1);
  });

  it('counts a file that does not load as failed', async () => {
    assert.equal((await runTests(`import './not-there.mjs';`)).counts.failed, 1);
  });

  it('adds up what native programs and fuzzers say', async () => {
    const said = '3 passed, 0 failed\\nx_fuzz: 10 inputs, ok\\nskipped: netns (not root)\\n';
    const { counts } = await run('native', ['printf', said]);
    assert.deepEqual(counts, { passed: 4, failed: 0, skipped: ['netns (not root)'] });
  });

  it('does not believe a program that says it passed and ends with a code', async () => {
    const { counts } = await run('native', ['sh', '-c', 'echo "3 passed, 0 failed"; exit 1']);
    assert.deepEqual([counts.passed, counts.failed], [3, 1]);
  });

  it('counts silence as failed', async () => {
    assert.equal((await run('native', ['true'])).counts.failed, 1);
    assert.equal((await run('node', ['true'])).counts.failed, 1);
  });

  it('counts a command that is not there as failed', async () => {
    assert.equal((await run('exit', ['no-such-command-here'])).counts.failed, 1);
  });

  it('ends a step that takes too long, with its children', async () => {
    const { counts, report } = await run('exit', ['sh', '-c', 'sleep 600 & wait'], 100);
    assert.equal(counts.failed, 1);
    assert.match(report, /took longer than 0\.1 s/);
  });
});
