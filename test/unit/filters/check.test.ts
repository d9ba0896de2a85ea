/**
 * Checking modules that a configuration names: what is wrong, in which file and line.
 *
 * Path: src/main/filters/check, each module in a thread of its own.
 * Invariant: a module harms nobody while it is checked, and every fault has a place.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkModule, checkTypes } from '../../../src/main/filters/check/index.ts';
import { createFilterFiles } from './filter-files.ts';

/** Beyond what eating all its memory takes on a busy machine. */
const EAT_MS_MAX = 60_000;

const GOOD = `import { defineStreamFilter, respond } from 'holdfast/sdk';
import * as z from 'zod';
import { limit } from './limit.ts';

interface Rule { readonly name: string }

export default defineStreamFilter({
  name: 'good',
  config: z.strictObject({ rules: z.array(z.strictObject({ name: z.string() })) }),
  needs: { requestHeaders: ['x-user'] },
  setup: ({ config }): Rule[] => config.rules,
  onRequest: (request) => (limit > 0 ? respond(403) : undefined),
});
`;

test('a good module is recorded whole, with what main needs to know of it', async (t) => {
  const files = createFilterFiles(t);
  const entry = files.write('good.ts', GOOD);
  files.write('limit.ts', 'export const limit: number = 1;\n');
  const order = { specifier: './good.ts', base: files.base, configs: [{ rules: [] }] };
  const reply = await checkModule(order);
  assert.deepEqual([reply.sourceFaults, reply.configFaults], [[], []]);
  assert.deepEqual([reply.summary?.kind, reply.summary?.name], ['stream', 'good']);
  assert.deepEqual(reply.summary?.needs.requestHeaders, ['x-user']);
  assert.equal(reply.program?.entry, `file://${entry}`);
  assert.deepEqual(Object.values(reply.program?.files ?? {}).length, 2);
  const again = await checkModule(order);
  assert.equal(again.program?.hash, reply.program?.hash);
  files.write('limit.ts', 'export const limit: number = 2;\n');
  const changed = await checkModule(order);
  assert.notEqual(changed.program?.hash, reply.program?.hash, 'an imported file changed');
});

test('a wrong field of the configuration is found with its path', async (t) => {
  const files = createFilterFiles(t);
  files.write('good.ts', GOOD);
  files.write('limit.ts', 'export const limit = 1;\n');
  const configs = [{ rules: [{ name: 5 }] }, { rules: [], rule: 1 }, undefined];
  const reply = await checkModule({ specifier: './good.ts', base: files.base, configs });
  const found = reply.configFaults.map(({ use, path, message }) => [use, path.join('/'), message]);
  assert.deepEqual(
    found.map(([use, path]) => [use, path]),
    [
      [0, 'rules/0/name'],
      [1, 'rule'],
      [2, 'rules'],
    ],
  );
  assert.match(`${found[0]?.[2]}`, /expected string/);
});

const FAULTS: readonly [name: string, file: string, text: string, place: string, said: RegExp][] = [
  [
    'TypeScript that does not parse',
    'a.ts',
    'const a = 1;\n\nconst b = ;\n',
    'a.ts:3:11',
    /^syntax error: /,
  ],
  [
    'JavaScript that does not parse',
    'a.mjs',
    'const a = 1;\n\nconst b = ;\n',
    'a.mjs:3:11',
    /^syntax error: /,
  ],
  [
    'TypeScript that cannot be stripped',
    'a.ts',
    '\nenum A { B }\n',
    'a.ts:2:1',
    /enum is not supported/,
  ],
  ['a missing file', 'a.ts', "\nimport './gone.ts';\n", 'a.ts:2:1', /there is no ".*gone.ts"/],
  [
    'a missing package',
    'a.ts',
    "\nimport 'no-such-package';\n",
    'a.ts:2:1',
    /there is no package "no-such-package": install it, or begin the path of a file with/,
  ],
  [
    'a missing export of an import',
    'a.ts',
    "import { nope } from 'holdfast/sdk';\nnope();\n",
    'a.ts:1:10',
    /does not provide an export named 'nope'/,
  ],
  [
    'a module that throws',
    'a.ts',
    '\n\nnull.x;\n',
    'a.ts:3:6',
    /^TypeError: Cannot read properties of null/,
  ],
  ['a module that throws a text', 'a.ts', "throw 'tantrum';\n", 'a.ts:0:0', /throws tantrum/],
  ['no default export', 'a.ts', 'export const a = 1;\n', 'a.ts:1:1', /no default export/],
  [
    'a default export that is none',
    'a.ts',
    '\nexport default 5;\n',
    'a.ts:2:1',
    /is not made by one of the define functions/,
  ],
  [
    'a wrong field of the definition',
    'a.ts',
    "import { defineStreamFilter } from 'holdfast/sdk';\nexport default defineStreamFilter({\n  name: 'a',\n  timeout: 'soon' as never,\n  onRequest: () => {},\n});\n",
    'a.ts:4:1',
    /"timeout" must be a duration/,
  ],
  [
    'a module that exits',
    'a.ts',
    'process.exit(3);\n',
    'a.ts:0:0',
    /ended its process with code 3/,
  ],
];

test('a module that waits for ever is one that did not finish', async (t) => {
  const files = createFilterFiles(t);
  files.write('a.ts', 'await new Promise(() => {});\nexport default 1;\n');
  const order = { specifier: './a.ts', base: files.base, configs: [] };
  const { sourceFaults } = await checkModule(order, 3000);
  assert.deepEqual(
    sourceFaults.map(({ message }) => message),
    ['it did not finish loading within 3000 ms'],
  );
});

for (const [name, file, text, place, said] of FAULTS) {
  test(`the place of ${name}`, async (t) => {
    const files = createFilterFiles(t);
    const path = files.write(file, text);
    const order = { specifier: `./${file}`, base: files.base, configs: [] };
    const { sourceFaults, program } = await checkModule(order);
    const [fault] = sourceFaults;
    assert.equal(program, null);
    assert.match(`${fault?.message}`, said);
    const shown = fault?.file === `./${file}` ? path : fault?.file;
    assert.equal(`${shown}:${fault?.line}:${fault?.column}`, `${path.replace(file, '')}${place}`);
  });
}

test('a module that hangs is given up, and so is one that eats memory', async (t) => {
  const files = createFilterFiles(t);
  files.write('hang.ts', 'for (;;);\n');
  const order = { specifier: './hang.ts', base: files.base, configs: [] };
  const hang = await checkModule(order, 300);
  assert.match(`${hang.sourceFaults[0]?.message}`, /did not finish loading within 300 ms/);
  files.write(
    'eat.ts',
    'const held: unknown[] = [];\nfor (;;) held.push(new Array(1000).fill({}));\n',
  );
  // Its memory is to end first, however little of the machine it gets.
  const eat = await checkModule({ ...order, specifier: './eat.ts' }, EAT_MS_MAX);
  assert.match(`${eat.sourceFaults[0]?.message}`, /ended by SIGABRT .* too much memory/);
});

test('a filter of a package is found from the configuration', async (t) => {
  const files = createFilterFiles(t);
  const { mkdirSync } = await import('node:fs');
  mkdirSync(`${files.directory}/node_modules/holdfast-filter-x`, { recursive: true });
  files.write(
    'node_modules/holdfast-filter-x/package.json',
    '{ "name": "holdfast-filter-x", "type": "module", "exports": "./index.js" }',
  );
  files.write(
    'node_modules/holdfast-filter-x/index.js',
    "import { defineStreamFilter } from 'holdfast/sdk';\nexport default defineStreamFilter({ name: 'x', onRequest() {} });\n",
  );
  const order = {
    specifier: 'holdfast-filter-x',
    base: files.base,
    configs: [undefined, { a: 1 }],
  };
  const reply = await checkModule(order);
  assert.deepEqual([reply.summary?.name, reply.sourceFaults], ['x', []]);
  assert.deepEqual(reply.program?.files, {});
  assert.deepEqual(
    reply.configFaults.map(({ use, message }) => [use, message]),
    [[1, '"x" takes no configuration']],
  );
});

test('type errors have file and line', async (t) => {
  const files = createFilterFiles(t);
  const path = files.write(
    'typed.ts',
    "import { defineStreamFilter, drop } from 'holdfast/sdk';\n\nexport default defineStreamFilter({\n  name: 'typed',\n  onRequest: () => drop(),\n});\n",
  );
  const outcome = await checkTypes([path]);
  assert.equal(outcome.isChecked, true);
  assert.deepEqual(
    outcome.faults.map(({ file, line }) => [file, line]),
    [[path, 5]],
  );
  assert.match(`${outcome.faults[0]?.message}`, /^type error TS\d+: /);
  files.write('typed.ts', GOOD);
  files.write('limit.ts', 'export const limit = 1;\n');
  assert.deepEqual((await checkTypes([path])).faults, []);
});
