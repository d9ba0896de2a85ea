/**
 * The packages the project stands on: pinned, accounted for, and fetched from wherever the user
 * fetches.
 *
 * Path: a house rule, run by `npm run check`, over package.json and the lock file.
 * Invariant: the lock names packages and hashes, never a host, so any mirror serves it; what only
 * the benchmarks need stays in their own package.
 */
import assert from 'node:assert/strict';
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasFile, ROOT, read } from './tree.ts';

interface Package {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

const ROOT_PACKAGE = JSON.parse(read('package.json')) as Package;
const LOCK = read('package-lock.json');
const BENCH_ONLY = /uwebsockets|uws-pack/i;

test('every dependency is pinned to one version', () => {
  const { dependencies, devDependencies, optionalDependencies } = ROOT_PACKAGE;
  const all = { ...dependencies, ...devDependencies, ...optionalDependencies };
  const loose = Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
  assert.deepEqual(loose, []);
});

test('the lock file names no host', () => {
  const { packages } = JSON.parse(LOCK) as { packages: Record<string, { resolved?: string }> };
  const resolved = Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined);
  assert.deepEqual(resolved, []);
  assert.doesNotMatch(LOCK, /"resolved"|registry[.\w-]*\.(org|com|net|example)/);
});

test('what only benchmarks need is not in the root package', () => {
  assert.doesNotMatch(read('package.json'), BENCH_ONLY);
  assert.doesNotMatch(LOCK, BENCH_ONLY);
});

test('every runtime dependency has its reason in ARCHITECTURE.md', () => {
  const text = hasFile('ARCHITECTURE.md') ? read('ARCHITECTURE.md') : '';
  const silent = Object.keys(ROOT_PACKAGE.dependencies).filter((name) => !text.includes(name));
  assert.deepEqual(silent, []);
});

test('every script starts a file that is there', () => {
  const missing = Object.entries(ROOT_PACKAGE.scripts).flatMap(([name, command]) =>
    [...command.matchAll(/\b(?:src|test|bench)\/[\w./-]+\.(?:ts|mjs)\b/g)]
      .filter(([file]) => !existsSync(join(ROOT, file)))
      .map(([file]) => `${name}: ${file}`),
  );
  assert.deepEqual(missing, []);
});

test('CI runs what npm test runs', () => {
  accessSync(join(ROOT, '.ci/run'), constants.X_OK);
  assert.match(read('.ci/run'), /^npm test/m);
});
