/**
 * Built-in filters are found by name: in a configuration, in `holdfast filter bench`, in tests.
 *
 * Path: the check process and the shards' loader resolve `holdfast/NAME` as configurations say it.
 * Invariant: they need nothing beside the configuration, and are checked like any user's filter.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { checkModule, checkTypes } from '../../../../src/main/filters/check/index.ts';
import { FilterPlanner } from '../../../../src/main/filters/index.ts';
import { loadFilter, runFilterTests } from '../../../../src/main/filters/tools/index.ts';
import { BUILT_IN_MODULES } from '../../../../src/shard/filters/built-in.ts';
import { PUBLIC_KEYS } from './issuer.ts';

const DIRECTORY = mkdtempSync(join(tmpdir(), 'holdfast-built-in-'));

const CONFIGS: Readonly<Record<string, object>> = {
  'holdfast/ext-auth': { url: 'http://127.0.0.1:9/' },
  'holdfast/jwt': { keys: { file: join(DIRECTORY, 'keys.json') }, algorithms: ['RS256'] },
  'holdfast/rate-limit-global': { redis: 'redis://127.0.0.1:9', name: 'all', rate: 5 },
};
after(() => rmSync(DIRECTORY, { recursive: true }));
const BASE = pathToFileURL(join(DIRECTORY, 'holdfast.yaml')).href;
writeFileSync(join(DIRECTORY, 'keys.json'), JSON.stringify({ keys: PUBLIC_KEYS }));

test('each is loaded by its name, from anywhere, and takes its configuration', async () => {
  assert.deepEqual(Object.keys(BUILT_IN_MODULES), Object.keys(CONFIGS));
  for (const [specifier, config] of Object.entries(CONFIGS)) {
    const reply = await checkModule({ specifier, base: BASE, configs: [config, { wrong: 1 }] });
    assert.deepEqual(reply.sourceFaults, [], specifier);
    assert.equal(`holdfast/${reply.summary?.name}`, specifier);
    assert.deepEqual([...new Set(reply.configFaults.map(({ use }) => use))], [1], specifier);
  }
});

test('files that a configuration names are looked at', async () => {
  writeFileSync(join(DIRECTORY, 'broken.json'), '{ "keys": ');
  const use = async (specifier: string, configs: readonly object[]): Promise<string[]> => {
    const reply = await checkModule({ specifier, base: BASE, configs });
    return reply.configFaults.map(({ path, message }) => `${path.join('.')}: ${message}`);
  };
  const jwt = await use(
    'holdfast/jwt',
    ['./keys.json', './none.json', './broken.json'].map((file) => {
      return { keys: { file }, algorithms: ['RS256'] };
    }),
  );
  assert.equal(jwt.length, 2, jwt.join('\n'));
  assert.match(
    `${jwt[0]}`,
    /^keys\.file: keys cannot be read from \.\/none\.json: ENOENT.*; write/,
  );
  assert.match(`${jwt[1]}`, /^keys\.file: keys cannot be read from \.\/broken\.json: .*; write/);
  const limit = { redis: 'redis://127.0.0.1:9', name: 'all', rate: 5 };
  const password = await use(
    'holdfast/rate-limit-global',
    ['./keys.json', './none.txt'].map((passwordFile) => ({ ...limit, passwordFile })),
  );
  assert.equal(password.length, 1);
  assert.match(`${password[0]}`, /^passwordFile: the password cannot be read .*ENOENT.*; write/);
});

test('the examples of the documentation are taken', async () => {
  const page = new URL('../../../../docs/filters-policies.md', import.meta.url);
  const uses = [...readFileSync(page, 'utf8').matchAll(/```yaml\n([^`]*)```/g)].flatMap(
    ([, yaml]) => (parse(`${yaml}`) as { filters: { use: string; with: object }[] }).filters,
  );
  assert.deepEqual(uses.map(({ use }) => use).sort(), Object.keys(CONFIGS));
  for (const { use, with: config } of uses) {
    const reply = await checkModule({ specifier: use, base: BASE, configs: [config] });
    assert.deepEqual(reply.configFaults, [], use);
  }
});

test('a plan has them with the place that paths lead from', async () => {
  const uses = Object.entries(CONFIGS).map(([specifier, config], index) => {
    return { path: ['filters', index], specifier, config };
  });
  const sites = [{ key: 'web', listener: uses, route: null }];
  const { plan, findings } = await new FilterPlanner().plan(sites, BASE);
  assert.deepEqual(findings, []);
  assert.deepEqual([...new Set(plan?.instances.map(({ base }) => base))], [BASE]);
});

test('tests of users and the bench find them too', async () => {
  const file = join(DIRECTORY, 'deep', 'own.test.ts');
  mkdirSync(join(DIRECTORY, 'deep'));
  const lines = Object.keys(CONFIGS).map((name, index) => `import f${index} from '${name}';`);
  const checks = lines.map((_, index) => `assert.equal(typeof f${index}.name, 'string');`);
  writeFileSync(
    file,
    `import assert from 'node:assert/strict';
import { test } from 'node:test';
${lines.join('\n')}
test('found', () => {
  ${checks.join('\n  ')}
});
`,
  );
  assert.deepEqual(await checkTypes([file]), { isChecked: true, faults: [] });
  assert.equal(await runFilterTests([file]), 0);
  for (const [name, config] of Object.entries(CONFIGS)) {
    assert.equal((await loadFilter(name, config)).filter.kind, 'stream');
  }
});
