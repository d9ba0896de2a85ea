/**
 * docs/access-log.md and docs/metrics.md say what the core says.
 *
 * Path: tables of the core (`abi.http`) and the pages that describe them.
 * Invariant under test: every flag and every variable is described, with the core's own sentence,
 * and no others are.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadNative } from '../../../native/epoll/index.ts';

const { http } = loadNative().abi;

/** The rows of the table under a heading. */
function rowsOf(page: string, heading: string): string[] {
  const text = readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8');
  const part = text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return part.split('\n').filter((line) => line.startsWith('| `'));
}

test('every flag of a record, by whom, and what it means', () => {
  assert.deepEqual(
    rowsOf('access-log.md', 'Flags'),
    http.ends.map(({ name, who, help }) => `| \`${name}\` | ${who} | ${help} |`),
  );
});

test('every variable of a template, where it has a value, and what it is', () => {
  const places = { both: 'everywhere', request: 'routes', record: 'records' };
  assert.deepEqual(
    rowsOf('access-log.md', 'Variables'),
    http.variables.map(
      ({ name, scope, help }) =>
        `| \`%{${name}${name.endsWith('.') ? 'NAME' : ''}}\` | ${places[scope]} | ${help} |`,
    ),
  );
});
