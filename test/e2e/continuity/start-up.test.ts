/**
 * The moments in which a gateway starts and stops listening: nobody and nothing is lost in them.
 *
 * Path: signals and changed files that come while a gateway starts; clients that wait in the queue
 * of a listening socket while a drain closes it.
 * Invariant under test: a start-up that a signal ends leaves no file behind; what was asked during
 * it is done after it; who connected before a drain is served.
 */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { GatewayProcess, makeDirectory, type Owner } from '../harness.ts';
import { Command } from '../peers/cli.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Origin } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

const PROGRAM = fileURLToPath(new URL('starting-gateway.ts', import.meta.url));
/** More than the acceptor takes in one turn. */
const WAITING = 300;

const file = createFileOwner();
let origin: Origin;

before(async () => {
  origin = await Origin.start(file, { isEcho: true });
});

function configOf(name: string, more = ''): string {
  return `
shards: 2
drain: { readinessDelay: 0s, over: 1h, grace: 0s }
listeners:
  - { name: ${name}, bind: 127.0.0.1:0, cluster: c }
${more}
clusters:
  - { name: c, endpoints: [${origin.address}] }
`;
}

/** A gateway that waits for a signal at the end of its start-up. */
async function hold(owner: Owner, directory: string): Promise<GatewayProcess> {
  const gateway = GatewayProcess.launch(owner, {
    yaml: configOf('front', `  - { name: local, bind: 'unix:${directory}/in.sock', cluster: c }`),
    directory,
    program: PROGRAM,
    env: { HF_TEST_HOLD: '1' },
  });
  await gateway.logged(({ msg }) => msg === 'starting');
  return gateway;
}

test('a signal that ends the start-up leaves no socket file behind', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const directory = makeDirectory(t);
    const gateway = await hold(t, directory);
    assert.ok(existsSync(gateway.socket) && existsSync(`${directory}/in.sock`));
    gateway.signal(signal);
    assert.deepEqual(await gateway.exited, { code: null, signal });
    assert.ok(!existsSync(gateway.socket) && !existsSync(`${directory}/in.sock`), signal);
    assert.ok(!gateway.records.some(({ msg }) => msg === 'ready'));
  }
});

test('SIGHUP during the start-up reloads after it', async (t) => {
  const gateway = await hold(t, makeDirectory(t));
  gateway.signal('SIGHUP');
  const { cause } = await gateway.logged(({ msg }) => msg === 'configuration loaded');
  assert.equal(cause, 'SIGHUP');
});

test('a file that changes during the start-up is loaded', async (t) => {
  const directory = makeDirectory(t);
  const gateway = GatewayProcess.launch(t, {
    yaml: configOf('first'),
    directory,
    program: PROGRAM,
    header: (lines) => {
      writeFileSync(`${directory}/gateway.yaml.next`, lines + configOf('second'));
      return lines;
    },
  });
  await gateway.logged(({ msg }) => msg === 'ready');
  const { result } = await gateway.logged(({ msg }) => msg === 'configuration loaded');
  assert.equal(result, 'applied');
  await (await Wire.connect(t, await gateway.port('second'))).echo('hello');
});

test('a gateway without a file says so on SIGHUP, in one line', async (t) => {
  const directory = makeDirectory(t);
  const args = ['proxy', '--from', '0', '--to', String(origin.port), '--admin', 'off'];
  const command = new Command(t, args, { directory });
  await command.printed(/127\.0\.0\.1:\d+/);
  command.signal('SIGHUP');
  await command.printed(/SIGHUP: there is no file to load again/);
  command.signal('SIGTERM');
  const { code, stderr } = await command.outcome;
  assert.equal(code, 0);
  assert.equal(stderr.match(/there is no file/g)?.length, 1);
  assert.doesNotMatch(stderr, /refused/);
});

test('who waits in the queue of a listening socket when a drain begins is served', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: configOf('front') });
  const port = await gateway.port('front');
  // A stopped process accepts nobody: the kernel connects clients and queues them.
  gateway.signal('SIGSTOP');
  const wires = await Promise.all(Array.from({ length: WAITING }, () => Wire.connect(t, port)));
  for (const wire of wires) {
    wire.send('hello');
  }
  gateway.signal('SIGTERM');
  gateway.signal('SIGCONT');
  for (const wire of wires) {
    assert.equal((await wire.take(5)).toString(), 'hello');
  }
  await gateway.adminUntil('/v1/status', ({ json }) => json.listeners.length === 0);
  await assert.rejects(Wire.connect(t, port), { code: 'ECONNREFUSED' });
});
