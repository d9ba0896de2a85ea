/**
 * The examples of docs/filters-builtin.md say what the gateway takes, and every filter has one.
 *
 * Path: docs/filters-builtin.md is read as it is; files that examples name are made beside it.
 * The core is asked as well, so the addon must be built.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { loadNative } from '../../../native/epoll/index.ts';
import { checkNativeFilter, listNativeFilters } from '../../../src/main/filters/builtin/index.ts';

const PAGE = new URL('../../../docs/filters-builtin.md', import.meta.url);

test('examples of native filters are valid, and there is one of each', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-native-documents-'));
  t.after(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'blocked.txt'), '192.0.2.0/24\n');
  writeFileSync(join(directory, 'users.txt'), '');
  const base = pathToFileURL(join(directory, 'holdfast.yaml')).href;
  const native = loadNative();
  const shown = new Set<string>();
  for (const [, block = ''] of readFileSync(PAGE, 'utf8').matchAll(/```yaml\n(.*?)```/gs)) {
    const { filters } = parse(block) as { filters: { use: string; with: unknown }[] };
    for (const use of filters) {
      shown.add(use.use);
      const { input, findings } = checkNativeFilter(use.use, use.with, 'route', base);
      assert.deepEqual(findings, [], use.use);
      assert.ok(input !== null);
      assert.deepEqual(native.checkPolicies([input]), [], use.use);
    }
  }
  assert.deepEqual([...shown].toSorted(), listNativeFilters().toSorted());
});
