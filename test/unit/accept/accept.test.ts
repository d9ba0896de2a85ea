/**
 * Socket files, namespaces and the sentences about what failed.
 *
 * Path: src/main/accept with real socket files in a directory of the test's own.
 * Invariant under test: no file is removed that this process does not own.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  clearStaleSocketFile,
  explainListenFailure,
  identifySocketFile,
  NetnsTable,
  removeSocketFile,
} from '../../../src/main/accept/index.ts';
import { FakeFds } from '../fake-native.ts';

function makeDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test('a socket file at which somebody answers stays; one at which nobody does goes', async (t) => {
  const path = join(makeDirectory(t), 'x.sock');
  await clearStaleSocketFile(path);
  const listening = createServer().listen(path);
  await once(listening, 'listening');
  await assert.rejects(clearStaleSocketFile(path), { code: 'EADDRINUSE' });
  assert.equal(existsSync(path), true);
  // Closing removes the file; under another name it stays behind as a killed process leaves it.
  const stale = `${path}.stale`;
  renameSync(path, stale);
  listening.close();
  await once(listening, 'close');
  await clearStaleSocketFile(stale);
  assert.equal(existsSync(stale), false);
});

test('a file of another kind is never removed', async (t) => {
  const path = join(makeDirectory(t), 'precious');
  writeFileSync(path, 'x');
  await assert.rejects(clearStaleSocketFile(path), { code: 'ENOTSOCK' });
  assert.equal(existsSync(path), true);
});

test('only the very file that was made is removed', async (t) => {
  const path = join(makeDirectory(t), 'x');
  writeFileSync(path, 'mine');
  const mine = identifySocketFile(path);
  renameSync(path, `${path}.away`);
  writeFileSync(path, 'not mine');
  removeSocketFile(mine);
  assert.equal(existsSync(path), true);
  removeSocketFile(identifySocketFile(path));
  assert.equal(existsSync(path), false);
  removeSocketFile(mine);
});

test('every failure to listen names who, where, and the remedy', () => {
  const target = { owner: 'listener "web"', address: '0.0.0.0:80', netns: 'blue' };
  const sentences = {
    EADDRINUSE:
      /^listener "web" cannot listen on 0\.0\.0\.0:80 in network namespace "blue": the port is in use; find its owner with "ss -ltnp 'sport = :80'"/,
    EACCES: /ports below 1024 need a privilege; grant CAP_NET_BIND_SERVICE/,
    EADDRNOTAVAIL: /the address is not on this machine/,
    EMFILE: /no descriptors left/,
    EOTHER: /: something else$/,
  };
  for (const [code, wanted] of Object.entries(sentences)) {
    const cause = Object.assign(new Error('something else'), { code });
    const error = explainListenFailure(cause, target);
    assert.match(error.message, wanted);
    assert.equal(error.code, code);
  }
});

test('a namespace is opened once and closed when nothing names it any more', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const fds = new FakeFds();
  const table = new NetnsTable(fds);
  const fd = table.open('blue', 'listener "a"');
  assert.equal(table.open('blue', 'cluster "b"'), fd);
  assert.equal(table.open(null, 'cluster "b"'), -1);
  table.retain(new Set());
  assert.equal(fds.openFds.size, 1);
  t.mock.timers.tick(120_000);
  assert.equal(fds.openFds.size, 0);
  table.open('red', 'listener "a"');
  table.close();
  assert.equal(fds.openFds.size, 0);
});
