/**
 * The gate finds what is planted: a system call, an allocation, instructions, bytes.
 *
 * Path: the short form of `npm run gate -- self-test`: copies of the core with one regression each
 * are built, counted and judged, and this tree is judged once by the same figures.
 * Does not measure time; the long form does.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ROOT } from '../../bench/rig/index.ts';

const run = promisify(execFile);
/** Two copies of the core are compiled, which takes a minute where nothing else is to be done. */
const PLANTS_MS_MAX = 360_000;
/** Those that show a plant; the stage `gate` judges this tree by all of them. */
const FIGURES = [
  'syscalls-per-message',
  'allocations-per-message',
  'instructions-per-message',
  'bytes-per-idle-connection',
];
const GATE = join(ROOT, 'bench', 'gate.ts');

describe('npm run gate', () => {
  it('catches every planted regression and passes this tree', {
    timeout: PLANTS_MS_MAX,
  }, async () => {
    const figures = FIGURES.flatMap((name) => ['--figure', name]);
    const short = ['self-test', '--short', '--runs', '1', ...figures];
    const { stdout } = await run(process.execPath, [GATE, ...short]);
    for (const plant of ['one more system call', 'one allocation', 'more bytes']) {
      assert.match(stdout, new RegExp(`^caught .*${plant}`, 'm'));
    }
    // Counting instructions needs valgrind; without it the gate says so.
    assert.match(stdout, /^(caught 1 % more instructions|– .*valgrind is not installed)/m);
    assert.match(stdout, /one tree against itself, run 1 of 1: no alarm/);
  });

  it('refuses what it does not know with one sentence', async () => {
    for (const [args, pattern] of [
      [['--figure', 'speed'], /^gate: there is no figure "speed"; see them with --list\n$/],
      [['--base', 'no-such-commit', '--short', '--figure', 'size-of-conn'], /is not a commit/],
      [['sideways'], /^gate: the gate does not know "sideways"; see --help\n$/],
    ] as const) {
      await assert.rejects(run(process.execPath, [GATE, ...args]), (error) => {
        const { code, stderr } = error as { code: number; stderr: string };
        assert.equal(code, 2);
        assert.match(stderr, pattern);
        return true;
      });
    }
  });
});
