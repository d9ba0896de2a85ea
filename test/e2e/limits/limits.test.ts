/**
 * Limits on connections: what a client beyond one sees, what is counted, and when there is room
 * again.
 *
 * Path: more clients than a listener, an address or the process may have.
 * Invariant under test: a limit is exact under concurrency, refuses with RST, is counted under its
 * own name, gives its places back at close, and touches nobody who is already served.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Answer, GatewayProcess, makeDirectory, type Owner } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Origin } from '../peers/origin.ts';
import { v1 } from '../peers/proxy-header.ts';
import { Wire, type WireTarget } from '../peers/wire.ts';

const file = createFileOwner();
let origin: Origin;

before(async () => {
  origin = await Origin.start(file, { isEcho: true, name: 'origin' });
});

/** Starts a gateway with these listeners, each a flow map without its braces. */
function start(owner: Owner, listeners: readonly string[], more = ''): Promise<GatewayProcess> {
  return GatewayProcess.start(owner, { yaml: configOf(listeners, more) });
}

function configOf(listeners: readonly string[], more = ''): string {
  const items = listeners.map((each) => `  - { ${each}, cluster: origin }\n`).join('');
  return `
shards: 2
${more}
listeners:
${items}
clusters: [{ name: origin, endpoints: [${origin.address}] }]
`;
}

interface Crowd {
  readonly served: readonly Wire[];
  readonly refused: readonly string[];
}

/** Connects all at once; each says hello, and is served or sees how it ends. */
async function crowd(owner: Owner, targets: readonly WireTarget[]): Promise<Crowd> {
  const outcomes = await Promise.all(
    targets.map(async (target) => {
      const wire = Wire.open(owner, target);
      wire.send('hello');
      try {
        await wire.line();
        await wire.take(5);
        return wire;
      } catch {
        return wire.ended;
      }
    }),
  );
  return {
    served: outcomes.filter((outcome) => outcome instanceof Wire),
    refused: outcomes.filter((outcome) => typeof outcome === 'string'),
  };
}

function times<Item>(count: number, item: (index: number) => Item): Item[] {
  return Array.from({ length: count }, (_, index) => item(index));
}

interface Counts {
  readonly refused: Readonly<Record<string, number>>;
  readonly closed: Readonly<Record<string, number>>;
  readonly counters: Readonly<Record<string, number>>;
  readonly connections: number;
}

/** Counts of a listener, once they are as wanted: a client sees its RST before the count moves. */
async function counted(
  gateway: GatewayProcess,
  listener: string,
  isThere: (counts: Counts) => boolean,
): Promise<Counts> {
  const rowOf = ({ json }: Answer): Counts =>
    json.listeners.find((each: { name: string }) => each.name === listener);
  return rowOf(await gateway.adminUntil('/v1/stats', (answer) => isThere(rowOf(answer))));
}

async function leave(gateway: GatewayProcess, wire: Wire | undefined): Promise<void> {
  const { json } = await gateway.admin('GET', '/v1/status');
  wire?.finish();
  await wire?.ended;
  await gateway.adminUntil('/v1/status', (now) => now.json.connections < json.connections);
}

test('connections of a listener', async (t) => {
  const gateway = await start(t, [
    'name: small, bind: 127.0.0.1:0, limits: { connections: 10 }',
    'name: other, bind: 127.0.0.1:0',
  ]);
  const port = await gateway.port('small');
  const { served, refused } = await crowd(
    t,
    times(50, () => ({ port })),
  );
  assert.equal(served.length, 10);
  assert.deepEqual(new Set(refused), new Set(['ECONNRESET']));
  const { refused: refusals, connections } = await counted(gateway, 'small', (counts) => {
    return counts.refused['listener-limit'] === 40;
  });
  assert.deepEqual(refusals, { 'process-limit': 0, 'listener-limit': 40, 'no-shard': 0 });
  assert.equal(connections, 10);
  const { text } = await gateway.counted('/metrics');
  assert.match(
    text,
    /^holdfast_connections_refused_total\{listener="small",reason="listener-limit"\} 40$/m,
  );
  assert.equal((await crowd(t, [{ port: await gateway.port('other') }])).served.length, 1);
  await leave(gateway, served[0]);
  assert.equal((await crowd(t, [{ port }])).served.length, 1);
  assert.equal((await crowd(t, [{ port }])).served.length, 0);
  await Promise.all(served.slice(1).map((wire) => wire.echo('still served')));
});

test('connections of the process, over all listeners', async (t) => {
  const gateway = await start(
    t,
    ['name: one, bind: 127.0.0.1:0', 'name: two, bind: 127.0.0.1:0'],
    'limits: { connections: 8 }',
  );
  const ports = [await gateway.port('one'), await gateway.port('two')];
  const targets = times(40, (index) => ({ port: ports[index % 2] ?? 0 }));
  const { served, refused } = await crowd(t, targets);
  assert.equal(served.length, 8);
  assert.deepEqual(new Set(refused), new Set(['ECONNRESET']));
  await gateway.adminUntil('/v1/stats', ({ json }) => {
    const limited = json.listeners.map((each: Counts) => each.refused['process-limit']);
    return limited[0] + limited[1] === 32;
  });
  assert.equal((await gateway.admin('GET', '/v1/status')).json.connectionsMax, 8);
  await leave(gateway, served[0]);
  assert.equal((await crowd(t, [{ port: ports[1] ?? 0 }])).served.length, 1);
});

test('connections of one client address', async (t) => {
  const gateway = await start(t, [
    'name: front, bind: 127.0.0.1:0, limits: { connectionsPerAddress: 5 }',
    'name: other, bind: 127.0.0.1:0, limits: { connectionsPerAddress: 5 }',
  ]);
  const port = await gateway.port('front');
  const greedy = await crowd(
    t,
    times(25, () => ({ port, localAddress: '127.0.0.5' })),
  );
  assert.equal(greedy.served.length, 5);
  assert.deepEqual(new Set(greedy.refused), new Set(['ECONNRESET']));
  await counted(gateway, 'front', ({ closed }) => closed['address-limit'] === 20);
  const record = await gateway.accessed(({ reason }) => reason === 'address-limit');
  assert.match(String(record['client']), /^127\.0\.0\.5:/);
  assert.equal(record['endpoint'], null);
  // Other addresses, and the same address at another listener, have their own.
  const others = times(5, (index) => ({ port, localAddress: `127.0.0.${10 + index}` }));
  assert.equal((await crowd(t, others)).served.length, 5);
  const elsewhere = { port: await gateway.port('other'), localAddress: '127.0.0.5' };
  assert.equal(
    (
      await crowd(
        t,
        times(5, () => elsewhere),
      )
    ).served.length,
    5,
  );
  await leave(gateway, greedy.served[0]);
  const again = times(2, () => ({ port, localAddress: '127.0.0.5' }));
  assert.equal((await crowd(t, again)).served.length, 1);
});

test('a thousand clients of one address come and go: no place is lost', async (t) => {
  const gateway = await start(t, [
    'name: front, bind: 127.0.0.1:0, limits: { connectionsPerAddress: 20 }',
  ]);
  const port = await gateway.port('front');
  for (let round = 0; round < 10; round++) {
    const { served } = await crowd(
      t,
      times(100, () => ({ port })),
    );
    assert.equal(served.length, 20, `round ${round}`);
    for (const [index, wire] of served.entries()) {
      // Each kind of end gives its place back.
      if (index % 2 === 0) {
        wire.finish();
      } else {
        wire.reset();
      }
    }
    await gateway.adminUntil('/v1/status', ({ json }) => json.connections === 0);
  }
});

test('behind a proxy the address in the header counts, an IPv6 network as one', async (t) => {
  const gateway = await start(t, [
    'name: front, bind: 127.0.0.1:0, proxyProtocol: { accept: [127.0.0.1] }, limits: { connectionsPerAddress: 2 }',
  ]);
  const port = await gateway.port('front');
  const come = async (source: string): Promise<string> => {
    const wire = await Wire.connect(t, port);
    const to = source.startsWith('[') ? '[2001:db8::f]:443' : '198.51.100.1:443';
    wire.send(v1(source, to));
    return wire.line().catch(() => wire.ended);
  };
  for (const [source, wanted] of [
    ['192.0.2.1:1', 'origin'],
    ['192.0.2.1:2', 'origin'],
    ['192.0.2.1:3', 'ECONNRESET'],
    ['192.0.2.2:4', 'origin'],
    ['[2001:db8:1:1::1]:5', 'origin'],
    ['[2001:db8:1:1:ffff::2]:6', 'origin'],
    ['[2001:db8:1:1::3]:7', 'ECONNRESET'],
    ['[2001:db8:1:2::1]:8', 'origin'],
  ] as const) {
    assert.equal(await come(source), wanted, source);
  }
});

test('the accept rate makes clients wait and loses none', async (t) => {
  const gateway = await start(t, [
    'name: slow, bind: 127.0.0.1:0, limits: { acceptRate: 20/s }',
    'name: free, bind: 127.0.0.1:0',
  ]);
  const port = await gateway.port('slow');
  const startedMs = performance.now();
  const slow = crowd(
    t,
    times(40, () => ({ port })),
  );
  const freePort = await gateway.port('free');
  assert.equal(
    (
      await crowd(
        t,
        times(20, () => ({ port: freePort })),
      )
    ).served.length,
    20,
  );
  const { served, refused } = await slow;
  assert.equal(served.length, 40);
  assert.deepEqual(refused, []);
  // One second's worth at once, and the other twenty in another second at the earliest.
  assert.ok(performance.now() - startedMs >= 990);
  const { refused: refusals, counters } = await counted(gateway, 'slow', () => true);
  assert.ok((counters['ratePauses'] ?? 0) > 0);
  assert.equal((await counted(gateway, 'free', () => true)).counters['ratePauses'], 0);
  assert.deepEqual(refusals, { 'process-limit': 0, 'listener-limit': 0, 'no-shard': 0 });
});

test('limits change with a reload, for those who come later', async (t) => {
  const listener = (limit: number): string =>
    `name: front, bind: 127.0.0.1:0, limits: { connections: ${limit} }`;
  const gateway = await start(t, [listener(4)]);
  const port = await gateway.port('front');
  const { served } = await crowd(
    t,
    times(4, () => ({ port })),
  );
  assert.equal(served.length, 4);
  const load = async (limit: number): Promise<void> => {
    gateway.write(configOf([listener(limit)]));
    assert.equal((await gateway.admin('POST', '/v1/reload')).json.result, 'applied');
  };
  await load(2);
  await Promise.all(served.map((wire) => wire.echo('above the limit, and here')));
  assert.equal((await crowd(t, [{ port }])).served.length, 0);
  await leave(gateway, served[0]);
  await leave(gateway, served[1]);
  assert.equal((await crowd(t, [{ port }])).served.length, 0);
  await load(5);
  assert.equal(
    (
      await crowd(
        t,
        times(10, () => ({ port })),
      )
    ).served.length,
    3,
  );
});

test('a Unix socket has no client address to limit, and the other limits', async (t) => {
  const path = `${makeDirectory(t)}/front.sock`;
  const gateway = await start(t, [
    `name: front, bind: "unix:${path}", limits: { connectionsPerAddress: 1, connections: 3 }`,
  ]);
  const { served, refused } = await crowd(
    t,
    times(5, () => ({ path })),
  );
  assert.equal(served.length, 3);
  assert.equal(refused.length, 2);
  await counted(gateway, 'front', (counts) => counts.refused['listener-limit'] === 2);
});
