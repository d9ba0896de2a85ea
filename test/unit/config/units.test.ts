/**
 * Amounts in their human forms: what is read, what is refused and with which advice.
 *
 * Path: src/main/config/units.ts, suggest.ts.
 * Invariant under test: formatting and parsing are inverse; no text makes a parser throw.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { editDistance, suggest } from '../../../src/main/config/suggest.ts';
import {
  formatCount,
  formatDuration,
  formatSize,
  type Parsed,
  parseCount,
  parseDuration,
  parsePercent,
  parseRate,
  parseSize,
} from '../../../src/main/config/units.ts';

function valueOf(parsed: Parsed<number>): number | string {
  return parsed.ok ? parsed.value : parsed.fault.hint;
}

test('durations are read in ms', () => {
  const table: readonly (readonly [unknown, number])[] = [
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['1d2h3m4s5ms', 93_784_005],
    [0, 0],
    ['0s', 0],
  ];
  for (const [text, ms] of table) assert.equal(valueOf(parseDuration(text)), ms, String(text));
});

test('a duration without a unit gets the two that were probably meant', () => {
  assert.equal(valueOf(parseDuration(60)), 'write "60s" or "60ms"');
});

test('what is no duration is refused', () => {
  for (const text of ['', '5', '-5s', '5 s', '5x', 's', '1h30', '5S', null, true, [], {}, '1e3s']) {
    assert.equal(parseDuration(text).ok, false, JSON.stringify(text));
  }
});

test('sizes are read in bytes', () => {
  const table: readonly (readonly [unknown, number])[] = [
    [4096, 4096],
    ['4096', 4096],
    ['512B', 512],
    ['64KiB', 65_536],
    ['1.5MiB', 1_572_864],
    ['64kB', 64_000],
    ['2 GiB', 2_147_483_648],
  ];
  for (const [text, bytes] of table) assert.equal(valueOf(parseSize(text)), bytes, String(text));
});

test('an ambiguous size unit gets the binary one as advice', () => {
  assert.equal(valueOf(parseSize('128K')), 'write "128KiB"');
  assert.equal(valueOf(parseSize('2gb')), 'write "2GiB"');
});

test('counts, rates and shares are read', () => {
  assert.equal(valueOf(parseCount('100k')), 100_000);
  assert.equal(valueOf(parseCount('1.5M')), 1_500_000);
  assert.equal(valueOf(parseCount(7)), 7);
  assert.equal(valueOf(parseRate('5k/s')), 5000);
  assert.equal(valueOf(parseRate('300/m')), 5);
  assert.equal(valueOf(parsePercent('10%')), 10);
  assert.equal(valueOf(parsePercent('0.5%')), 0.5);
});

test('counts are whole, rates at least one each second, shares at most the whole', () => {
  for (const text of ['1.5', '1.0005k', '-1', '1kk', 1.5, '5/s']) {
    assert.equal(parseCount(text).ok, false, String(text));
  }
  for (const text of [5, '5', '10/m', '5/x', 'k/s']) assert.equal(parseRate(text).ok, false);
  for (const text of ['101%', '-1%', '%', 0.1]) assert.equal(parsePercent(text).ok, false);
  assert.equal(valueOf(parsePercent(0.1)), 'write "10%"');
});

test('formatting is the inverse of parsing', () => {
  const amount = fc.integer({ min: 0, max: 10 ** 12 });
  fc.assert(fc.property(amount, (ms) => valueOf(parseDuration(formatDuration(ms))) === ms));
  fc.assert(fc.property(amount, (bytes) => valueOf(parseSize(formatSize(bytes))) === bytes));
  fc.assert(fc.property(amount, (count) => valueOf(parseCount(formatCount(count))) === count));
});

test('no value makes a parser throw, and what passes is a safe whole number', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.anything()), (value) => {
      for (const parse of [parseDuration, parseSize, parseCount, parseRate]) {
        const parsed = parse(value);
        assert.ok(!parsed.ok || (Number.isSafeInteger(parsed.value) && parsed.value >= 0));
      }
    }),
  );
});

test('an edit is one insertion, deletion, change or exchange of neighbours', () => {
  assert.equal(editDistance('idle', 'idel'), 1);
  assert.equal(editDistance('idle', 'ide'), 1);
  assert.equal(editDistance('idle', 'idles'), 1);
  assert.equal(editDistance('idle', 'iddle'), 1);
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(editDistance('kitten', 'sitting'), 3);
});

test('distance is symmetric, zero only for equals, and at most the longer length', () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      assert.equal(distance, editDistance(b, a));
      assert.equal(distance === 0, a === b);
      assert.ok(distance <= Math.max(a.length, b.length));
    }),
  );
});

test('a near word is proposed, a far one is not', () => {
  const known = ['halfClose', 'idle', 'maxAge', 'connectionsPerAddress', 'least-connections'];
  assert.equal(suggest('half_close', known), 'halfClose');
  assert.equal(suggest('idel', known), 'idle');
  assert.equal(suggest('leastconn', known), 'least-connections');
  assert.equal(suggest('conectionsPerAddress', known), 'connectionsPerAddress');
  assert.equal(suggest('zebra', known), null);
  assert.equal(suggest('', known), null);
  assert.equal(suggest('x'.repeat(10_000), known), null);
});
