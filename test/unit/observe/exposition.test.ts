/**
 * The metrics page is valid text, and log lines cannot be forged.
 *
 * Path: src/main/observe with fake numbers.
 * Invariant under test: text from outside cannot leave its line or its label.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Ids } from '../../../src/main/model/index.ts';
import { listenerFamilies, shardFamilies } from '../../../src/main/observe/core-metrics.ts';
import { type Family, toSnakeCase, writeFamily } from '../../../src/main/observe/exposition.ts';
import { parseScopes } from '../../../src/main/observe/index.ts';
import { escapeControls } from '../../../src/main/observe/log.ts';
import { FAKE_ABI, FakeBoard } from '../fake-native.ts';

function textOf(families: readonly Family[]): string {
  return families.map((family) => [...writeFamily(family)].join('')).join('');
}

test('whatever a label contains, a sample is one line that gives it back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const text = textOf([
        { name: 'x', kind: 'gauge', help: 'Help.', samples: [{ labels: { l: value }, value: 1 }] },
      ]);
      const [, , sample = '', end] = text.split('\n');
      assert.equal(end, '');
      const escaped = /^x\{l="(.*)"\} 1$/su.exec(sample)?.[1] ?? '';
      const plain = escaped.replaceAll(/\\(.)/gu, (_, char) => (char === 'n' ? '\n' : char));
      assert.equal(plain, value);
    }),
  );
});

test('numbers that JSON does not know', () => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e21];
  const text = textOf([
    {
      name: 'x',
      kind: 'gauge',
      help: 'H.',
      samples: values.map((value) => ({ labels: {}, value })),
    },
  ]);
  assert.match(text, /x NaN\nx \+Inf\nx -Inf\nx 1e\+21\n$/);
});

test('counters of the core get conventional names and base units, new ones appear by themselves', () => {
  const board = new FakeBoard();
  const ids = new Ids(board, FAKE_ABI);
  ids.listener('mqtt');
  const sources = { abi: FAKE_ABI, board, ids, shards: 1 };
  const text = textOf([...listenerFamilies(sources), ...shardFamilies(sources)]);
  assert.match(text, /holdfast_connections_opened_total\{listener="mqtt"\} 5\n/);
  assert.match(text, /holdfast_bytes_total\{listener="mqtt",direction="from_endpoint"\} 200\n/);
  assert.match(
    text,
    /holdfast_connections_closed_total\{listener="mqtt",reason="client-closed"\} 4\n/,
  );
  assert.match(text, /holdfast_backpressure_seconds_total\{shard="0"\} 2\n/);
  assert.match(text, /holdfast_pending_bytes\{shard="0"\} 12288\n/);
  assert.match(text, /holdfast_shard_turns_total\{shard="0"\} 7\n/);
  assert.equal(text.match(/# TYPE holdfast_bytes_total/g)?.length, 1);
  assert.equal(toSnakeCase('connectFailures'), 'connect_failures');
});

test('scopes', () => {
  assert.deepEqual(parseScopes('process, shard'), new Set(['process', 'shard']));
  assert.equal(parseScopes(null)?.size, 7);
  assert.equal(parseScopes('shard,nothing'), null);
});

test('control characters stay visible after a line is decoded', () => {
  const line = JSON.stringify({ client: 'a\u001b[2J\r\u0007\u009b b\tc\nd', ok: 'ä€😀' });
  const decoded = JSON.parse(escapeControls(line)) as { client: string; ok: string };
  assert.equal(decoded.client, 'a\\u001b[2J\\r\\u0007\\u009b b\tc\nd');
  assert.equal(decoded.ok, 'ä€😀');
});
