/**
 * Completion scripts: they parse, and complete what there is.
 *
 * Path: src/main/cli/completion.ts; bash runs what was generated.
 * Invariant under test: verbs, options and choices come out of the command tree.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { run } from './cli.ts';

const { out: script } = await run(['completion', 'bash']);

/** What bash proposes for the last of these words. */
function complete(...words: string[]): string[] {
  const program = `${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length - 1}
_holdfast
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync('bash', ['--norc', '-c', program], { encoding: 'utf8', cwd: '/usr' });
  return out.split('\n').filter((line) => line !== '');
}

test('bash completes verbs', () => {
  assert.deepEqual(complete('holdfast', 'dr'), ['drain']);
  assert.ok(complete('holdfast', '').includes('doctor'));
});

test('bash completes options of a verb and choices of an option', () => {
  assert.deepEqual(complete('holdfast', 'conns', '--ol'), ['--older']);
  assert.deepEqual(complete('holdfast', 'conns', '--sort', 'a'), ['age']);
  assert.deepEqual(complete('holdfast', 'completion', 'f'), ['fish']);
});

test('bash completes files where a file is wanted', () => {
  assert.deepEqual(complete('holdfast', 'validate', 'bi'), ['bin']);
  assert.deepEqual(complete('holdfast', 'conns', '--admin', 'bi'), ['bin']);
  assert.deepEqual(complete('holdfast', 'conns', 'bi'), []);
});

test('every verb is in every script', async () => {
  const verbs = complete('holdfast', '');
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { out, code } = await run(['completion', shell]);
    assert.equal(code, 0);
    for (const verb of verbs) assert.ok(out.includes(verb), `${shell} ${verb}`);
  }
});
