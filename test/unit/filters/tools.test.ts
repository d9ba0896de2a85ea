/**
 * The tools for writers of filters: a filter to start from, its test, its figures.
 *
 * Path: the `holdfast` command as a process, in a directory outside of the project.
 * Invariant: what `new` writes passes its test without being touched, for every kind.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SCAFFOLD_KINDS, scaffoldFilter } from '../../../src/main/filters/tools/index.ts';
import { createFilterFiles } from './filter-files.ts';

const HOLDFAST = fileURLToPath(new URL('../../../src/main/cli/holdfast.mjs', import.meta.url));

function run(cwd: string, ...args: string[]): Promise<{ code: number; text: string }> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, [HOLDFAST, 'filter', ...args], { cwd, env });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code: code ?? 1, text }));
  });
}

test('new filters of every kind pass their tests, and can be measured', async (t) => {
  const files = createFilterFiles(t);
  const { directory } = files;
  const made = await run(directory, 'new', 'my-stream');
  assert.equal(made.code, 0, made.text);
  assert.match(made.text, /filters: \[\.\/my-stream\.ts\]/);
  for (const kind of ['message', 'network'] as const) {
    for (const { name, text } of scaffoldFilter(`my-${kind}`, kind)) files.write(name, text);
  }
  const names = SCAFFOLD_KINDS.map((kind) => `my-${kind}.test.ts`);
  const tested = await run(directory, 'test', ...names);
  assert.equal(tested.code, 0, tested.text);
  for (const kind of SCAFFOLD_KINDS) {
    assert.match(tested.text, new RegExp(`my-${kind} does what it says`));
  }
  const measured = await run(directory, 'bench', 'my-stream.ts', '--seconds', '0.02');
  assert.equal(measured.code, 0, measured.text);
  assert.match(measured.text, /^request +64 +[\d,]+ +0\.016/m);
});

test('nothing is replaced, and wrong names are told', async (t) => {
  const files = createFilterFiles(t);
  const { directory } = files;
  files.write('one.ts', '');
  const again = await run(directory, 'new', 'one');
  assert.deepEqual([again.code === 0, /one.ts exists/.test(again.text)], [false, true]);
  const wrong = await run(directory, 'new', 'No Good');
  assert.deepEqual([wrong.code, /no name for a filter/.test(wrong.text)], [2, true]);
});

test('a filter that fails has no figures', async (t) => {
  const files = createFilterFiles(t);
  files.write(
    'bad.ts',
    "import { defineStreamFilter } from 'holdfast/sdk';\nexport default defineStreamFilter({ name: 'bad', onRequest() { throw new Error('x'); } });\n",
  );
  const measured = await run(files.directory, 'bench', 'bad.ts', '--seconds', '0.01');
  assert.equal(measured.code, 1);
  assert.match(measured.text, /the filter failed \d+ times/);
});
