/**
 * Filters of a configuration are checked with it: every fault at once, each at its line.
 *
 * Path: load -> FilterChecks -> checks of modules and types, each in a process of its own.
 * Invariant under test: a fault in a source says file, line and column; one in `with` is at the
 * field; nothing hides because something else is wrong.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FINDINGS } from '../../../src/main/config/codes.ts';
import { type LoadResult, loadConfigText } from '../../../src/main/config/index.ts';
import { FilterChecks } from '../../../src/main/filters/index.ts';
import { createFilterFiles } from './filter-files.ts';

const GOOD = `import { defineStreamFilter } from 'holdfast/sdk';
import * as z from 'zod';
export default defineStreamFilter({
  name: 'good',
  config: z.strictObject({ limit: z.number() }),
  onRequest: () => undefined,
});
`;

function createScene(t: TestContext) {
  const files = createFilterFiles(t);
  files.write('good.ts', GOOD);
  const checks = new FilterChecks(() => []);
  const load = (filters: string, more = ''): Promise<LoadResult> => {
    const text = `version: 1
${more}
listeners:
  - name: web
    bind: 127.0.0.1:0
    protocol: http
    cluster: app
    filters:
${filters}
clusters: [{ name: app, endpoints: [127.0.0.1:1] }]
`;
    const loaded = loadConfigText(text, `${files.directory}/holdfast.yaml`);
    return checks.complete(loaded);
  };
  const found = async (filters: string, more = ''): Promise<string[]> => {
    const { config, diagnostics } = await load(filters, more);
    assert.equal(config, null);
    return diagnostics.map(
      ({ code, line, column, message }) =>
        `${code} ${line}:${column} ${message.replaceAll(files.directory, '')}`,
    );
  };
  return { files, checks, load, found };
}

test('a configuration whose filters are right stays as it is', async (t) => {
  const { checks, load } = createScene(t);
  const { config, diagnostics } = await load('      - { use: ./good.ts, with: { limit: 1 } }');
  assert.deepEqual([diagnostics, config?.listeners[0]?.filters.length], [[], 1]);
  assert.equal(checks.hasCompiler, true);
});

test('every fault is told at once, at its line', async (t) => {
  const { files, found } = createScene(t);
  files.write('syntax.ts', 'export default {\n  name: ;\n};\n');
  files.write('empty.ts', 'export const name = 1;\n');
  files.write(
    'net.ts',
    "import { defineNetworkFilter } from 'holdfast/sdk';\n" +
      "export default defineNetworkFilter({ name: 'net', onAccept: () => undefined });\n",
  );
  files.write(
    'types.ts',
    "import { defineStreamFilter } from 'holdfast/sdk';\nconst limit: number = 'many';\n" +
      "export default defineStreamFilter({ name: 'types', onRequest: () => void limit });\n",
  );
  const lines = await found(
    [
      '      - { use: ./good.ts, with: { limit: many } }',
      '      - { use: ./good.ts, with: { limit: 1, size: 2 } }',
      '      - use: ./syntax.ts',
      '      - use: ./empty.ts',
      '      - use: ./missing.ts',
      '      - use: holdfast/nothing',
      '      - use: ./types.ts',
    ].join('\n'),
    'shard: 1',
  );
  const [unknown, ...rest] = lines;
  assert.match(`${unknown}`, /^HF1012 2:1 unknown key/);
  const { filterConfig, filterSource, filterPlace } = FINDINGS;
  const expected: [string, RegExp][] = [
    [filterConfig.code, /^9:42 limit: .*number/],
    [filterConfig.code, /^10:51 size: .*"size"/],
    [filterSource.code, /^11:14 \/syntax\.ts:2:\d+: /],
    [filterSource.code, /^12:14 \/empty\.ts:1:1: it has no default export/],
    [filterSource.code, /^13:14 \/missing\.ts/],
    [filterPlace.code, /^14:14 there is no built-in filter "holdfast\/nothing"/],
    [filterSource.code, /^15:14 \/types\.ts:2:7: type error TS2322/],
  ];
  assert.equal(rest.length, expected.length, rest.join('\n'));
  for (const [i, [code, pattern]] of expected.entries()) {
    assert.equal(`${rest[i]}`.slice(0, 6), code, `${rest[i]}`);
    assert.match(`${rest[i]}`.slice(7), pattern);
  }
});

test('a filter of the gateway without its prefix is guessed', async (t) => {
  const { found } = createScene(t);
  const [finding, ...rest] = await found('      - rbac\n', 'shards: 1');
  assert.deepEqual(rest, []);
  assert.match(
    `${finding}`,
    /^HF\d+ 9:9 there is no package "rbac"; did you mean "holdfast\/rbac"\?$/,
  );
});

test('a list that changes more fields, or limits more, than it may is a finding', async (t) => {
  const { found, load } = createScene(t);
  const names = Array.from({ length: 16 }, (_, i) => `x-${i}: a`).join(', ');
  const edits = `      - { use: holdfast/headers, with: { request: { set: { ${names} } } } }`;
  const limit = '      - { use: holdfast/rate-limit, with: { count: messages, rate: 1/s } }';
  const fits = [edits, edits, edits, edits, limit, limit, limit, limit];
  assert.deepEqual((await load(fits.join('\n'))).diagnostics, []);
  const [over, held, ...rest] = await found([...fits, edits, edits, limit].join('\n'), 'shards: 1');
  assert.deepEqual(rest, []);
  const sentence = 'the native filters of one list have at most';
  assert.match(`${over}`, new RegExp(`^HF\\d+ 17:\\d+ ${sentence} 64 fields of a request$`));
  assert.match(`${held}`, new RegExp(`^HF\\d+ 19:\\d+ ${sentence} 4 limits of messages$`));
});

test('filters that stand where they can do nothing are findings', async (t) => {
  const { files, checks } = createScene(t);
  files.write(
    'net.ts',
    "import { defineNetworkFilter } from 'holdfast/sdk';\n" +
      "export default defineNetworkFilter({ name: 'net', onAccept: () => undefined });\n",
  );
  files.write('stream.ts', GOOD.replace("'good'", "'stream'").replace(/  config.*\n/, ''));
  const text = `version: 1
listeners:
  - { name: tcp, bind: 127.0.0.1:0, cluster: app, filters: [./net.ts, ./stream.ts] }
  - name: web
    bind: 127.0.0.1:0
    protocol: http
    http: { hosts: [{ routes: [{ cluster: app, filters: [./net.ts] }] }] }
clusters: [{ name: app, endpoints: [127.0.0.1:1] }]
`;
  const { config, diagnostics } = await checks.complete(
    loadConfigText(text, `${files.directory}/holdfast.yaml`),
  );
  assert.equal(config, null);
  assert.deepEqual(
    diagnostics.map(({ code, line, message }) => [code, line, message]),
    [
      [
        FINDINGS.filterPlace.code,
        3,
        '"stream" is a stream filter; those need a listener with "protocol: http"',
      ],
      [FINDINGS.filterPlace.code, 7, '"net" is a network filter; those stand on listeners'],
    ],
  );
});

test('native filters behind those in TypeScript are a warning that names both', async (t) => {
  const { files, checks } = createScene(t);
  files.write('asks.ts', GOOD.replace("'good'", "'asks'").replace(/  config.*\n/, ''));
  files.write(
    'answers.ts',
    GOOD.replace("'good'", "'answers'")
      .replace(/  config.*\n/, '')
      .replace('onRequest', 'onResponse'),
  );
  const net = "import { defineNetworkFilter } from 'holdfast/sdk';\nexport default ";
  files.write('net.ts', `${net}defineNetworkFilter({ name: 'net', onAccept: () => undefined });\n`);
  const rbac = '{ use: holdfast/rbac, with: { default: allow, rules: [] } }';
  const load = async (tcp: string, web: string, route: string): Promise<LoadResult> => {
    const text = `version: 1
listeners:
  - { name: tcp, bind: 127.0.0.1:0, cluster: app, filters: [${tcp}] }
  - name: web
    bind: 127.0.0.1:0
    protocol: http
    filters: [${web}]
    http: { hosts: [{ routes: [{ cluster: app, filters: [${route}] }] }] }
clusters: [{ name: app, endpoints: [127.0.0.1:1] }]
`;
    return checks.complete(loadConfigText(text, `${files.directory}/holdfast.yaml`));
  };
  const right = await load(`${rbac}, ./net.ts`, `${rbac}, ./net.ts, ./asks.ts`, rbac);
  assert.deepEqual(right.diagnostics, []);
  const others = await load('', `./net.ts, ./answers.ts, ${rbac}`, `./answers.ts, ${rbac}`);
  assert.deepEqual(others.diagnostics, []);
  const wrong = await load(
    `./net.ts, ${rbac}`,
    `./asks.ts, ${rbac}, ./answers.ts, ${rbac}`,
    `${rbac}, ./asks.ts, ${rbac}`,
  );
  assert.notEqual(wrong.config, null);
  assert.deepEqual(
    wrong.diagnostics.map(({ code, severity, line, message }) => [code, severity, line, message]),
    ([3, 7, 7, 8] as const).map((line) => [
      'HF1104',
      'warning',
      line,
      `"holdfast/rbac" runs before "${line === 3 ? './net.ts' : './asks.ts'}", which stands in front of it`,
    ]),
  );
});

test('what was checked is not checked again until it changes', async (t) => {
  const { files, checks, load } = createScene(t);
  const line = '      - { use: ./good.ts, with: { limit: 1 } }';
  await load(line);
  await load(line);
  assert.equal(checks.modules.checkCount, 1);
  files.write('good.ts', `${GOOD}const wrong: string = 1;\n`);
  const { diagnostics } = await load(line);
  assert.match(diagnostics[0]?.message ?? '', /good\.ts:8:7: type error TS2322/);
  files.write('good.ts', GOOD);
  assert.deepEqual((await load(line)).diagnostics, []);
});
