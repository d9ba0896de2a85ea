/**
 * `holdfast validate` and `holdfast run` on configurations whose filters are wrong.
 *
 * Path: the command in a process of its own, as people run it.
 * Invariant under test: every fault is shown at once, with its place in the configuration and in
 * the filter; nothing is started.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeDirectory } from '../harness.ts';
import { Command } from '../peers/cli.ts';
import { streamFilter, writeFilters } from './filter-scene.ts';

const TEXTS = {
  'good.ts': streamFilter('good', 'onRequest: () => undefined'),
  'typed.ts': `${streamFilter('typed', 'onRequest: () => undefined')}const n: number = 'text';\n`,
  'syntax.ts': 'export default {\n  name: ;\n};\n',
  'missing.ts': 'export const nothing = 1;\n',
  'told.ts': `import { defineStreamFilter } from 'holdfast/sdk';
import * as z from 'zod';
export default defineStreamFilter({
  name: 'told', config: z.strictObject({ limit: z.number() }), onRequest: () => undefined,
});
`,
};

function scene(t: TestContext, filters: readonly string[]): string {
  const directory = makeDirectory(t);
  writeFilters(directory, TEXTS);
  const lines = filters.map((filter) => `      - ${filter}\n`).join('');
  writeFileSync(
    join(directory, 'gateway.yaml'),
    `version: 1
admin: { socket: ./admin.sock }
listeners:
  - name: web
    bind: 127.0.0.1:0
    protocol: http
    cluster: app
    filters:
${lines}clusters: [{ name: app, endpoints: [127.0.0.1:1] }]
`,
  );
  return directory;
}

const WRONG = [
  './typed.ts',
  './syntax.ts',
  './missing.ts',
  '{ use: ./told.ts, with: { limit: many } }',
  '{ use: ./good.ts, with: { limit: 1 } }',
  'holdfast/rback',
  '{ use: holdfast/jwt, with: { keys: { file: ./none.json }, algorithms: [RS256] } }',
  '{ use: holdfast/ip-access, with: { denyFile: ./none.txt } }',
  '{ use: holdfast/basic-auth, with: { usersFile: ./none.users } }',
];

test('validate passes what is right', async (t) => {
  const directory = scene(t, ['./good.ts', '{ use: ./told.ts, with: { limit: 1 } }']);
  const outcome = await new Command(t, ['validate', 'gateway.yaml'], { directory }).outcome;
  assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
  assert.match(outcome.stdout, /^gateway\.yaml is valid/);
});

test('validate shows every fault at once', async (t) => {
  const directory = scene(t, WRONG);
  const args = ['validate', '--format', 'json', 'gateway.yaml'];
  const outcome = await new Command(t, args, { directory }).outcome;
  assert.equal(outcome.code, 2);
  const { diagnostics } = JSON.parse(outcome.stdout) as {
    diagnostics: { code: string; line: number; column: number; message: string }[];
  };
  const shown = diagnostics.map(
    ({ code, line, message }) => `${code} ${line} ${message.replaceAll(directory, '')}`,
  );
  const expected = [
    /^HF1101 9 \/typed\.ts:6:7: type error TS2322: /,
    /^HF1101 10 \/syntax\.ts:2:\d+: /,
    /^HF1101 11 \/missing\.ts:1:1: it has no default export/,
    /^HF1102 12 limit: /,
    /^HF1102 13 "good" takes no configuration/,
    /^HF1103 14 there is no built-in filter "holdfast\/rback"; did you mean "holdfast\/rbac"\?$/,
    /^HF1102 15 keys\.file: keys cannot be read from \.\/none\.json: ENOENT.*; write the path/,
    /^HF1104 16 "holdfast\/ip-access" runs before "\.\/typed\.ts"/,
    /^HF1102 16 denyFile: \.\/none\.txt cannot be read: ENOENT/,
    /^HF1104 17 "holdfast\/basic-auth" runs before "\.\/typed\.ts"/,
    /^HF1102 17 users: there are no users/,
    /^HF1102 17 usersFile: \.\/none\.users cannot be read: ENOENT/,
  ];
  assert.equal(shown.length, expected.length, shown.join('\n'));
  for (const [i, pattern] of expected.entries()) assert.match(`${shown[i]}`, pattern);
});

test('run starts nothing, and says the same', async (t) => {
  const directory = scene(t, ['./syntax.ts']);
  const outcome = await new Command(t, ['run', 'gateway.yaml'], { directory }).outcome;
  assert.equal(outcome.code, 2);
  assert.match(outcome.stderr, /error\[HF1101\] .*syntax\.ts:2:\d+: /);
  assert.match(outcome.stderr, /at gateway\.yaml:9:9/);
  assert.match(outcome.stderr, /nothing was started/);
});
