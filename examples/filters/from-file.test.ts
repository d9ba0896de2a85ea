/**
 * Endpoints from a file.
 *
 * Path: `holdfast filter test examples/filters/from-file.test.ts`; the project's tests run it.
 * Invariant: an iterator like any other, so it is called as it is.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import discovery from './from-file.ts';

function watch(t: TestContext, text: string) {
  const directory = mkdtempSync(join(tmpdir(), 'from-file-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const write = (now: string): void => writeFileSync(join(directory, 'list.json'), now);
  write(text);
  const abort = new AbortController();
  const lists = discovery
    .watch({
      config: { file: './list.json', every: 1 },
      cluster: 'app',
      base: pathToFileURL(join(directory, 'gateway.yaml')).href,
      signal: abort.signal,
    })
    [Symbol.asyncIterator]();
  return { lists, write, abort };
}

test('the list comes, and comes again when the file changes', async (t) => {
  const { lists, write, abort } = watch(t, '[{ "address": "10.0.0.1:80" }]');
  const first = await lists.next();
  assert.deepEqual(first.value, [{ address: '10.0.0.1:80', weight: 1, labels: {} }]);
  write('[]');
  assert.deepEqual((await lists.next()).value, []);
  const last = lists.next();
  abort.abort();
  await assert.rejects(last, { name: 'AbortError' });
});

test('what is no list is an error, after which the gateway tries again', async (t) => {
  const { lists } = watch(t, '[{ "port": 80 }]');
  await assert.rejects(lists.next(), /address/);
});
