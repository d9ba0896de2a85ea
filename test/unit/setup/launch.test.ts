/**
 * The launcher runs a file under the pinned Node, passes signals on once, and ends as the file
 * ends.
 *
 * Path: src/main/setup/launch.mjs, in a clone in miniature, with real processes and signals.
 * Invariant: no process is left behind, even when the launcher is killed.
 */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { type Clone, createClone, pretendBuilt } from './clone.ts';

/** Says who it is and names each signal it gets; ends when stdin gives a code, or when mortal. */
const PROGRAM = `
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    process.stdout.write(\`got \${signal}\\n\`);
    if (process.argv.includes('mortal')) process.exit();
  });
}
process.stdin.once('data', (text) => process.exit(Number(String(text))));
setInterval(() => {}, 1000);
process.stdout.write(\`ready \${process.pid} \${process.argv.slice(2).join(' ')}\\n\`);
`;

/** Reads the output of a process line by line. */
async function* linesOf(child: ChildProcessWithoutNullStreams): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of child.stdout) {
    const parts = (rest + String(chunk)).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
}

describe('launch', () => {
  let clone: Clone;
  before(async () => {
    clone = await createClone();
    clone.write('program.mjs', PROGRAM);
    pretendBuilt(clone);
  });
  after(() => clone.remove());

  const launch = (...args: string[]): ChildProcessWithoutNullStreams =>
    spawn(process.execPath, ['src/main/setup/launch.mjs', ...args], { cwd: clone.root });

  it('passes arguments and stdin on, and ends with the exit code', async () => {
    const launcher = launch('program.mjs', 'a', 'b c');
    const lines = linesOf(launcher);
    assert.match(`${(await lines.next()).value}`, /^ready \d+ a b c$/);
    launcher.stdin.end('7');
    assert.deepEqual(await once(launcher, 'exit'), [7, null]);
  });

  it('passes a signal on once, however often it comes at that moment', async () => {
    const launcher = launch('program.mjs');
    const lines = linesOf(launcher);
    await lines.next();
    launcher.kill('SIGINT');
    launcher.kill('SIGINT');
    assert.equal((await lines.next()).value, 'got SIGINT');
    launcher.kill('SIGTERM');
    assert.equal((await lines.next()).value, 'got SIGTERM');
    launcher.stdin.end('0');
    assert.deepEqual(await once(launcher, 'exit'), [0, null]);
    assert.equal((await lines.next()).done, true);
  });

  it('takes its program along when it is killed', async () => {
    const launcher = launch('program.mjs', 'mortal');
    const lines = linesOf(launcher);
    await lines.next();
    launcher.kill('SIGKILL');
    assert.equal((await lines.next()).value, 'got SIGTERM');
    assert.equal((await lines.next()).done, true);
  });

  it('names what is missing, one sentence each, and starts nothing', async () => {
    clone.write('native/epoll/src/runtime/one.cc', '// Newer than the build.\n');
    const launcher = spawn(process.execPath, ['src/main/setup/launch.mjs', 'program.mjs'], {
      cwd: clone.root,
      env: { PATH: clone.root },
    });
    launcher.stderr.setEncoding('utf8');
    let said = '';
    launcher.stderr.on('data', (text: string) => {
      said += text;
    });
    assert.deepEqual(await once(launcher, 'close'), [1, null]);
    const sentences = said.trimEnd().split('\n');
    assert.equal(sentences.length, 3);
    assert.match(`${sentences[0]}`, /^holdfast: A C\+\+ compiler is missing \(g\+\+\): install/);
    assert.match(`${sentences[1]}`, /^holdfast: make is missing: install/);
    assert.match(`${sentences[2]}`, /^holdfast: python3 is missing; .* install/);
    pretendBuilt(clone);
  });

  it('says how to be called', async () => {
    assert.deepEqual(await once(launch(), 'exit'), [2, null]);
  });
});
