/**
 * The life of a gateway: start, forward, reload, drain, end.
 *
 * Path: a real gateway in a process of its own, a real origin, real sockets.
 * Invariant under test: starting is all or nothing, and nothing but a drain, a kill or a peer ends
 * an established connection.
 */
import assert from 'node:assert/strict';
import { existsSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EchoClient, GatewayProcess, makeDirectory, startEcho } from './harness.ts';

/** One listener to one cluster. */
function simple(port: number, more = ''): string {
  return `
shards: 2
drain: { over: 1s, readinessDelay: 200ms, grace: 1s }
listeners:
  - { name: echo, bind: 127.0.0.1:0, cluster: origin }
clusters:
  - { name: origin, endpoints: [127.0.0.1:${port}] }
${more}`;
}

test('bytes flow, and the access record says what happened', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const client = await EchoClient.connect(t, await gateway.port('echo'));
  await client.echo('hello');
  client.socket.end();
  assert.equal(await client.ended, 'fin');
  const record = await gateway.accessed(({ event }) => event === 'close');
  assert.equal(record['listener'], 'echo');
  assert.equal(record['cluster'], 'origin');
  assert.equal(record['endpoint'], `127.0.0.1:${origin.port}`);
  assert.equal(record['bytesFromClient'], 5);
  assert.equal(record['bytesFromEndpoint'], 5);
  assert.equal(record['reason'], 'client-closed');
});

test('the admin socket belongs to its owner alone and goes away at the end', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  assert.equal(statSync(gateway.socket).mode & 0o777, 0o600);
  gateway.signal('SIGTERM');
  assert.deepEqual(await gateway.exited, { code: 0, signal: null });
  assert.equal(existsSync(gateway.socket), false);
});

test('a port in use: one sentence with the remedy, exit code 1, nothing left behind', async (t) => {
  const origin = await startEcho(t);
  const gateway = GatewayProcess.launch(t, {
    yaml: `
listeners:
  - { name: free, bind: 127.0.0.1:0, cluster: origin }
  - { name: taken, bind: 127.0.0.1:${origin.port}, cluster: origin }
clusters:
  - { name: origin, endpoints: [127.0.0.1:1] }
`,
  });
  assert.deepEqual(await gateway.exited, { code: 1, signal: null });
  assert.match(
    gateway.stderr.trimEnd(),
    /^listener "taken" cannot listen on 127\.0\.0\.1:\d+: the port is in use; find its owner with "ss .*$/,
  );
  assert.equal(existsSync(gateway.socket), false);
});

test('a missing network namespace is named', async (t) => {
  const gateway = GatewayProcess.launch(t, {
    yaml: `
listeners:
  - { name: far, bind: 127.0.0.1:0, netns: no-such-place, cluster: origin }
clusters:
  - { name: origin, endpoints: [127.0.0.1:1] }
`,
  });
  assert.equal((await gateway.exited).code, 1);
  assert.match(gateway.stderr, /listener "far" .*"no-such-place".*ip netns add no-such-place/);
});

test('a reload touches no established connection, whatever it removes', async (t) => {
  const old = await startEcho(t, 'old:');
  const fresh = await startEcho(t, 'new:');
  const gateway = await GatewayProcess.start(t, { yaml: simple(old.port) });
  const before = await EchoClient.connect(t, await gateway.port('echo'));
  await before.echo('a', 'old:a');
  gateway.write(`
shards: 2
listeners:
  - { name: other, bind: 127.0.0.1:0, cluster: elsewhere }
clusters:
  - { name: elsewhere, endpoints: [127.0.0.1:${fresh.port}] }
`);
  gateway.signal('SIGHUP');
  const loaded = await gateway.logged(({ msg }) => msg === 'configuration loaded');
  assert.equal(loaded['result'], 'applied');
  assert.equal(loaded['generation'], 2);
  const after = await EchoClient.connect(t, await gateway.port('other'));
  await after.echo('b', 'new:b');
  await before.echo('c', 'old:c');
  const { json } = await gateway.admin('GET', '/v1/connections');
  assert.deepEqual(json.connections.map((each: { listener: string }) => each.listener).toSorted(), [
    'echo',
    'other',
  ]);
});

test('a wrong file changes nothing and says why, to whoever asked', async (t) => {
  const origin = await startEcho(t);
  const taken = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const client = await EchoClient.connect(t, await gateway.port('echo'));
  gateway.write('listeners: [{ nam: x }]');
  const refused = await gateway.admin('POST', '/v1/reload');
  assert.equal(refused.status, 422);
  assert.equal(refused.json.result, 'invalid');
  assert.equal(refused.json.generation, 1);
  assert.ok(refused.json.diagnostics.length > 0);
  gateway.write(
    simple(origin.port).replace(
      'listeners:',
      `listeners:\n  - { name: extra, bind: 127.0.0.1:${taken.port}, cluster: origin }`,
    ),
  );
  const failed = await gateway.admin('POST', '/v1/reload');
  assert.equal(failed.status, 409, failed.text);
  assert.equal(failed.json.result, 'failed');
  assert.match(failed.json.error.message, /listener "extra" cannot listen/);
  await client.echo('still here');
  await (await EchoClient.connect(t, await gateway.port('echo'))).echo('and new ones too');
});

test('a listener keeps its socket, and an address can move to another listener', async (t) => {
  const one = await startEcho(t, '1:');
  const two = await startEcho(t, '2:');
  const gateway = await GatewayProcess.start(t, { yaml: simple(one.port) });
  const port = await gateway.port('echo');
  const client = await EchoClient.connect(t, port);
  await client.echo('a', '1:a');
  gateway.write(
    simple(two.port)
      .replace('127.0.0.1:0', `127.0.0.1:${port}`)
      .replace('name: echo', 'name: moved'),
  );
  const { json } = await gateway.admin('POST', '/v1/reload');
  assert.equal(json.result, 'applied', JSON.stringify(json));
  assert.equal(await gateway.port('moved'), port);
  await (await EchoClient.connect(t, port)).echo('b', '2:b');
  await client.echo('c', '1:c');
});

test('a changed file reloads by itself, through a swapped symbolic link too', async (t) => {
  const origin = await startEcho(t);
  const directory = makeDirectory(t);
  const gateway = await GatewayProcess.start(t, {
    yaml: simple(origin.port),
    watch: true,
    directory,
  });
  gateway.write(simple(origin.port).replace('name: echo', 'name: renamed'));
  await gateway.logged(({ msg, generation }) => msg === 'configuration loaded' && generation === 2);
  const target = join(directory, 'next.yaml');
  writeFileSync(target, gateway.header() + simple(origin.port));
  symlinkSync(target, join(directory, 'link'));
  renameSync(join(directory, 'link'), gateway.file);
  await gateway.logged(({ msg, generation }) => msg === 'configuration loaded' && generation === 3);
  await (await EchoClient.connect(t, await gateway.port('echo'))).echo('hello');
});

test('SIGTERM: readiness fails first, connections close over the window, exit code 0', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, {
    yaml: simple(origin.port).replace('readinessDelay: 200ms', 'readinessDelay: 1s'),
  });
  const port = await gateway.port('echo');
  const clients = await Promise.all(Array.from({ length: 20 }, () => EchoClient.connect(t, port)));
  await Promise.all(clients.map((client) => client.echo('x')));
  assert.equal((await gateway.admin('GET', '/readyz')).status, 200);
  gateway.signal('SIGTERM');
  await gateway.adminUntil('/readyz', ({ status }) => status === 503);
  await Promise.all(clients.map((client) => client.echo('still served')));
  await (await EchoClient.connect(t, port)).echo('and new ones are accepted');
  await Promise.all(clients.map((client) => client.ended));
  assert.deepEqual(await gateway.exited, { code: 0, signal: null });
  await assert.rejects(EchoClient.connect(t, port), { code: 'ECONNREFUSED' });
});

test('a second signal ends at once, with the code of the signal', async (t) => {
  const origin = await startEcho(t);
  const yaml = simple(origin.port).replace('over: 1s', 'over: 1h');
  const gateway = await GatewayProcess.start(t, { yaml });
  await (await EchoClient.connect(t, await gateway.port('echo'))).echo('x');
  gateway.signal('SIGINT');
  await gateway.logged(({ msg }) => msg === 'draining');
  gateway.signal('SIGINT');
  assert.deepEqual(await gateway.exited, { code: 130, signal: null });
});

test('a drain can be taken back', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const client = await EchoClient.connect(t, await gateway.port('echo'));
  await client.echo('x');
  assert.equal((await gateway.admin('POST', '/v1/drain', { overMs: 50 })).status, 202);
  await client.ended;
  await gateway.adminUntil('/v1/status', ({ json }) => json.state === 'drained');
  assert.equal((await gateway.admin('GET', '/readyz')).status, 503);
  assert.equal((await gateway.admin('POST', '/v1/undrain')).status, 200);
  assert.equal((await gateway.admin('GET', '/readyz')).status, 200);
  await (await EchoClient.connect(t, await gateway.port('echo'))).echo('back');
});

test('signals that do no harm', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const client = await EchoClient.connect(t, await gateway.port('echo'));
  for (const signal of ['SIGPIPE', 'SIGXFSZ', 'SIGUSR1', 'SIGHUP', 'SIGHUP'] as const) {
    gateway.signal(signal);
  }
  await gateway.logged(({ msg }) => msg === 'configuration loaded');
  await client.echo('fine');
  assert.equal(gateway.stderr.includes('Debugger'), false);
});

test('forty reloads leave nothing behind', async (t) => {
  const origin = await startEcho(t);
  const other = simple(origin.port).replace(
    'listeners:',
    'listeners:\n  - { name: extra, bind: 127.0.0.1:0, cluster: origin }',
  );
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const client = await EchoClient.connect(t, await gateway.port('echo'));
  const count = async (): Promise<unknown> => {
    const { json } = await gateway.counted('/v1/stats');
    return [json.process.openFds, json.process.threads];
  };
  await gateway.admin('POST', '/v1/reload');
  const before = await count();
  for (let round = 0; round < 20; round++) {
    for (const yaml of [other, simple(origin.port)]) {
      gateway.write(yaml);
      assert.equal((await gateway.admin('POST', '/v1/reload')).json.result, 'applied');
    }
    await client.echo('x');
  }
  assert.deepEqual(await count(), before);
});

test('a log reader that stops costs log lines and nothing else', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const port = await gateway.port('echo');
  const client = await EchoClient.connect(t, port);
  gateway.stopReading();
  // Each request is logged with its path: far more than pipe and buffer hold together.
  const path = `/v1/clusters/${'x'.repeat(8_000)}/endpoints`;
  for (let sent = 0; sent < 400; sent++) {
    await gateway.admin('PATCH', path, {});
  }
  await client.echo('traffic goes on');
  await (await EchoClient.connect(t, port)).echo('and new connections are accepted');
  const { text } = await gateway.counted('/metrics?scope=process');
  const dropped = Number(/^holdfast_log_dropped_total (\d+)$/m.exec(text)?.[1]);
  assert.ok(dropped > 0, `${dropped} records were dropped`);
});
