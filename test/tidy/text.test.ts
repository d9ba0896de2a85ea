/**
 * Every file opens with what it is, stays readable in size, and carries nothing unfinished or
 * local.
 *
 * Path: a house rule, run by `npm run check`, over all text files of the project.
 * Invariant: the sizes are a ratchet: OVERSIZED may lose entries and shrink, not grow.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  codeOf,
  expectNone,
  type Finding,
  files,
  findLines,
  hasFile,
  isGenerated,
  lines,
} from './tree.ts';

const HEADER_LINES_MIN = 3;
/** Faces, and sources whose header file stands beside them, may say it in one line. */
const SHORT_HEADER_LINES_MIN = 1;
const HEADER_LINES_MAX = 12;
const COLUMNS_MAX = 100;
const FILE_LINES_MAX = 600;
/** Files above the limit, with the size they may not exceed. */
const OVERSIZED: Readonly<Record<string, number>> = {
  'test/native/tls/openssl/config_test.cc': 780,
  'test/native/tls/record_layer_test.cc': 725,
};

const CODE = files(/^(src|test|bench|native|examples)\/.*\.(ts|mjs|cc|h)$/).filter(
  (file) => !isGenerated(file),
);
const TEXT = files(/\.(ts|mjs|cc|h|md|json|ya?ml|py|sh|gyp|map|cfg|conf)$|^\.ci\//);

/** The text lines of the comment that a file opens with. */
function headerOf(file: string): string[] {
  const header: string[] = [];
  for (const raw of lines(file)) {
    const text = raw.trim();
    if (text.startsWith('#!') && header.length === 0) continue;
    if (text === '*/' || !/^(\/\*\*?|\*|\/\/)/.test(text)) break;
    const said = text.replace(/^(\/\*\*?|\*|\/\/+)\s?/, '').replace(/\s*\*\/$/, '');
    if (said !== '') header.push(said);
    if (text.endsWith('*/')) break;
  }
  return header;
}

test('every source file opens with a header of 3 to 12 lines', () => {
  const findings: Finding[] = [];
  for (const file of CODE) {
    const count = headerOf(file).length;
    const hasTwin = file.endsWith('.cc') && hasFile(file.replace(/\.cc$/, '.h'));
    const isShort = hasTwin || /(\/index\.ts|_(test|main)\.cc)$/.test(file);
    if (count >= (isShort ? SHORT_HEADER_LINES_MIN : HEADER_LINES_MIN) && count <= HEADER_LINES_MAX)
      continue;
    const says = `the header has ${count} lines: say what it is, where on the path, what it keeps`;
    findings.push({ file, line: 1, says });
  }
  expectNone(findings);
});

test('lines fit into 100 columns', () => {
  const findings: Finding[] = [];
  for (const file of CODE) {
    lines(file).forEach((text, index) => {
      const columns = [...text].length;
      const isUnbreakable = /https?:\/\/|(['"`]).{40,}\1|\/.{40,}\/[a-z]*/.test(text);
      if (columns <= COLUMNS_MAX || isUnbreakable) return;
      findings.push({ file, line: index + 1, says: `${columns} columns` });
    });
  }
  expectNone(findings);
});

test('files stay below 600 lines', () => {
  const findings: Finding[] = [];
  for (const file of CODE) {
    const count = lines(file).length - 1;
    const limit = OVERSIZED[file] ?? FILE_LINES_MAX;
    if (count > limit) findings.push({ file, line: count, says: `more than ${limit} lines` });
  }
  expectNone(findings);
  for (const [file, limit] of Object.entries(OVERSIZED)) {
    assert.ok(limit > FILE_LINES_MAX, `${file} needs no exception any more`);
  }
});

test('nothing is left unfinished', () => {
  const marks = new RegExp(
    `\\b(${['TO', 'FIX'].map((word) => `${word}${word === 'TO' ? 'DO' : 'ME'}`).join('|')}|X{3})\\b`,
  );
  const findings = TEXT.flatMap((file) => findLines(file, marks, 'finish it or take it out'));
  for (const file of files(/\.test\.ts$/)) {
    codeOf(file)
      .split('\n')
      .forEach((text, index) => {
        if (/\b(test|it|describe|suite)\.(only|skip|todo)\b|\bonly: true\b/.test(text)) {
          findings.push({ file, line: index + 1, says: 'every test runs' });
        }
      });
  }
  expectNone(findings);
});

test('no file names a path of one machine', () => {
  const places = ['work', 'root', 'farm', 'home/[a-z]+'].join('|');
  const local = new RegExp(`(^|[^\\w.])/(${places})/`);
  expectNone(TEXT.flatMap((file) => findLines(file, local, 'a path of one machine')));
});
