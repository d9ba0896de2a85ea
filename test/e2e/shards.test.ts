/**
 * Shards that die or stall: what is lost, what is not, and what is said about it.
 *
 * Path: faults go in through the test-only route of the admin API (HF_TEST_FAULTS=1).
 * Invariant under test: a shard's end takes its own connections and nothing else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EchoClient, GatewayProcess, type Owner, startEcho } from './harness.ts';

interface Crowd {
  readonly gateway: GatewayProcess;
  readonly port: number;
  /** Clients by the shard that has them. */
  readonly byShard: readonly (readonly EchoClient[])[];
}

/** A gateway with two shards and clients on both. */
async function startCrowd(owner: Owner): Promise<Crowd> {
  const origin = await startEcho(owner);
  const gateway = await GatewayProcess.start(owner, {
    env: { HF_TEST_FAULTS: '1' },
    yaml: `
shards: 2
drain: { over: 0s, readinessDelay: 0s, grace: 1s }
listeners:
  - { name: echo, bind: 127.0.0.1:0, cluster: origin }
clusters:
  - { name: origin, endpoints: [127.0.0.1:${origin.port}] }
`,
  });
  const port = await gateway.port('echo');
  const byShard: EchoClient[][] = [[], []];
  const known = new Set<string>();
  for (let count = 0; count < 10; count++) {
    const client = await EchoClient.connect(owner, port);
    await client.echo('x');
    const { json } = await gateway.admin('GET', '/v1/connections');
    for (const { id } of json.connections) {
      if (!known.has(id)) {
        known.add(id);
        byShard[Number.parseInt(id, 16)]?.push(client);
      }
    }
  }
  return { gateway, port, byShard };
}

for (const kind of ['throw', 'exit', 'exhaust-heap'] as const) {
  test(`a shard that ends by "${kind}" loses its own connections only`, async (t) => {
    const { gateway, port, byShard } = await startCrowd(t);
    const [lost = [], kept = []] = byShard;
    assert.equal(lost.length, 5);
    assert.equal(kept.length, 5);
    await gateway.admin('POST', '/v1/test/shards/0/fault', { kind });
    await Promise.all(lost.map((client) => client.ended));
    await Promise.all(kept.map((client) => client.echo('unharmed')));
    const death = await gateway.logged(({ msg }) => msg.startsWith('a shard died'));
    assert.equal(death['shard'], 0);
    assert.equal(death['connectionsLost'], 5);
    await gateway.logged(({ msg }) => msg === 'shard restarted');
    const { json } = await gateway.admin('GET', '/v1/shards');
    assert.equal(json.shards[0].state, 'ready');
    assert.equal(json.shards[0].restarts, 1);
    assert.equal(json.shards[0].connections, 0);
    // The next connections go to the empty shard, and it serves them.
    const clients = await Promise.all(Array.from({ length: 5 }, () => EchoClient.connect(t, port)));
    await Promise.all(clients.map((client) => client.echo('from the successor')));
    const after = await gateway.admin('GET', '/v1/shards');
    assert.equal(after.json.shards[0].connections, 5);
    const { text } = await gateway.admin('GET', '/metrics?scope=shard');
    assert.match(text, /holdfast_shard_restarts_total\{shard="0"\} 1/);
    await Promise.all(kept.map((client) => client.echo('still')));
  });
}

test('a shard restarted after a reload has the new configuration', async (t) => {
  const { gateway, byShard } = await startCrowd(t);
  const fresh = await startEcho(t, 'fresh:');
  gateway.write(`
shards: 2
listeners:
  - { name: other, bind: 127.0.0.1:0, cluster: elsewhere }
clusters:
  - { name: elsewhere, endpoints: [127.0.0.1:${fresh.port}] }
`);
  assert.equal((await gateway.admin('POST', '/v1/reload')).json.result, 'applied');
  await gateway.admin('POST', '/v1/test/shards/1/fault', { kind: 'throw' });
  await gateway.logged(({ msg }) => msg === 'shard restarted');
  const port = await gateway.port('other');
  const clients = await Promise.all(Array.from({ length: 6 }, () => EchoClient.connect(t, port)));
  await Promise.all(clients.map((client) => client.echo('a', 'fresh:a')));
  await Promise.all((byShard[0] ?? []).map((client) => client.echo('old ones live')));
});

test('a shard that dies again and again is restarted later and later', async (t) => {
  const { gateway } = await startCrowd(t);
  const delays: unknown[] = [];
  for (let death = 0; death < 3; death++) {
    const from = gateway.records.length;
    await gateway.admin('POST', '/v1/test/shards/0/fault', { kind: 'throw' });
    const record = await gateway.logged(({ msg }) => msg.startsWith('a shard died'), from);
    delays.push(record['restartInMs']);
    await gateway.logged(({ msg }) => msg === 'shard restarted', from);
  }
  assert.deepEqual(delays, [100, 200, 400]);
});

test('a stall is logged with what the shard was doing, and counted; traffic elsewhere flows', async (t) => {
  const { gateway, port, byShard } = await startCrowd(t);
  await gateway.admin('POST', '/v1/test/shards/0/fault', { kind: 'stall', forMs: 4_000 });
  const first = await gateway.logged(({ msg }) => msg === 'a shard stalls');
  assert.equal(first['shard'], 0);
  assert.equal(first['doing'], 'JavaScript');
  await Promise.all((byShard[1] ?? []).map((client) => client.echo('unharmed')));
  await gateway.logged(({ msg }) => msg === 'a shard stalls for more than a second');
  // Both shards have five; new ones go to the one that moves.
  const fresh = await Promise.all(Array.from({ length: 4 }, () => EchoClient.connect(t, port)));
  await Promise.all(fresh.map((client) => client.echo('served at once')));
  assert.equal((await gateway.admin('GET', '/v1/shards')).json.shards[0].isStalled, true);
  const end = await gateway.logged(({ msg }) => msg === 'a shard goes on after a stall');
  assert.ok(Number(end['forMs']) > 1_000);
  await Promise.all((byShard[0] ?? []).map((client) => client.echo('later, but complete')));
  assert.equal((await gateway.admin('GET', '/v1/shards')).json.shards[0].isStalled, false);
  const { text } = await gateway.admin('GET', '/metrics?scope=shard');
  assert.match(text, /holdfast_shard_stalls_total\{shard="0"\} 1/);
});

test('an error that nobody caught on the main thread is told and survived', async (t) => {
  const { gateway, port, byShard } = await startCrowd(t);
  await gateway.admin('POST', '/v1/test/main/fault');
  await gateway.logged(({ level }) => level === 'fatal');
  await Promise.all(byShard.flat().map((client) => client.echo('unharmed')));
  await (await EchoClient.connect(t, port)).echo('and new ones are accepted');
});

test('without HF_TEST_FAULTS there is no way to break a shard', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, {
    yaml: `
listeners:
  - { name: echo, bind: 127.0.0.1:0, cluster: origin }
clusters:
  - { name: origin, endpoints: [127.0.0.1:${origin.port}] }
`,
  });
  const answer = await gateway.admin('POST', '/v1/test/shards/0/fault', { kind: 'throw' });
  assert.equal(answer.status, 404);
});
