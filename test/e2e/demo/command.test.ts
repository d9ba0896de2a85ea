/**
 * What `npm start` prints: a gateway with origins and clients, where they are, and the way out.
 *
 * Path: `holdfast demo`, in a pipe and in a terminal.
 * Invariant under test: what it says to try works as it is written; Ctrl-C ends it and leaves
 * nothing behind; it runs beside another one.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ask, makeDirectory } from '../harness.ts';
import { Command, runCommand } from '../peers/cli.ts';
import { CTRL_C, Terminal } from '../peers/terminal.ts';
import { Wire } from '../peers/wire.ts';

const HOLDFAST = fileURLToPath(new URL('../../../src/main/cli/holdfast.mjs', import.meta.url));
const GREETING = /^hello from the demo origin/;

test('it runs, says where to connect, and everything it says to try works', async (t) => {
  const directory = makeDirectory(t);
  const demo = new Command(t, ['demo', '--connections', '20', '--shards', '2'], { directory });
  const [, host = '', port = ''] = await demo.printed(/nc (\S+) (\d+)/);
  const [, url = ''] = await demo.printed(/Open (http:\S+) to see/);
  assert.match(await (await fetch(url)).text(), /<title>Holdfast demo<\/title>/);
  const wire = await Wire.connect(t, { host, port: Number(port) });
  assert.match(await wire.line(), GREETING);
  await wire.echo('what you type comes back\n');
  const socket = join(directory, 'holdfast.sock');
  const { text } = await ask({ socketPath: socket }, { method: 'GET', path: '/metrics' });
  assert.match(text, /^holdfast_connections_active\{listener="echo"\} \d+$/m);
  const run = (...args: string[]): ReturnType<typeof runCommand> =>
    runCommand(t, args, { directory });
  const conns = await run('conns', '--sort', 'age', '--limit', '5');
  assert.equal(conns.code, 0, conns.stderr);
  assert.match(conns.stdout, /echo/);
  assert.equal((await run('clusters')).code, 0);
  const reload = await run('reload');
  assert.equal(reload.code, 0, reload.stderr);
  assert.match(reload.stdout, /route/);
  const drained = await run('drain', '--over', '100ms');
  assert.equal(drained.code, 0, drained.stderr);
  assert.equal(await wire.ended, 'fin');
  wire.finish();
  const undrained = await run('undrain');
  assert.equal(undrained.code, 0, undrained.stderr);
  const back = await Wire.connect(t, Number(port));
  assert.match(await back.line(), GREETING);
  void back.ended.then(() => back.finish());
  demo.signal('SIGINT');
  const { code, stderr } = await demo.outcome;
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /error|fatal/i);
  assert.deepEqual(readdirSync(directory), []);
});

test('two of them find ports of their own', async (t) => {
  const directory = makeDirectory(t);
  const ports: string[] = [];
  for (const admin of ['./one.sock', './two.sock']) {
    const args = ['demo', '--connections', '1', '--shards', '1', '--admin', admin];
    const demo = new Command(t, args, { directory });
    const [, port = ''] = await demo.printed(/nc 127\.0\.0\.1 (\d+)/);
    ports.push(port);
  }
  assert.notEqual(ports[0], ports[1]);
  for (const port of ports) {
    assert.match(await (await Wire.connect(t, Number(port))).line(), GREETING);
  }
});

test('in a terminal: Ctrl-C drains and ends, twice ends at once', async (t) => {
  const directory = makeDirectory(t);
  const command = [process.execPath, HOLDFAST, 'demo', '--connections', '5', '--shards', '1'];
  const demo = await Terminal.start(t, command, directory);
  const [, port = ''] = await demo.whenShown(/nc 127\.0\.0\.1 (\d+)/);
  const wire = await Wire.connect(t, Number(port));
  await wire.line();
  demo.type(CTRL_C);
  assert.equal(await wire.ended, 'fin');
  wire.finish();
  assert.equal(await demo.outcome, 0);
  const hasty = await Terminal.start(t, command, directory);
  const [, again = ''] = await hasty.whenShown(/nc 127\.0\.0\.1 (\d+)/);
  const stuck = await Wire.connect(t, Number(again));
  await stuck.line();
  hasty.type(CTRL_C);
  // A client that does not answer would hold it until the end of the grace.
  assert.equal(await stuck.ended, 'fin');
  hasty.type(CTRL_C);
  assert.equal(await hasty.outcome, 130);
  assert.equal(existsSync(join(directory, 'holdfast.sock')), false);
});
