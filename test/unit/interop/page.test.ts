/**
 * The page of outcomes with foreign programs: it is read back as it was written, and a run of a
 * part leaves the other rows alone.
 *
 * Path: test/interop/page.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DatedRow, mergeRows, readHttpPage, writeHttpPage } from '../../interop/page.ts';

const ROWS: readonly DatedRow[] = [
  {
    name: 'smuggling',
    version: 'nginx 1, haproxy 2',
    target: '2 origins, seed 1',
    date: '2026-01-31',
    result: 'FAILED',
    says: 'GET /|<a> HTTP/1.1 | was read in two ways',
  },
  {
    name: 'autobahn',
    version: '25',
    target: 'client, tunnel',
    date: '2026-02-01',
    result: 'passed',
    says: '301 cases: 301 OK',
  },
  {
    name: 'autobahn',
    version: '25',
    target: 'endpoint, tunnel',
    date: '2026-02-01',
    result: 'skipped',
    says: 'left out with --short',
  },
];

test('what is written is read back', () => {
  assert.deepEqual(readHttpPage(writeHttpPage(ROWS)), ROWS);
});

test('a run of a part replaces its rows only', () => {
  const row: DatedRow = {
    name: 'autobahn',
    version: '26',
    target: 'client, validated',
    date: '2026-03-01',
    result: 'passed',
    says: '1 case: 1 OK',
  };
  const isClient = ({ target }: { readonly target: string }): boolean => target.includes('client');
  assert.deepEqual(mergeRows(ROWS, [row], isClient), [ROWS[0], ROWS[2], row]);
});

test('what was left out keeps what an earlier run found', () => {
  const left = ROWS.map((row) => ({ ...row, date: '2026-03-01', result: 'skipped' as const }));
  const merged = mergeRows(ROWS, left, () => true);
  assert.deepEqual(merged, [ROWS[0], ROWS[1], ROWS[2]]);
});
