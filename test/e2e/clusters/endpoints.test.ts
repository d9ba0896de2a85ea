/**
 * Endpoints that an operator changes at run time, and what that does to connections.
 *
 * Path: `PATCH /v1/clusters/{name}/endpoints` while clients are connected and others come.
 * Invariant under test: a change decides where new connections go and touches no other; a patch is
 * applied whole or refused with what is wrong; a loaded configuration takes run-time changes back.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Answer, GatewayProcess, type Owner } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { type Origin, startNamed } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

const PATH = '/v1/clusters/c/endpoints';

const file = createFileOwner();
let a: Origin;
let b: Origin;

before(async () => {
  [a, b] = (await startNamed(file, 2)) as [Origin, Origin];
});

interface Rig {
  readonly gateway: GatewayProcess;
  readonly port: number;
  readonly patch: (body: unknown) => Promise<Answer>;
}

async function start(owner: Owner, endpoints: string): Promise<Rig> {
  const gateway = await GatewayProcess.start(owner, {
    yaml: `
shards: 2
listeners: [{ name: front, bind: 127.0.0.1:0, limits: { connectionsPerAddress: 5k }, cluster: c }]
clusters: [{ name: c, balance: round-robin, endpoints: [${endpoints}] }]
`,
  });
  return {
    gateway,
    port: await gateway.port('front'),
    patch: (body) => gateway.admin('PATCH', PATH, body),
  };
}

async function reach(owner: Owner, port: number): Promise<{ wire: Wire; name: string }> {
  const wire = await Wire.connect(owner, port);
  return { wire, name: await wire.line() };
}

/** Which endpoints serve the next connections. */
async function serving(owner: Owner, port: number): Promise<string> {
  const found = new Set<string>();
  for (let index = 0; index < 8; index++) {
    const { wire, name } = await reach(owner, port);
    found.add(name);
    wire.finish();
  }
  return [...found].toSorted().join('');
}

test('added, drained, removed: new connections follow, established ones stay', async (t) => {
  const { gateway, port, patch } = await start(t, a.address);
  const first = await reach(t, port);
  assert.equal(first.name, 'a');
  const added = await patch({ add: [{ address: b.address, weight: 3 }] });
  assert.deepEqual(added.json.changes, [`endpoint ${b.address} added`]);
  assert.equal(await serving(t, port), 'ab');
  let second = await reach(t, port);
  while (second.name !== 'b') {
    second = await reach(t, port);
  }
  await patch({ set: [{ address: b.address, drain: true }] });
  assert.equal(await serving(t, port), 'a');
  const { json } = await gateway.counted('/v1/clusters/c');
  assert.deepEqual(
    json.endpoints.map((each: { state: string }) => each.state),
    ['healthy', 'draining'],
  );
  await patch({ set: [{ address: b.address, drain: false }] });
  assert.equal(await serving(t, port), 'ab');
  await patch({ remove: [a.address] });
  assert.equal(await serving(t, port), 'b');
  await patch({ remove: [b.address] });
  await first.wire.echo('on a');
  await second.wire.echo('on b');
  const nobody = Wire.open(t, port);
  assert.equal(await nobody.ended, 'ECONNRESET');
  await gateway.accessed(({ reason }) => reason === 'no-endpoint');
  // Both connections are shown with the endpoint they are on, although the cluster has none now.
  const shown = await gateway.admin('GET', '/v1/connections?sort=age');
  const places = shown.json.connections.map((each: { endpoint: string }) => each.endpoint);
  assert.ok(places.includes(a.address) && places.includes(b.address), String(places));
  first.wire.finish();
  assert.equal(await first.wire.ended, 'fin');
  assert.equal((await gateway.counted('/v1/clusters/c')).json.endpoints.length, 0);
});

test('a weight and a limit that are set count from then on', async (t) => {
  const { gateway, port, patch } = await start(t, `${a.address}, ${b.address}`);
  await patch({ set: [{ address: a.address, connections: 1 }] });
  const held = await Promise.all(Array.from({ length: 6 }, () => reach(t, port)));
  assert.equal(held.filter(({ name }) => name === 'a').length, 1);
  await patch({ set: [{ address: a.address, connections: 0, weight: 200 }] });
  const { json } = await gateway.counted('/v1/clusters/c');
  assert.equal(json.endpoints[0].weight, 200);
  assert.equal(json.endpoints[0].connectionsMax, 0);
  assert.equal(await serving(t, port), 'a');
});

test('a patch is applied whole or not at all', async (t) => {
  const { port, patch } = await start(t, a.address);
  const good = { add: [{ address: b.address }] };
  for (const [body, wanted] of [
    [{ ...good, remove: ['127.0.0.1:1'] }, /"remove" names "127\.0\.0\.1:1", which is not there/],
    [{ add: [{ address: a.address }] }, /is there already/],
    [{ add: [{ address: 'localhost:80' }] }, /is no address/],
    [{ add: [{ address: b.address, weight: 0 }] }, /"weight" is a whole number from 1 to 256/],
    [{ add: [{ address: b.address, weigth: 1 }] }, /has no field "weigth"/],
    [{ ...good, set: [{ address: '127.0.0.1:1', weight: 2 }] }, /which is not there/],
    [{ set: [{ address: a.address, drain: 'yes' }] }, /"drain" is true or false/],
    [{ add: {} }, /are lists/],
    [[], /holds objects with/],
  ] as const) {
    const { status, json } = await patch(body);
    assert.equal(status, 400, JSON.stringify(body));
    assert.match(json.error.message, wanted);
    assert.equal(await serving(t, port), 'a');
  }
});

test('a cluster that does not exist', async (t) => {
  const { gateway } = await start(t, a.address);
  const { status, json } = await gateway.admin('PATCH', '/v1/clusters/no/endpoints', {});
  assert.equal(status, 404);
  assert.match(json.error.message, /no cluster "no"/);
});

test('loading the configuration takes run-time changes back', async (t) => {
  const { gateway, port, patch } = await start(t, a.address);
  await patch({ add: [{ address: b.address }], remove: [a.address] });
  assert.equal(await serving(t, port), 'b');
  const status = await gateway.admin('GET', '/v1/status');
  assert.equal(status.json.clusters[0].isPatched, true);
  const { json } = await gateway.admin('POST', '/v1/reload');
  assert.equal(json.result, 'applied');
  assert.match(json.changes.join(), /run-time endpoint changes dropped: c/);
  assert.equal(await serving(t, port), 'a');
});

test('endpoints change a hundred times under traffic: nobody is refused, nobody is cut', async (t) => {
  const { port, patch, gateway } = await start(t, `${a.address}, ${b.address}`);
  const held = await Promise.all(Array.from({ length: 20 }, () => reach(t, port)));
  const over = new AbortController();
  const traffic = held.map(async ({ wire }) => {
    let rounds = 0;
    while (!over.signal.aborted) {
      await wire.echo(`round ${rounds}`);
      rounds++;
    }
    return rounds;
  });
  const arrivals = (async () => {
    let count = 0;
    while (!over.signal.aborted) {
      const { wire } = await reach(t, port);
      wire.finish();
      await wire.ended;
      count++;
    }
    return count;
  })();
  try {
    for (let round = 0; round < 50; round++) {
      assert.equal((await patch({ remove: [a.address] })).status, 200);
      assert.equal((await patch({ add: [{ address: a.address }] })).status, 200);
    }
  } finally {
    over.abort();
  }
  assert.ok((await Promise.all(traffic)).every((rounds) => rounds > 0));
  assert.ok((await arrivals) > 0);
  const { json } = await gateway.counted('/v1/stats');
  const [front] = json.listeners;
  const abnormal = Object.entries(front.closed).filter(
    ([reason, count]) => reason !== 'client-closed' && count !== 0,
  );
  assert.deepEqual(abnormal, []);
});
