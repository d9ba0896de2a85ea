/**
 * What the process still knows after a shard died: every count, every limit, every descriptor.
 *
 * Path: a shard is broken through the test-only route of the admin API while clients come and go.
 * Invariant under test: a dead shard's connections end with RST and never as if all were well; they
 * are given back to every limit they counted for; descriptors do not leak.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { GatewayProcess, type Owner } from '../harness.ts';
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
  shards: number,
  listener: string,
): Promise<{ gateway: GatewayProcess; port: number }> {
  const gateway = await GatewayProcess.start(owner, {
    env: { HF_TEST_FAULTS: '1' },
    yaml: `
shards: ${shards}
listeners: [{ name: front, bind: 127.0.0.1:0, ${listener} cluster: c }]
clusters: [{ name: c, endpoints: [${origin.address}] }]
`,
  });
  return { gateway, port: await gateway.port('front') };
}

/** Breaks a shard and waits until its successor takes part. */
async function breakShard(gateway: GatewayProcess, shard: number, kind: string): Promise<void> {
  const from = gateway.records.length;
  await gateway.admin('POST', `/v1/test/shards/${shard}/fault`, { kind });
  await gateway.logged(({ msg }) => msg === 'shard restarted', from);
}

interface Numbers {
  readonly openFds: number;
  readonly connections: number;
  readonly listener: Readonly<Record<string, number>>;
  readonly closed: Readonly<Record<string, number>>;
  readonly active: number;
}

async function numbers(gateway: GatewayProcess): Promise<Numbers> {
  const { json } = await gateway.counted('/v1/stats');
  const [front] = json.listeners;
  const [endpoint] = json.endpoints;
  return {
    openFds: json.process.openFds,
    connections: json.process.connections,
    listener: front.counters,
    closed: front.closed,
    active: endpoint.counters.active,
  };
}

for (const kind of ['throw', 'exit', 'exhaust-heap'] as const) {
  test(`"${kind}": every place comes back, with RST and a record each`, async (t) => {
    const { gateway, port } = await start(
      t,
      1,
      'limits: { connections: 12, connectionsPerAddress: 12 },',
    );
    const former = await numbers(gateway);
    for (let round = 1; round <= 2; round++) {
      // As many as there may be: one place that was lost would be missed in the next round.
      const wires = await Promise.all(Array.from({ length: 12 }, () => Wire.connect(t, port)));
      await Promise.all(wires.map((wire) => wire.echo('hello')));
      assert.equal((await numbers(gateway)).active, 12);
      await breakShard(gateway, 0, kind);
      for (const wire of wires) {
        assert.equal(await wire.ended, 'ECONNRESET');
      }
      const now = await numbers(gateway);
      assert.equal(now.connections, 0);
      assert.equal(now.active, 0);
      assert.equal(now.closed['shard-stopped'], 12 * round);
      assert.equal(now.listener['opened'], now.listener['closed']);
    }
    const record = await gateway.accessed(({ reason }) => reason === 'shard-stopped');
    assert.equal(record['closedBy'], 'gateway');
    await gateway.adminUntil('/v1/stats', ({ json }) => json.process.openFds <= former.openFds);
  });
}

test('clients that arrive while shards die are served or reset, and none is forgotten', async (t) => {
  const { gateway, port } = await start(t, 2, 'limits: { connectionsPerAddress: unlimited },');
  const former = await numbers(gateway);
  const over = new AbortController();
  const ends = { served: 0, reset: 0, other: [] as string[] };
  const come = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const wire = Wire.open(t, port);
      try {
        await wire.echo('hello');
        wire.finish();
        const how = await wire.ended;
        if (how === 'fin') {
          ends.served++;
        } else {
          ends.reset++;
        }
      } catch {
        const how = await wire.ended;
        if (how === 'ECONNRESET') {
          ends.reset++;
        } else {
          ends.other.push(how);
        }
      }
    }
  };
  const clients = Array.from({ length: 16 }, come);
  try {
    for (let death = 0; death < 6; death++) {
      await breakShard(gateway, death % 2, death % 3 === 0 ? 'exit' : 'throw');
    }
  } finally {
    over.abort();
  }
  await Promise.all(clients);
  assert.deepEqual(
    ends.other,
    [],
    'a connection that died with its shard ended as if it were well',
  );
  assert.ok(ends.served > 0);
  await gateway.adminUntil('/v1/status', ({ json }) => json.connections === 0);
  const now = await numbers(gateway);
  assert.equal(now.active, 0);
  assert.equal(now.listener['opened'], now.listener['closed']);
  await gateway.adminUntil('/v1/stats', ({ json }) => json.process.openFds <= former.openFds);
});

test('without any shard clients are refused and counted, and readiness says so', async (t) => {
  const { gateway, port } = await start(t, 1, '');
  // Each death in a row doubles the pause, so that there is time to look: 1.6 s in the end.
  for (let death = 0; death < 4; death++) {
    await breakShard(gateway, 0, 'throw');
  }
  await gateway.admin('POST', '/v1/test/shards/0/fault', { kind: 'throw' });
  await gateway.adminUntil('/readyz', ({ status, json }) => {
    return status === 503 && json.reason === 'no shard is ready';
  });
  assert.equal((await gateway.admin('GET', '/livez')).status, 200);
  const wire = Wire.open(t, port);
  assert.equal(await wire.ended, 'ECONNRESET');
  await gateway.adminUntil('/v1/stats', ({ json }) => {
    return json.listeners[0].refused['no-shard'] === 1;
  });
  await gateway.adminUntil('/readyz', ({ status }) => status === 200);
  await (await Wire.connect(t, port)).echo('back');
});

test('a shard that dies during a drain does not hold it up', async (t) => {
  const { gateway, port } = await start(t, 2, '');
  const wires = await Promise.all(Array.from({ length: 8 }, () => Wire.connect(t, port)));
  await Promise.all(wires.map((wire) => wire.echo('hello')));
  await gateway.admin('POST', '/v1/drain', { overMs: '1h' });
  gateway.signal('SIGHUP');
  await breakShard(gateway, 0, 'throw');
  const left = wires.filter((wire) => wire.end === null);
  assert.equal(left.length, 4);
  for (const wire of left) {
    void wire.ended.then(() => wire.finish());
  }
  await gateway.admin('POST', '/v1/drain', { overMs: 0 });
  await gateway.adminUntil('/v1/status', ({ json }) => json.state === 'drained');
  assert.equal((await gateway.admin('GET', '/v1/status')).json.connections, 0);
});
