/**
 * Drains: in which order things end, what is delivered before, and when it is over at the latest.
 *
 * Path: a gateway that is told to leave, by signal, by the admin API and by the command line.
 * Invariant under test: connections end with FIN on both sides, behind every byte that was under
 * way, at moments spread over the window; nobody can hold the process beyond its deadline; a drain
 * that is taken back leaves who is still there in peace.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { GatewayProcess, type Owner } from '../harness.ts';
import { runCommand } from '../peers/cli.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Origin } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

const file = createFileOwner();
let origin: Origin;

before(async () => {
  origin = await Origin.start(file, { isEcho: true });
});

async function start(
  owner: Owner,
  drain: string,
  to: Origin = origin,
): Promise<{ gateway: GatewayProcess; port: number }> {
  const gateway = await GatewayProcess.start(owner, { yaml: configOf(drain, to) });
  return { gateway, port: await gateway.port('front') };
}

function configOf(drain: string, to: Origin = origin): string {
  return `
shards: 2
drain: { ${drain} }
listeners:
  - { name: front, bind: 127.0.0.1:0, cluster: c }
  - { name: brief, bind: 127.0.0.1:0, timeouts: { idle: 2s }, cluster: c }
clusters:
  - { name: c, endpoints: [${to.address}] }
`;
}

function connectMany(owner: Owner, port: number, count: number): Promise<Wire[]> {
  return Promise.all(Array.from({ length: count }, () => Wire.connect(owner, port)));
}

const NOW = 'readinessDelay: 0s, over: 0s, grace: 5s';

test('both sides get FIN, and every byte that was under way', async (t) => {
  const silent = await Origin.start(t);
  const { gateway, port } = await start(t, NOW, silent);
  const wires = await connectMany(t, port, 20);
  const far = await Promise.all(wires.map(() => silent.next()));
  const bulk = Buffer.alloc(256 * 1024, 'x');
  for (const wire of wires) {
    wire.send(bulk);
  }
  for (const wire of far) {
    wire.send(bulk);
  }
  await Promise.all([...wires, ...far].map((wire) => wire.take(bulk.length)));
  gateway.signal('SIGTERM');
  for (const wire of [...wires, ...far]) {
    assert.equal(await wire.ended, 'fin');
    wire.finish();
  }
  assert.deepEqual(await gateway.exited, { code: 0, signal: null });
  const record = await gateway.accessed(({ reason }) => reason === 'drained');
  assert.equal(record['closedBy'], 'gateway');
  assert.equal(record['bytesFromClient'], bulk.length);
  assert.equal(record['bytesFromEndpoint'], bulk.length);
});

test('bytes that wait for a slow reader are delivered before the FIN', async (t) => {
  const silent = await Origin.start(t);
  const { gateway, port } = await start(t, NOW, silent);
  const slow = await Wire.connect(t, port);
  slow.socket.pause();
  const far = await silent.next();
  // More than the kernel's buffers and the gateway's together: the sender is held back.
  const total = 16 * 1024 * 1024;
  const piece = Buffer.alloc(64 * 1024, 'y');
  let sent = 0;
  await new Promise<void>((resolve) => {
    const push = (): void => {
      while (sent < total) {
        sent += piece.length;
        if (!far.socket.write(piece)) {
          // The drain begins when everything is stuck.
          setImmediate(resolve);
          far.socket.once('drain', push);
          return;
        }
      }
    };
    push();
  });
  const { json } = await gateway.adminUntil('/v1/connections', (answer) => {
    const [shown] = answer.json.connections;
    return shown?.pendingBytes > 0;
  });
  const { id } = json.connections[0];
  gateway.signal('SIGTERM');
  await gateway.adminUntil('/v1/connections', (answer) => {
    return answer.json.connections[0]?.state === 'lingering';
  });
  void far.ended.then(() => far.finish());
  slow.socket.resume();
  assert.equal(await slow.ended, 'fin');
  slow.finish();
  const record = await gateway.accessed((each) => each['id'] === id);
  assert.equal(record['reason'], 'drained');
  assert.equal(slow.received.length, record['bytesFromEndpoint']);
  assert.ok(slow.received.every((byte) => byte === 0x79));
  assert.deepEqual(await gateway.exited, { code: 0, signal: null });
});

test('closes are spread over the window', async (t) => {
  const { gateway, port } = await start(t, 'readinessDelay: 0s, over: 1s, grace: 5s');
  const wires = await connectMany(t, port, 60);
  const moments: number[] = [];
  for (const wire of wires) {
    void wire.ended.then(() => {
      moments.push(performance.now());
      wire.finish();
    });
  }
  gateway.signal('SIGTERM');
  assert.deepEqual(await gateway.exited, { code: 0, signal: null });
  await Promise.all(wires.map((wire) => wire.ended));
  const [first = 0] = moments;
  const spread = (moments.at(-1) ?? 0) - first;
  // Sixty random moments of one second that all fall into one half: once in 2^59 runs.
  assert.ok(spread > 500, `${spread} ms from the first close to the last`);
});

test('a client that never ends holds the process until the deadline, and no longer', async (t) => {
  const { gateway, port } = await start(t, 'readinessDelay: 0s, over: 0s, grace: 300ms');
  const stuck = await Wire.connect(t, port);
  await stuck.echo('hello');
  gateway.signal('SIGTERM');
  // It sees the FIN of the drain, answers nothing, and is reset at the end.
  assert.equal(await stuck.ended, 'fin');
  assert.deepEqual(await gateway.exited, { code: 0, signal: null });
  assert.ok(gateway.records.some(({ msg }) => msg.includes('over its deadline')));
});

test('the second signal ends at once, also while readiness is delayed', async (t) => {
  const { gateway, port } = await start(t, 'readinessDelay: 1h, over: 1h, grace: 1h');
  const wire = await Wire.connect(t, port);
  await wire.echo('hello');
  gateway.signal('SIGTERM');
  await gateway.adminUntil('/readyz', ({ status }) => status === 503);
  await wire.echo('still served');
  gateway.signal('SIGTERM');
  assert.deepEqual(await gateway.exited, { code: 143, signal: null });
  assert.equal(await wire.ended, 'ECONNRESET');
});

test('a drain that is taken back half way leaves the others in peace', async (t) => {
  const { gateway, port } = await start(t, 'readinessDelay: 0s, over: 2s, grace: 5s');
  const wires = await connectMany(t, port, 40);
  await Promise.all(wires.map((wire) => wire.echo('before')));
  assert.equal((await gateway.admin('POST', '/v1/drain')).status, 202);
  await Promise.race(wires.map((wire) => wire.ended));
  assert.equal((await gateway.admin('POST', '/v1/undrain')).status, 200);
  const left = wires.filter((wire) => wire.end === null);
  assert.ok(left.length > 0 && left.length < wires.length, `${left.length} are left`);
  // This one's idle timeout comes when the window of the drain is over for certain.
  const witness = await Wire.connect(t, await gateway.port('brief'));
  assert.equal(await witness.ended, 'fin');
  await Promise.all(left.map((wire) => wire.echo('after')));
  assert.equal((await gateway.admin('GET', '/readyz')).status, 200);
  await (await Wire.connect(t, await gateway.port('front'))).echo('new ones too');
});

test('a second drain changes the window of the first', async (t) => {
  const { gateway, port } = await start(t, 'readinessDelay: 0s, over: 1h, grace: 5s');
  const wires = await connectMany(t, port, 10);
  await gateway.admin('POST', '/v1/drain');
  await gateway.adminUntil('/v1/status', (answer) => answer.json.listeners.length === 0);
  await assert.rejects(Wire.connect(t, port), { code: 'ECONNREFUSED' });
  await Promise.all(wires.map((wire) => wire.echo('an hour is long')));
  const { json } = await gateway.admin('POST', '/v1/drain', { overMs: '100ms' });
  assert.equal(json.overMs, 100);
  for (const wire of wires) {
    assert.equal(await wire.ended, 'fin');
    wire.finish();
  }
  await gateway.adminUntil('/v1/status', (answer) => answer.json.state === 'drained');
});

test('a reload during a drain opens nothing; undrain opens what was loaded', async (t) => {
  const { gateway, port } = await start(t, NOW);
  await gateway.admin('POST', '/v1/drain');
  await gateway.adminUntil('/v1/status', ({ json }) => json.state === 'drained');
  gateway.write(configOf(NOW).replace('name: front', 'name: fresh'));
  assert.equal((await gateway.admin('POST', '/v1/reload')).json.result, 'applied');
  assert.deepEqual((await gateway.admin('GET', '/v1/status')).json.listeners, []);
  await assert.rejects(Wire.connect(t, port), { code: 'ECONNREFUSED' });
  assert.equal((await gateway.admin('GET', '/readyz')).status, 503);
  await gateway.admin('POST', '/v1/undrain');
  await (await Wire.connect(t, await gateway.port('fresh'))).echo('hello');
});

test('SIGTERM during a drain skips what is left of the readiness delay', async (t) => {
  const { gateway } = await start(t, 'readinessDelay: 1h, over: 0s, grace: 5s');
  assert.equal((await gateway.admin('POST', '/v1/drain', {})).status, 202);
  gateway.signal('SIGTERM');
  assert.deepEqual(await gateway.exited, { code: 0, signal: null });
});

test('the command line drains, waits, and takes it back', async (t) => {
  const { gateway, port } = await start(t, NOW);
  const wire = await Wire.connect(t, port);
  void wire.ended.then(() => wire.finish());
  const run = (...args: string[]): ReturnType<typeof runCommand> =>
    runCommand(t, [...args, '--admin', gateway.socket], { directory: gateway.directory });
  const drained = await run('drain', '--over', '100ms', '--wait');
  assert.equal(drained.code, 0, drained.stderr);
  assert.match(drained.stdout, /draining 1 connections? over 100ms/);
  assert.match(drained.stdout, /drained: no connections left/);
  assert.equal(await wire.ended, 'fin');
  const back = await run('undrain');
  assert.equal(back.code, 0, back.stderr);
  await (await Wire.connect(t, await gateway.port('front'))).echo('hello');
});
