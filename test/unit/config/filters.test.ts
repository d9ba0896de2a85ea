/**
 * How filters are named in a configuration.
 *
 * Path: text -> schema-filters.ts, written-filters.ts -> Config.
 * Invariant under test: what is named is told with its place, also beside other faults; names that
 * lead nowhere and lists that are too long are findings.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redact } from '../../../src/main/admin/redact.ts';
import { FINDINGS } from '../../../src/main/config/codes.ts';
import { load, minimal } from './world.ts';

const HTTP = (filters: string): string => `
version: 1
listeners:
  - name: web
    bind: 127.0.0.1:0
    protocol: http
    filters: [./a.ts, { use: holdfast/rbac, with: { rules: [{ allow: all }] } }]
    http:
      hosts:
        - routes:
            - { name: one, cluster: app, filters: ${filters} }
            - { name: two, cluster: app, match: { path: /two } }
clusters: [{ name: app, endpoints: [127.0.0.1:1] }]
`;

test('filters of listeners and routes keep their order, with what they are told', () => {
  const { config, filters } = load(HTTP('[{ use: "@org/auth", with: { key: 1 } }]'));
  const [listener] = config?.listeners ?? [];
  assert.deepEqual(
    listener?.filters.map(({ use, with: told }) => [use, told]),
    [
      ['./a.ts', null],
      ['holdfast/rbac', { rules: [{ allow: 'all' }] }],
    ],
  );
  assert.match(listener?.filters[0]?.base ?? '', /^file:\/\/\//);
  const routes = listener?.http?.hosts[0]?.routes ?? [];
  assert.deepEqual(
    routes.map((route) => route.filters.map(({ use }) => use)),
    [['@org/auth'], []],
  );
  assert.deepEqual(
    filters.map(({ path, use, place }) => [path.join('/'), use, place]),
    [
      ['listeners/0/filters/0', './a.ts', 'listener'],
      ['listeners/0/filters/1', 'holdfast/rbac', 'listener'],
      ['listeners/0/http/hosts/0/routes/0/filters/0', '@org/auth', 'route'],
    ],
  );
});

test('filters are listed although the rest of the file is wrong', () => {
  const { config, filters } = load(minimal({ top: 'shard: 1', listener: 'filters: [./a.ts]' }));
  assert.equal(config, null);
  assert.deepEqual(
    filters.map(({ use, place }) => [use, place]),
    [['./a.ts', 'tcp-listener']],
  );
});

test('names that lead nowhere are findings with a remedy', () => {
  const cases: [name: string, hint: string][] = [
    ['auth.ts', 'write "./auth.ts"'],
    ['"a b"', 'package'],
    ['""', 'package'],
    [`"./${'x'.repeat(1100)}"`, '1024'],
  ];
  for (const [name, hint] of cases) {
    const { config, diagnostics } = load(minimal({ listener: `filters: [${name}]` }));
    assert.equal(config, null);
    assert.deepEqual(
      diagnostics.map(({ code, path }) => [code, path]),
      [[FINDINGS.badFilter.code, '/listeners/0/filters/0/use']],
    );
    const [first] = diagnostics;
    assert.ok(first !== undefined && first.hint.includes(hint), `${first?.hint}`);
    assert.ok(first.line > 1);
  }
});

test('one place has at most 64 filters, and no other keys than two', () => {
  const many = `filters: [${'./a.ts, '.repeat(65)}]`;
  const codes = (text: string): string[] => load(text).diagnostics.map(({ code }) => code);
  assert.deepEqual(codes(minimal({ listener: many })), codes(HTTP(`[${'./a.ts, '.repeat(65)}]`)));
  assert.match(load(minimal({ listener: many })).diagnostics[0]?.message ?? '', /65 filters.* 64/);
  assert.deepEqual(codes(minimal({ listener: 'filters: [{ use: ./a.ts, when: 1 }]' })), [
    FINDINGS.unknownKey.code,
  ]);
  assert.deepEqual(codes(minimal({ listener: 'filters: [{ with: {} }]' })), [
    FINDINGS.missingKey.code,
  ]);
});

test('clusters of mirrors exist, are used, and have the labels that are asked for', () => {
  const text = (told: string): string =>
    HTTP(`[{ use: holdfast/mirror, with: ${told} }]`).replace(
      'clusters: [',
      'clusters: [{ name: canary, endpoints: [{ address: 127.0.0.1:2, labels: { v: 2 } }] }, ',
    );
  const at = '/listeners/0/http/hosts/0/routes/0/filters/0/with';
  const found = (told: string): (string | undefined)[][] =>
    load(text(told)).diagnostics.map(({ code, path, line }) => [code, path, `${line > 1}`]);
  assert.deepEqual(found('{ cluster: canary }'), []);
  assert.deepEqual(found('{ cluster: canary, subset: { v: 2 } }'), []);
  assert.deepEqual(found('{ cluster: canary, subset: { v: 3 } }'), [
    [FINDINGS.emptySubset.code, `${at}/subset`, 'true'],
  ]);
  assert.deepEqual(found('{ cluster: canery }'), [
    [FINDINGS.unknownCluster.code, `${at}/cluster`, 'true'],
  ]);
  assert.deepEqual(found('{ cluster: app }'), [
    [FINDINGS.unusedCluster.code, '/clusters/0/name', 'true'],
  ]);
  assert.match(load(text('{ cluster: canery }')).diagnostics[0]?.hint ?? '', /"canary"/);
});

test('what filters are told is shown without secrets', () => {
  const { config } = load(HTTP('[{ use: ./b.ts, with: { users: [{ password: x, name: ann }] } }]'));
  assert.ok(config !== null);
  const text = JSON.stringify(redact(config));
  assert.ok(text.includes('"password":"(redacted)","name":"ann"'), text);
});
