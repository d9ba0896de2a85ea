/**
 * The launcher as a process: exit codes, a reader that goes away, another Node in its place.
 *
 * Path: src/main/cli/holdfast.mjs, main.ts.
 * Invariant under test: the exit code is that of the verb, and an old Node starts the pinned one.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../../../src/main/cli/holdfast.mjs', import.meta.url));

/** Makes a Node look old to the launcher, and only to it. */
const LOOK_OLD = `data:text/javascript,${encodeURIComponent(
  `const versions = { ...process.versions, node: '20.18.0' };
   Object.defineProperty(process, 'versions', { value: versions });`,
)}`;

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly note: string;
}

function launch(args: readonly string[], flags: readonly string[] = []): Promise<Ended> {
  return new Promise((done) => {
    execFile(process.execPath, [...flags, LAUNCHER, ...args], (error, out, note) => {
      done({ code: error === null ? 0 : Number(error.code), out, note });
    });
  });
}

test('exit codes reach the shell', async () => {
  assert.equal((await launch(['explain', 'HF1012'])).code, 0);
  const wrong = await launch(['validate', '/nonexistent.yaml']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.note, /HF1001/);
  assert.equal((await launch(['conns', '--admin', '/nonexistent.sock'])).code, 3);
});

test('an old Node starts the pinned one, with the same output and exit code', async () => {
  const version = await launch(['version', '--json'], [`--import=${LOOK_OLD}`]);
  assert.equal(version.note, '');
  const { node } = JSON.parse(version.out) as { node: string };
  assert.ok(Number.parseInt(node, 10) >= 24, node);
  assert.equal((await launch(['validate', '/nonexistent.yaml'], [`--import=${LOOK_OLD}`])).code, 2);
});

test('a reader that goes away is no error', async () => {
  const child = spawn(process.execPath, [LAUNCHER, 'schema'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let note = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    note += text;
  });
  child.stdout.destroy();
  const [code] = (await once(child, 'close')) as [number | null];
  assert.deepEqual([code, note], [0, '']);
});
