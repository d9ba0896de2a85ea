/**
 * The end of a process whose log nobody reads any more.
 *
 * Path: a gateway with a full pipe or a closed terminal at its standard error.
 * Invariant under test: whoever reads the log, or stops reading it, can neither stall the gateway
 * nor keep it from ending.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { GatewayProcess, makeDirectory, type Owner } from '../harness.ts';
import { Origin } from '../peers/origin.ts';
import { Terminal } from '../peers/terminal.ts';
import { Wire } from '../peers/wire.ts';

const HOLDFAST = fileURLToPath(new URL('../../../src/main/cli/holdfast.mjs', import.meta.url));

async function start(owner: Owner): Promise<{
  readonly gateway: GatewayProcess;
  readonly port: number;
}> {
  const origin = await Origin.start(owner, { isEcho: true });
  const gateway = await GatewayProcess.start(owner, {
    env: { HF_TEST_FAULTS: '1' },
    yaml: `
shards: 1
drain: { readinessDelay: 0s, over: 0s, grace: 1s }
listeners: [{ name: front, bind: 127.0.0.1:0, limits: { connectionsPerAddress: 100k }, cluster: c }]
clusters: [{ name: c, endpoints: [${origin.address}] }]
`,
  });
  return { gateway, port: await gateway.port('front') };
}

/** Makes the log longer than a pipe and every buffer behind it hold. */
async function flood(gateway: GatewayProcess): Promise<void> {
  const path = `/v1/clusters/${'x'.repeat(8_000)}/endpoints`;
  for (let sent = 0; sent < 50; sent++) {
    await gateway.admin('PATCH', path, {});
  }
}

test('a log reader that stops does not keep the gateway from ending', async (t) => {
  const { gateway, port } = await start(t);
  const wire = await Wire.connect(t, port);
  gateway.stopReading();
  await flood(gateway);
  await wire.echo('traffic goes on');
  gateway.signal('SIGTERM');
  assert.equal(await wire.ended, 'fin');
  wire.finish();
  assert.deepEqual(await gateway.exited, { code: 0, signal: null });
});

test('a fatal record does not wait for its reader', async (t) => {
  const { gateway, port } = await start(t);
  gateway.stopReading();
  await flood(gateway);
  await gateway.admin('POST', '/v1/test/main/fault');
  assert.equal((await gateway.admin('GET', '/livez')).status, 200);
  await (await Wire.connect(t, port)).echo('hello');
});

test('a terminal that closes takes nothing with it, and SIGTERM still ends the gateway', async (t) => {
  const directory = makeDirectory(t);
  const origin = await Origin.start(t, { isEcho: true });
  const path = join(directory, 'front.sock');
  writeFileSync(
    join(directory, 'holdfast.yaml'),
    `
version: 1
drain: { readinessDelay: 0s, over: 0s, grace: 1s }
listeners: [{ name: front, bind: "unix:${path}", cluster: c }]
clusters: [{ name: c, endpoints: [${origin.address}] }]
`,
  );
  const terminal = await Terminal.start(t, [process.execPath, HOLDFAST, 'run'], directory);
  await terminal.whenShown(/ready/);
  const wire = await Wire.connect(t, { path });
  await wire.echo('hello');
  await terminal.close();
  await wire.echo('still here');
  await (await Wire.connect(t, { path })).echo('and new ones');
  process.kill(terminal.pid, 'SIGTERM');
  assert.equal(await wire.ended, 'fin');
  wire.finish();
  await terminal.whenGone();
});
