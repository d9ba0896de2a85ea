/**
 * Two set-ups of one clone take turns, however the first of them ends.
 *
 * Path: src/main/setup/lock.mjs, with real processes.
 * Invariant: the lock lasts as long as its holder or a child that was given its descriptor.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { takeLock } from '../../../src/main/setup/lock.mjs';

const LOCK = join(
  dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url))))),
  'src/main/setup/lock.mjs',
);

/** Starts a process that takes the lock of `name`, runs `then`, and stays. */
async function startHolder(name: string, then: string) {
  const script = `
    import { takeLock } from ${JSON.stringify(LOCK)};
    import { spawn } from 'node:child_process';
    const lock = await takeLock(${JSON.stringify(name)}, () => {});
    ${then}
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [text] = (await once(holder.stdout, 'data')) as [Buffer];
  return { holder, text: String(text).trim() };
}

test('the second waits for the first and learns who it is', async () => {
  const name = `lock-test-${process.pid}-a`;
  const first = await takeLock(name, () => assert.fail('nobody else holds it'));
  const told = Promise.withResolvers<string>();
  const second = takeLock(name, told.resolve);
  assert.equal(await told.promise, `process ${process.pid}`);
  first.release();
  (await second).release();
});

test('different clones do not wait for each other', async () => {
  const one = await takeLock(`lock-test-${process.pid}-b`, () => assert.fail('waited'));
  const other = await takeLock(`lock-test-${process.pid}-c`, () => assert.fail('waited'));
  one.release();
  other.release();
});

test('a killed holder leaves nothing behind', async () => {
  const name = `lock-test-${process.pid}-d`;
  const { holder } = await startHolder(name, `console.log('held');`);
  const told = Promise.withResolvers<string>();
  const mine = takeLock(name, told.resolve);
  assert.equal(await told.promise, `process ${holder.pid}`);
  holder.kill('SIGKILL');
  (await mine).release();
});

test('a command that outlives its set-up keeps the lock until it ends', async () => {
  const name = `lock-test-${process.pid}-e`;
  const { holder, text } = await startHolder(
    name,
    `const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', lock.fd] });
     console.log(child.pid);`,
  );
  const told = Promise.withResolvers<string>();
  const mine = takeLock(name, told.resolve);
  await told.promise;
  // The command reads from a pipe to its set-up, so it would end with it if it were not stopped.
  process.kill(Number(text), 'SIGSTOP');
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  let isHeld = true;
  void mine.then(() => {
    isHeld = false;
  });
  const again = Promise.withResolvers<string>();
  const third = takeLock(name, again.resolve);
  assert.equal(await again.promise, 'one that was cut short');
  assert.equal(isHeld, true);
  process.kill(Number(text), 'SIGCONT');
  const turns = [mine, third].map(async (turn) => (await turn).release());
  await Promise.all(turns);
});
