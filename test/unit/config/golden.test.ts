/**
 * What people see: every sample in golden/ with its findings, as they are printed.
 *
 * Path: load.ts and render.ts over golden/*.yaml; the expected text is beside each as .txt.
 * `HOLDFAST_GOLDEN=write` writes the expected texts anew; the difference is then for a reader to
 * judge.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import {
  countFindings,
  renderGithub,
  renderHuman,
  renderJson,
} from '../../../src/main/config/render.ts';
import { load } from './world.ts';

const GOLDEN = fileURLToPath(new URL('./golden/', import.meta.url));
const samples = readdirSync(GOLDEN).filter((file) => /\.(yaml|json)$/.test(file));

for (const name of samples) {
  test(`findings of ${name} read as expected`, () => {
    const text = readFileSync(join(GOLDEN, name), 'utf8');
    const { diagnostics } = load(text, name);
    const input = { diagnostics, text, name };
    const shown = `${renderHuman(input, { color: false })}${countFindings(diagnostics)}\n\n${renderGithub(input)}`;
    const file = join(GOLDEN, `${name}.txt`);
    if (process.env['HOLDFAST_GOLDEN'] === 'write') writeFileSync(file, shown);
    assert.equal(shown, readFileSync(file, 'utf8'));
  });
}

test('colour changes nothing but colour', () => {
  const text = readFileSync(join(GOLDEN, 'typing-errors.yaml'), 'utf8');
  const { diagnostics } = load(text);
  const input = { diagnostics, text, name: 'x' };
  const colored = renderHuman(input, { color: true });
  assert.ok(colored.includes('\u001b[31m'));
  assert.equal(stripVTControlCharacters(colored), renderHuman(input, { color: false }));
});

test('JSON has every finding with its place, its path and its hint', () => {
  const text = 'version: 1\nlisteners: []\nclusters: [{ name: a, endpoints: [b:1], balnce: x }]\n';
  const { diagnostics } = load(text);
  const json = JSON.parse(renderJson({ diagnostics, text, name: 'x.yaml' })) as unknown;
  assert.deepEqual(json, {
    file: 'x.yaml',
    valid: false,
    diagnostics: [
      {
        code: 'HF1067',
        severity: 'warning',
        path: '/listeners',
        line: 2,
        column: 12,
        length: 1,
        message: 'there is no listener: nothing is accepted',
        hint: '',
      },
      {
        code: 'HF1060',
        severity: 'warning',
        path: '/clusters/0/name',
        line: 3,
        column: 20,
        length: 1,
        message: 'no listener leads to cluster "a"',
        hint: '',
      },
      {
        code: 'HF1012',
        severity: 'error',
        path: '/clusters/0/balnce',
        line: 3,
        column: 41,
        length: 6,
        message: 'unknown key "balnce" in cluster "a"',
        hint: 'did you mean "balance"?',
      },
    ],
  });
});
