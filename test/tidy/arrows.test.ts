/**
 * Dependencies point one way: main to shard to native, and inside native binding to proxy to codec
 * to runtime.
 *
 * Path: a house rule, run by `npm run check`. Imports and includes are read from the text.
 * Invariant: a directory with an index.ts is entered through it only, so its face is all that
 * others can depend on. Does not judge tests and benches, which may import files.
 */
import assert from 'node:assert/strict';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { codeOf, expectNone, type Finding, files, hasFile, lines, read } from './tree.ts';

const NATIVE_SOURCES = 'native/epoll/sources.mjs';
/** What each plane may depend on, itself included. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  main: ['main', 'testing', 'shard', 'native', 'base', 'sdk'],
  shard: ['shard', 'native', 'base', 'sdk'],
  sdk: ['sdk', 'base'],
  testing: ['testing', 'shard', 'sdk', 'base'],
  base: ['base'],
  native: ['native'],
};
/** From the highest to the lowest; a layer includes itself and what stands after it. */
const LAYERS = ['binding', 'proxy', 'policy', 'http', 'tls', 'compression', 'codec', 'runtime'];
const FACE_LINES_MAX = 40;
/** Files that something other than an import starts. */
const ENTRIES = [
  /^src\/main\/cli\/holdfast\.mjs$/,
  /^src\/main\/setup\/(compile-cache|launch|prepare|with-parent)\.mjs$/,
  /^src\/main\/config\/generate\.ts$/,
  /(^|\/)((load-)?worker|index)\.ts$/,
];

interface Import {
  readonly line: number;
  readonly target: string;
}

/** The relative imports of a file, as paths from the top directory. */
function relativeImports(file: string): Import[] {
  const found: Import[] = [];
  const pattern = /(?:\bfrom|\bimport|\bimport\(|new URL\()\s*(['"])(\.{1,2}\/[^'"]+)\1/g;
  for (const match of read(file).matchAll(pattern)) {
    const line = read(file).slice(0, match.index).split('\n').length;
    found.push({ line, target: normalize(join(dirname(file), `${match[2]}`)) });
  }
  return found;
}

function planeOf(file: string): string {
  const [top, second] = file.split('/');
  return top === 'src' ? `${second}` : `${top}`;
}

const SOURCES = files(/^(src|native)\/.*\.(ts|mjs)$/);

test('imports follow the arrow main -> shard -> native', () => {
  const findings: Finding[] = [];
  for (const file of SOURCES) {
    const allowed = ARROWS[planeOf(file)] ?? [];
    for (const { line, target } of relativeImports(file)) {
      const plane = planeOf(target);
      if (allowed.includes(plane)) continue;
      findings.push({
        file,
        line,
        says: `${planeOf(file)} may not depend on ${plane} (${target})`,
      });
    }
  }
  expectNone(findings);
});

test('a directory is entered through its index.ts', () => {
  const findings: Finding[] = [];
  for (const file of SOURCES) {
    for (const { line, target } of relativeImports(file)) {
      const isInside = dirname(target) === dirname(file);
      const face = join(dirname(target), 'index.ts');
      const isFree = isInside || target === face || target === NATIVE_SOURCES || !hasFile(face);
      if (!isFree && /\.(ts|mjs)$/.test(target) && !target.endsWith('worker.ts')) {
        findings.push({ file, line, says: `import ${face} instead of ${target}` });
      }
    }
  }
  expectNone(findings);
});

test('a face is a list of named exports and nothing else', () => {
  const findings: Finding[] = [];
  for (const file of files(/^src\/.*\/index\.ts$/)) {
    const count = codeOf(file)
      .split('\n')
      .filter((text) => text.trim() !== '').length;
    if (count > FACE_LINES_MAX) {
      findings.push({
        file,
        line: count,
        says: `a face has at most ${FACE_LINES_MAX} lines of exports`,
      });
    }
    const statements = codeOf(file).replace(/export\s+(type\s+)?\{[^}]*\}\s*from\s*;/g, '');
    if (statements.trim() !== '') {
      findings.push({ file, line: 1, says: `a face has named exports only: ${statements.trim()}` });
    }
  }
  expectNone(findings);
});

test('nothing in src is exported by default, filters excepted', () => {
  const plain = SOURCES.filter((file) => !/^src\/shard\/builtin\/[\w-]+\.ts$/.test(file));
  expectNone(
    plain.flatMap((file) =>
      codeOf(file)
        .split('\n')
        .flatMap((text, index) =>
          /\bexport\s+default\b/.test(text)
            ? [{ file, line: index + 1, says: 'export it by name' }]
            : [],
        ),
    ),
  );
});

test('every file of src is used', () => {
  const used = new Set<string>();
  for (const file of files(/^(src|native|test|bench)\/.*\.(ts|mjs)$/)) {
    if (file.endsWith('.test.ts')) continue;
    for (const { target } of relativeImports(file)) used.add(target);
  }
  const unused = files(/^src\/.*\.(ts|mjs)$/).filter(
    (file) => !used.has(file) && !ENTRIES.some((entry) => entry.test(file)),
  );
  expectNone(unused.map((file) => ({ file, line: 1, says: 'nothing imports this file' })));
});

test('includes follow the arrow binding -> proxy -> codec -> runtime', () => {
  const findings: Finding[] = [];
  for (const file of files(/^native\/epoll\/src\/.*\.(cc|h)$/)) {
    const layer = `${file.split('/')[3]}`;
    const level = LAYERS.indexOf(layer);
    assert.notEqual(level, -1, `${file} is in no known layer`);
    lines(file).forEach((text, index) => {
      const target = /^\s*#\s*include\s*"([^"]+)"/.exec(text)?.[1];
      if (target === undefined) return;
      const says = `${layer} may not include ${target}`;
      const other = LAYERS.indexOf(`${target.split('/')[0]}`);
      const isLocal = !target.includes('/');
      if (target.startsWith('.')) {
        findings.push({ file, line: index + 1, says: `name ${target} from src/ on` });
      } else if (!isLocal && (other === -1 || other < level)) {
        findings.push({ file, line: index + 1, says });
      }
    });
  }
  expectNone(findings);
});

test('only binding knows Node, and only runtime/sys knows epoll', () => {
  const findings: Finding[] = [];
  for (const file of files(/^native\/epoll\/src\/.*\.(cc|h)$/)) {
    const isBinding = file.startsWith('native/epoll/src/binding/');
    const isSys = /^native\/epoll\/src\/runtime\/sys[^/]*$/.test(file);
    lines(file).forEach((text, index) => {
      const target = /^\s*#\s*include\s*[<"]([^>"]+)[>"]/.exec(text)?.[1] ?? '';
      if (!isBinding && /^(napi|node_api|js_native_api|uv|v8|node)\b.*\.h$/.test(target)) {
        findings.push({ file, line: index + 1, says: `only src/binding includes ${target}` });
      }
      if (!isSys && target === 'sys/epoll.h') {
        findings.push({
          file,
          line: index + 1,
          says: 'only src/runtime/sys* includes sys/epoll.h',
        });
      }
    });
  }
  expectNone(findings);
});

test('the face of the core depends on Node and on its own parts only', () => {
  const parts = files(/^native\/epoll\/[^/]+\.ts$/);
  for (const part of parts) {
    const beyond = relativeImports(part).filter(({ target }) => !parts.includes(target));
    assert.deepEqual(beyond, [], part);
  }
});
