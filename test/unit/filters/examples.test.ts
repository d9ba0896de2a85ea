/**
 * The tests that stand beside the examples of filters.
 *
 * Path: examples/filters/*.test.ts, which users run with `holdfast filter test`.
 * Invariant: every example has a test, and this file runs all of them.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfigText } from '../../../src/main/config/index.ts';
import { checkModule, checkTypes } from '../../../src/main/filters/check/index.ts';
import { FilterChecks } from '../../../src/main/filters/index.ts';

const DIRECTORY = new URL('../../../examples/filters/', import.meta.url);
const FILES = globSync('*.ts', { cwd: DIRECTORY.pathname }).sort();
const EXAMPLES = FILES.filter((file) => !/(\.test|-worker)\.ts$/.test(file));

for (const file of FILES.filter((name) => name.endsWith('.test.ts'))) {
  await import(new URL(file, DIRECTORY).href);
}

test('every example has a test that is run here, and is loaded by the gateway', async () => {
  assert.equal(EXAMPLES.length, 6);
  for (const file of EXAMPLES) {
    assert.ok(FILES.includes(file.replace('.ts', '.test.ts')), file);
    const order = { specifier: `./${file}`, base: DIRECTORY.href, configs: [] };
    const { sourceFaults } = await checkModule(order);
    assert.deepEqual(sourceFaults, [], file);
  }
});

test('the configuration that the README shows is one', async () => {
  const text = readFileSync(new URL('README.md', DIRECTORY), 'utf8');
  const yaml = /```yaml\n([^`]*)```/.exec(text)?.[1] ?? '';
  const path = join(DIRECTORY.pathname, 'gateway.yaml');
  const loaded = loadConfigText(yaml, path);
  const { diagnostics, config } = await new FilterChecks().complete(loaded);
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  assert.deepEqual([errors, config === null, loaded.filters.length], [[], false, 5]);
});

test('the examples have no type errors', async () => {
  const paths = FILES.map((file) => new URL(file, DIRECTORY).pathname);
  assert.deepEqual(await checkTypes(paths), { isChecked: true, faults: [] });
});
