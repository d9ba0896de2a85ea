/**
 * DNS names among the endpoints: followed by TTL, kept when resolution fails.
 *
 * Path: a DNS origin in the test, named by `dns.resolvers`; and the hosts file for `localhost`.
 * Invariant under test: a changed record moves new connections and no established one; a name that
 * does not resolve is no reason not to start, and never takes good addresses away.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { GatewayProcess, type Owner } from '../harness.ts';
import { DnsZone } from '../peers/dns-zone.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Origin } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

const NAME = 'broker.test';

const file = createFileOwner();
/** On 127.0.0.1, 127.0.0.2 and ::1, all at one port. */
let one: Origin;
let zone: DnsZone;

before(async () => {
  one = await Origin.start(file, { name: 'one', isEcho: true });
  await Origin.start(file, { name: 'two', isEcho: true, host: '127.0.0.2', port: one.port });
  await Origin.start(file, { name: 'six', isEcho: true, host: '::1', port: one.port });
  zone = await DnsZone.start(file);
});

async function start(
  owner: Owner,
  dns: string,
  host = NAME,
): Promise<{ gateway: GatewayProcess; port: number }> {
  const gateway = await GatewayProcess.start(owner, {
    yaml: `
shards: 1
listeners: [{ name: front, bind: 127.0.0.1:0, cluster: c }]
clusters:
  - name: c
    balance: round-robin
    endpoints: ["${host}:${one.port}"]
    dns: { ${dns} }
`,
  });
  return { gateway, port: await gateway.port('front') };
}

function followed(more = ''): string {
  return `resolvers: ["${zone.address}"], refreshMin: 1s${more}`;
}

async function reach(owner: Owner, port: number): Promise<{ wire: Wire; name: string }> {
  const wire = await Wire.connect(owner, port);
  return { wire, name: await wire.line() };
}

async function whenAddresses(gateway: GatewayProcess, wanted: readonly string[]): Promise<void> {
  await gateway.adminUntil('/v1/clusters/c', ({ json }) => {
    const now = json.endpoints.map((each: { address: string }) => each.address);
    return now.join(' ') === wanted.map((ip) => `${ip}:${one.port}`).join(' ');
  });
}

test('a changed record moves new connections, not established ones', async (t) => {
  zone.records.set(NAME, { addresses: ['127.0.0.1'], ttlSeconds: 1 });
  const { gateway, port } = await start(t, followed());
  const former = await reach(t, port);
  assert.equal(former.name, 'one');
  zone.records.set(NAME, { addresses: ['127.0.0.2'], ttlSeconds: 1 });
  await whenAddresses(gateway, ['127.0.0.2']);
  assert.equal((await reach(t, port)).name, 'two');
  await former.wire.echo('still on one');
  zone.records.set(NAME, { addresses: ['127.0.0.2', '127.0.0.1'], ttlSeconds: 300 });
  await whenAddresses(gateway, ['127.0.0.1', '127.0.0.2']);
  const names = [(await reach(t, port)).name, (await reach(t, port)).name];
  assert.deepEqual(names.toSorted(), ['one', 'two']);
  const { json } = await gateway.counted('/v1/clusters/c');
  assert.deepEqual(
    json.endpoints.map((each: { host: string }) => each.host),
    [NAME, NAME],
  );
});

test('a name that does not resolve at start: a warning, and service once it does', async (t) => {
  zone.records.delete(NAME);
  const { gateway, port } = await start(t, followed());
  assert.ok(gateway.records.some(({ msg }) => msg.includes(`${NAME} does not resolve yet`)));
  assert.equal(await Wire.open(t, port).ended, 'ECONNRESET');
  await gateway.accessed(({ reason }) => reason === 'no-endpoint');
  zone.records.set(NAME, { addresses: ['127.0.0.1'], ttlSeconds: 300 });
  await whenAddresses(gateway, ['127.0.0.1']);
  assert.equal((await reach(t, port)).name, 'one');
});

test('a resolution that fails keeps the last good addresses', async (t) => {
  for (const failure of ['fails', undefined] as const) {
    zone.records.set(NAME, { addresses: ['127.0.0.2'], ttlSeconds: 1 });
    const { gateway, port } = await start(t, followed());
    if (failure === undefined) {
      zone.records.delete(NAME);
    } else {
      zone.records.set(NAME, failure);
    }
    const told = await gateway.logged(({ msg }) => msg.startsWith('a name does not resolve'));
    assert.equal(told['host'], NAME);
    assert.equal(told['kept'], 1);
    assert.equal((await reach(t, port)).name, 'two');
    const { json, text } = await gateway.admin('GET', '/v1/status');
    assert.deepEqual(json.names[0].addresses, ['127.0.0.2'], text);
    assert.ok(json.names[0].failures >= 1);
    const metrics = await gateway.counted('/metrics');
    assert.match(metrics.text, /^holdfast_dns_addresses\{host="broker\.test"\} 1$/m);
  }
});

test('a long TTL is not asked for again, a family is followed', async (t) => {
  zone.records.set(NAME, { addresses: ['127.0.0.1', '::1'], ttlSeconds: 3600 });
  const any = await start(t, followed());
  assert.equal((await reach(t, any.port)).name, 'one');
  const v6 = await start(t, followed(', family: ipv6'));
  assert.equal((await reach(t, v6.port)).name, 'six');
  zone.records.set(NAME, { addresses: ['::1'], ttlSeconds: 3600 });
  const fallback = await start(t, followed());
  assert.equal((await reach(t, fallback.port)).name, 'six');
  const asked = zone.queries;
  // Loading the file again asks nobody: the answer holds for an hour.
  assert.equal((await v6.gateway.admin('POST', '/v1/reload')).json.result, 'unchanged');
  assert.equal(zone.queries, asked);
});

test('localhost is what the hosts file says', async (t) => {
  const { port } = await start(t, 'family: ipv4', 'localhost');
  assert.equal((await reach(t, port)).name, 'one');
});

test('two clusters with one name and different resolvers have different answers', async (t) => {
  const other = await DnsZone.start(t);
  zone.records.set(NAME, { addresses: ['127.0.0.1'], ttlSeconds: 300 });
  other.records.set(NAME, { addresses: ['127.0.0.2'], ttlSeconds: 300 });
  const cluster = (name: string, resolver: string): string =>
    `- { name: ${name}, endpoints: ["${NAME}:${one.port}"], dns: { resolvers: ["${resolver}"] } }`;
  const gateway = await GatewayProcess.start(t, {
    yaml: `
shards: 1
listeners:
  - { name: x, bind: 127.0.0.1:0, cluster: x }
  - { name: y, bind: 127.0.0.1:0, cluster: y }
clusters:
  ${cluster('x', zone.address)}
  ${cluster('y', other.address)}
`,
  });
  assert.equal((await reach(t, await gateway.port('x'))).name, 'one');
  assert.equal((await reach(t, await gateway.port('y'))).name, 'two');
});
