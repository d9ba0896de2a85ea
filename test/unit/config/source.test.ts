/**
 * Reading text: syntax, places, aliases, and what hostile text gets.
 *
 * Path: src/main/config/source.ts, node-reader.ts.
 * Invariant under test: always a value or a finding, never an exception, within bounds.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Findings } from '../../../src/main/config/findings.ts';
import { readSource, type Source, TEXT_BYTES_MAX } from '../../../src/main/config/source.ts';

function read(text: string): { source: Source; codes: string[]; messages: string[] } {
  const findings = new Findings();
  const source = readSource(text, findings);
  const list = findings.sorted();
  return {
    source,
    codes: list.map(({ code, line, column }) => `${code} ${line}:${column}`),
    messages: list.map(({ message, hint }) => `${message}: ${hint}`),
  };
}

/** Objects of the reader have no prototype; comparing needs one. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

test('values and keys know their places', () => {
  const { source } = read('a:\n  - x: 1\n    y: [p, "qq"]\n');
  assert.deepEqual(source.place(['a', 0, 'y', 1]), { line: 3, column: 12, length: 4 });
  assert.deepEqual(source.keyPlace(['a', 0, 'y']), { line: 3, column: 5, length: 1 });
  assert.deepEqual(source.place(['a', 0, 'x']), { line: 2, column: 8, length: 1 });
});

test('what is not in the text is where the nearest thing around it is', () => {
  const { source } = read('a:\n  b: { c: 1 }\n  s: short\n');
  assert.deepEqual(source.place(['a', 'b', 'missing']), source.keyPlace(['a', 'b']));
  assert.deepEqual(source.place(['a', 's', 0, 'x']), { line: 3, column: 6, length: 5 });
});

test('a key with nothing after it is left out, an explicit null is not', () => {
  assert.deepEqual(plain(read('a:\nb: null\nc: ~\n').source.value), { b: null, c: null });
});

test('anchors, aliases and merge keys are resolved', () => {
  const text =
    'base: &base { a: 1, b: 2 }\nx: *base\ny: { <<: *base, b: 3 }\nz: { <<: [*base, { c: 4 }] }\n';
  assert.deepEqual(plain(read(text).source.value), {
    base: { a: 1, b: 2 },
    x: { a: 1, b: 2 },
    y: { b: 3, a: 1 },
    z: { a: 1, b: 2, c: 4 },
  });
});

test('JSON with tabs is read', () => {
  assert.deepEqual(
    plain(read('{\n\t"a": [1,\t2],\n\t"b": "\\u00e9\\ud83d\\ude00"\n}').source.value),
    {
      a: [1, 2],
      b: '\u00e9\ud83d\ude00',
    },
  );
});

test('windows line ends and a byte order of lines keep places right', () => {
  const { source } = read('a: 1\r\nb: 2\r\n');
  assert.deepEqual(source.place(['b']), { line: 2, column: 4, length: 1 });
});

test('a tab in the indentation is named as such', () => {
  assert.deepEqual(read('a:\n\tb: 1\n').codes, ['HF1005 2:1']);
});

test('a duplicate key is refused, with the place of the first', () => {
  const { codes, messages } = read('a: 1\nb: 2\na: 3\n');
  assert.deepEqual(codes, ['HF1006 3:1']);
  assert.match(messages[0] ?? '', /appears twice: the first one is on line 1/);
});

test('a syntax error has its place, and follow-ups are not all shown', () => {
  const { codes, source } = read('a: [1, 2\nb: 3\n');
  assert.equal(source.value, undefined);
  assert.match(codes[0] ?? '', /^HF1004 /);
  assert.ok(codes.length <= 5);
});

test('several documents are refused', () => {
  assert.deepEqual(read('a: 1\n---\nb: 2\n').codes, ['HF1007 2:1']);
});

test('nothing is nothing', () => {
  for (const text of ['', '\n\n', '# only a comment\n', '---\n', '~', 'null']) {
    assert.deepEqual(read(text).codes, ['HF1010 0:0'], JSON.stringify(text));
  }
});

test('binary is refused', () => {
  assert.deepEqual(read('a: 1\nb: \0\n').codes, ['HF1003 2:1']);
});

test('text beyond the limit is refused before it is parsed', () => {
  assert.deepEqual(read('#'.repeat(TEXT_BYTES_MAX + 1)).codes, ['HF1002 0:0']);
});

test('an alias bomb is cut', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 12; i++) {
    const aliases = Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ');
    lines.push(`a${i}: &a${i} [${aliases}]`);
  }
  const { codes, source } = read(lines.join('\n'));
  assert.match(codes[0] ?? '', /^HF1008 /);
  assert.equal(source.value, undefined);
});

test('an alias of itself is cut', () => {
  assert.match(read('a: &a [*a]\n').codes[0] ?? '', /^HF1009 /);
  assert.match(read('a: &a { <<: *a }\n').codes[0] ?? '', /^HF1014 /);
});

test('nesting is limited, in brackets and in blocks', () => {
  for (const text of ['['.repeat(100_000), '{a: '.repeat(100_000), '- '.repeat(100_000)]) {
    const { codes, source } = read(text);
    assert.equal(source.value, undefined);
    assert.match(codes[0] ?? '', /^HF1009 |^HF1004 /);
  }
  const deep = `${'['.repeat(40)}${']'.repeat(40)}`;
  assert.match(read(deep).codes[0] ?? '', /^HF1009 /);
});

test('keys of objects are plain keys', () => {
  const { source } = read('__proto__: { polluted: 1 }\nconstructor: 2\n');
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  assert.deepEqual(Object.keys(source.value as object), ['__proto__', 'constructor']);
});

test('a key that is no word is refused', () => {
  assert.match(read('? [a, b]\n: 1\n').codes[0] ?? '', /^HF1004 /);
});
