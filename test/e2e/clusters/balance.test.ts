/**
 * Where new connections go: every balancer, with weights and limits, as clients see it.
 *
 * Path: clients that read the name of the endpoint they reached.
 * Invariant under test: each balancer keeps its promise; a hash balancer keeps a client address on
 * its endpoint, moves few clients when endpoints change, and returns to the same places.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GatewayProcess, type Owner } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { type Origin, startNamed } from '../peers/origin.ts';
import { v2 } from '../peers/proxy-header.ts';
import { Wire, type WireTarget } from '../peers/wire.ts';

const BALANCERS = [
  'round-robin',
  'random',
  'least-connections',
  'least-request',
  'maglev',
  'ring-hash',
] as const;

const file = createFileOwner();
let origins: Origin[];
let one: GatewayProcess;
let two: GatewayProcess;

/** A listener and a cluster of one name. */
function pair(name: string, cluster: string, listener = ''): [string, string] {
  return [
    `  - { name: ${name}, bind: 127.0.0.1:0, cluster: ${name}, ${listener} limits: { connectionsPerAddress: unlimited } }\n`,
    `  - { name: ${name}, ${cluster} }\n`,
  ];
}

function yaml(shards: number, pairs: readonly (readonly [string, string])[]): string {
  const listeners = pairs.map(([listener]) => listener).join('');
  const clusters = pairs.map(([, cluster]) => cluster).join('');
  return `shards: ${shards}\nlisteners:\n${listeners}clusters:\n${clusters}`;
}

/** `[a, b]`, or with `more` added to each endpoint. */
function endpoints(count: number, more: (index: number) => string = () => ''): string {
  const items = origins.slice(0, count).map(({ address }, index) => {
    return `{ address: ${address}${more(index)} }`;
  });
  return `endpoints: [${items.join(', ')}]`;
}

before(async () => {
  origins = await startNamed(file, 3);
  const heavier = (index: number): string => `, weight: ${index + 1}`;
  // Exact sequences need one shard; what must hold across shards has two.
  one = await GatewayProcess.start(file, {
    yaml: yaml(1, [
      pair('rotating', `balance: round-robin, ${endpoints(3)}`),
      pair('weighted', `balance: weighted, ${endpoints(3, heavier)}`),
      pair('random', `balance: random, ${endpoints(3)}`),
      pair('random-weighted', `balance: random, ${endpoints(2, heavier)}`),
      pair('least', `balance: least-connections, ${endpoints(3)}`),
      pair('least-weighted', `balance: least-connections, ${endpoints(2, heavier)}`),
      pair('two-choices', `balance: least-request, ${endpoints(3)}`),
      pair('two-of-two', `balance: least-request, ${endpoints(2)}`),
    ]),
  });
  two = await GatewayProcess.start(file, {
    yaml: yaml(2, [
      pair('maglev', `balance: maglev, ${endpoints(3)}`),
      pair('ring-hash', `balance: ring-hash, ${endpoints(3)}`),
      pair('least', `balance: least-connections, ${endpoints(3)}`),
      pair('behind', `balance: maglev, ${endpoints(3)}`, 'proxyProtocol: { accept: [127.0.0.1] },'),
      ...BALANCERS.map((balance) =>
        pair(`capped-${balance}`, `balance: ${balance}, ${endpoints(2, () => ', connections: 3')}`),
      ),
    ]),
  });
});

/** Connects and reads which endpoint it is. */
async function reach(owner: Owner, to: WireTarget): Promise<{ wire: Wire; name: string }> {
  const wire = await Wire.connect(owner, to);
  return { wire, name: await wire.line() };
}

/** Connects one after the other; the connections stay open. */
async function reachMany(owner: Owner, port: number, count: number): Promise<string[]> {
  const names: string[] = [];
  for (let index = 0; index < count; index++) {
    names.push((await reach(owner, { port })).name);
  }
  return names;
}

function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (const name of names) {
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

function between(value: number | undefined, low: number, high: number): void {
  assert.ok(value !== undefined && value >= low && value <= high, `${value}: ${low} to ${high}`);
}

test('round-robin goes round', async (t) => {
  const names = await reachMany(t, await one.port('rotating'), 9);
  const [first = '', second = '', third = ''] = names;
  assert.deepEqual([first, second, third].toSorted(), ['a', 'b', 'c']);
  assert.deepEqual(names, [first, second, third, first, second, third, first, second, third]);
});

test('weights: exact shares, without bursts', async (t) => {
  const names = await reachMany(t, await one.port('weighted'), 24);
  assert.deepEqual(tally(names), { a: 4, b: 8, c: 12 });
  assert.doesNotMatch(names.join(''), /ccc|bb|aa/);
});

test('random is roughly even, and follows weights', async (t) => {
  const even = tally(await reachMany(t, await one.port('random'), 300));
  // Beyond five standard deviations: once in a million runs.
  for (const name of ['a', 'b', 'c']) {
    between(even[name], 58, 142);
  }
  const weighted = tally(await reachMany(t, await one.port('random-weighted'), 300));
  between(weighted['a'], 58, 142);
  assert.equal(weighted['c'], 0);
});

test('least-connections fills evenly, and again where connections ended', async (t) => {
  const port = await one.port('least');
  const held: { wire: Wire; name: string }[] = [];
  for (let index = 0; index < 9; index++) {
    held.push(await reach(t, { port }));
  }
  assert.deepEqual(tally(held.map(({ name }) => name)), { a: 3, b: 3, c: 3 });
  for (const { wire } of held.filter(({ name }) => name === 'b')) {
    wire.finish();
    await wire.ended;
  }
  await whenActive(one, 'least', [3, 0, 3]);
  assert.deepEqual(await reachMany(t, port, 3), ['b', 'b', 'b']);
  const weighted = tally(await reachMany(t, await one.port('least-weighted'), 9));
  assert.deepEqual(weighted, { a: 3, b: 6, c: 0 });
});

test('least-connections counts across shards', async (t) => {
  const names = await reachMany(t, await two.port('least'), 30);
  assert.deepEqual(tally(names), { a: 10, b: 10, c: 10 });
});

test('least-request compares two at random', async (t) => {
  const names = tally(await reachMany(t, await one.port('two-choices'), 90));
  for (const name of ['a', 'b', 'c']) {
    between(names[name], 22, 38);
  }
  assert.deepEqual(tally(await reachMany(t, await one.port('two-of-two'), 20)), {
    a: 10,
    b: 10,
    c: 0,
  });
});

/** Where each of 90 client addresses arrives. */
async function placeClients(owner: Owner, port: number): Promise<Map<string, string>> {
  const places = new Map<string, string>();
  await Promise.all(
    Array.from({ length: 90 }, async (_, index) => {
      const localAddress = `127.0.1.${index + 1}`;
      const { wire, name } = await reach(owner, { port, localAddress });
      places.set(localAddress, name);
      wire.finish();
      await wire.ended;
    }),
  );
  return places;
}

function countMoved(
  former: ReadonlyMap<string, string>,
  now: ReadonlyMap<string, string>,
  from: readonly string[],
): number {
  return [...former].filter(([client, name]) => from.includes(name) && now.get(client) !== name)
    .length;
}

for (const [balance, movedMax] of [
  // A ring moves nobody but the clients of the endpoint that left; Maglev's table moves a few more.
  ['ring-hash', 0],
  ['maglev', 18],
] as const) {
  test(`${balance} keeps addresses in place, and moves few when endpoints change`, async (t) => {
    const port = await two.port(balance);
    const former = await placeClients(t, port);
    const shares = tally([...former.values()]);
    for (const name of ['a', 'b', 'c']) {
      between(shares[name], 5, 80);
    }
    assert.deepEqual(await placeClients(t, port), former);
    const path = `/v1/clusters/${balance}/endpoints`;
    const left = origins[1]?.address ?? '';
    assert.equal((await two.admin('PATCH', path, { remove: [left] })).status, 200);
    const without = await placeClients(t, port);
    assert.equal([...without.values()].includes('b'), false);
    between(countMoved(former, without, ['a', 'c']), 0, movedMax);
    // Back again, and now last in the list: the places do not depend on the order.
    assert.equal((await two.admin('PATCH', path, { add: [{ address: left }] })).status, 200);
    assert.deepEqual(await placeClients(t, port), former);
  });
}

test('the address that a PROXY header names is what is hashed', async (t) => {
  const port = await two.port('behind');
  const places = new Map<string, Set<string>>();
  for (let index = 0; index < 60; index++) {
    const client = `192.0.2.${1 + (index % 20)}`;
    const wire = await Wire.connect(t, port);
    wire.send(v2(`${client}:${1000 + index}`, '198.51.100.1:443'));
    const name = await wire.line();
    places.set(client, (places.get(client) ?? new Set()).add(name));
  }
  assert.ok([...places.values()].every((names) => names.size === 1));
  assert.ok(new Set([...places.values()].flatMap((names) => [...names])).size > 1);
});

for (const balance of BALANCERS) {
  test(`${balance}: an endpoint never has more than its connections`, async (t) => {
    const listener = `capped-${balance}`;
    const port = await two.port(listener);
    const wires = Array.from({ length: 20 }, () => Wire.open(t, port));
    const outcomes = await Promise.all(
      wires.map((wire) =>
        wire.line().then(
          () => 'served',
          () => wire.end,
        ),
      ),
    );
    assert.equal(outcomes.filter((outcome) => outcome === 'served').length, 6);
    assert.equal(outcomes.filter((outcome) => outcome === 'ECONNRESET').length, 14);
    const { json } = await two.counted(`/v1/clusters/${listener}`);
    const counters = json.endpoints.map((each: Endpoint) => each.counters);
    assert.deepEqual(
      counters.map((each: Endpoint['counters']) => each.active),
      [3, 3],
    );
    assert.ok(counters.some((each: Endpoint['counters']) => each.limitHits > 0));
    await two.adminUntil('/v1/stats', ({ json: { listeners } }) => {
      const row = listeners.find((each: { name: string }) => each.name === listener);
      return row.closed['endpoint-limit'] === 14;
    });
    // A place that was given back is taken again.
    const leaving = wires[outcomes.indexOf('served')];
    leaving?.finish();
    await leaving?.ended;
    await two.adminUntil(`/v1/clusters/${listener}`, ({ json: { endpoints: now } }) => {
      return now.reduce((sum: number, each: Endpoint) => sum + each.connections, 0) === 5;
    });
    await reach(t, { port });
  });
}

interface Endpoint {
  readonly connections: number;
  readonly counters: { readonly active: number; readonly limitHits: number };
}

/** Waits until the endpoints of a cluster have these numbers of connections. */
async function whenActive(
  gateway: GatewayProcess,
  cluster: string,
  wanted: readonly number[],
): Promise<void> {
  await gateway.adminUntil(`/v1/clusters/${cluster}`, ({ json }) => {
    return json.endpoints.every(
      (each: Endpoint, index: number) => each.connections === wanted[index],
    );
  });
}

after(async () => {
  await Promise.all(origins.map((origin) => origin.close()));
});
