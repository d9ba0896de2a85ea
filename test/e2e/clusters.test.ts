/**
 * Endpoints that change: by an operator, by health checks, by DNS; and listeners in namespaces.
 *
 * Path: real origins, a small DNS origin, real network namespaces where the machine allows them.
 * Invariant under test: a change of endpoints steers new connections and leaves old ones alone.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { EchoClient, GatewayProcess, type Owner, startEcho } from './harness.ts';

const run = promisify(execFile);

function withCluster(cluster: string): string {
  return `
shards: 2
drain: { over: 0s, readinessDelay: 0s, grace: 1s }
listeners:
  - { name: echo, bind: 127.0.0.1:0, cluster: origin }
clusters:
  - name: origin
${cluster}
`;
}

test('endpoints are added, drained and removed at run time', async (t) => {
  const one = await startEcho(t, '1:');
  const two = await startEcho(t, '2:');
  const gateway = await GatewayProcess.start(t, {
    yaml: withCluster(`    endpoints: [127.0.0.1:${one.port}]`),
  });
  const port = await gateway.port('echo');
  const client = await EchoClient.connect(t, port);
  await client.echo('a', '1:a');
  const path = '/v1/clusters/origin/endpoints';
  const added = await gateway.admin('PATCH', path, {
    add: [{ address: `127.0.0.1:${two.port}`, weight: 2 }],
    set: [{ address: `127.0.0.1:${one.port}`, drain: true }],
  });
  assert.equal(added.status, 200, added.text);
  assert.deepEqual(
    added.json.endpoints.map((each: { state: string }) => each.state),
    ['draining', 'healthy'],
  );
  await (await EchoClient.connect(t, port)).echo('b', '2:b');
  await client.echo('c', '1:c');
  const removed = await gateway.admin('PATCH', path, { remove: [`127.0.0.1:${one.port}`] });
  assert.equal(removed.json.endpoints.length, 1);
  await client.echo('d', '1:d');
  for (const [patch, problem] of [
    [{ remove: ['127.0.0.1:1'] }, /is not there/],
    [{ add: [{ address: 'example.org:80' }] }, /is no address/],
    [{ add: [{ address: `127.0.0.1:${two.port}` }] }, /is there already/],
    [{ set: [{ address: `127.0.0.1:${two.port}`, weight: 0 }] }, /from 1 to 256/],
    [{ drop: [] }, /no field "drop"/],
  ] as const) {
    const refused = await gateway.admin('PATCH', path, patch);
    assert.equal(refused.status, 400);
    assert.match(refused.json.error.message, problem);
  }
  assert.equal((await gateway.admin('PATCH', '/v1/clusters/no/endpoints', {})).status, 404);
  const reloaded = await gateway.admin('POST', '/v1/reload');
  assert.match(reloaded.json.changes.join(), /run-time endpoint changes dropped: origin/);
  await (await EchoClient.connect(t, port)).echo('e', '1:e');
});

test('an endpoint that fails its health checks gets no new connections until it is back', async (t) => {
  const one = await startEcho(t, '1:');
  const two = await startEcho(t, '2:');
  const gateway = await GatewayProcess.start(t, {
    yaml: withCluster(`    endpoints: [127.0.0.1:${one.port}, 127.0.0.1:${two.port}]
    ejection: { afterFailures: 0 }
    healthCheck: { type: tcp, interval: 100ms, unhealthyAfter: 2, healthyAfter: 2 }`),
  });
  const port = await gateway.port('echo');
  await one.close();
  const down = await gateway.logged(({ msg }) => msg === 'an endpoint is unhealthy');
  assert.equal(down['endpoint'], `127.0.0.1:${one.port}`);
  assert.equal(down['err'], 'ECONNREFUSED');
  const clients = await Promise.all(Array.from({ length: 8 }, () => EchoClient.connect(t, port)));
  await Promise.all(clients.map((client) => client.echo('x', '2:x')));
  const { json } = await gateway.counted('/v1/clusters/origin');
  assert.deepEqual(
    json.endpoints.map((each: { state: string }) => each.state),
    ['unhealthy', 'healthy'],
  );
  await startEcho(t, '1:', one.port);
  await gateway.logged(({ msg }) => msg === 'an endpoint is healthy again');
  await gateway.adminUntil('/v1/clusters/origin', (answer) =>
    answer.json.endpoints.every((each: { state: string }) => each.state === 'healthy'),
  );
});

test('localhost is resolved as the machine does', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, {
    yaml: withCluster(`    endpoints: [localhost:${origin.port}]
    dns: { family: ipv4 }`),
  });
  await (await EchoClient.connect(t, await gateway.port('echo'))).echo('found');
});

test('a name follows its records, and keeps the last good ones when DNS fails', async (t) => {
  const origin = await startEcho(t, '1:');
  const zone = await startDns(t, ['127.0.0.1']);
  const gateway = await GatewayProcess.start(t, {
    yaml: withCluster(`    endpoints: [chat.example:${origin.port}]
    dns: { resolvers: [127.0.0.1:${zone.port}], refreshMin: 1s, refreshMax: 1s, family: ipv4 }`),
  });
  const port = await gateway.port('echo');
  const client = await EchoClient.connect(t, port);
  await client.echo('a', '1:a');
  zone.addresses = ['127.0.0.1', '127.0.0.2'];
  await gateway.adminUntil('/v1/clusters/origin', ({ json }) => json.endpoints.length === 2);
  await client.echo('b', '1:b');
  zone.addresses = null;
  await gateway.logged(({ msg }) => msg.startsWith('a name does not resolve'));
  const { json } = await gateway.counted('/v1/clusters/origin');
  assert.equal(json.endpoints.length, 2);
  zone.addresses = ['127.0.0.2'];
  await gateway.adminUntil('/v1/clusters/origin', (answer) => answer.json.endpoints.length === 1);
  await client.echo('c', '1:c');
});

test('a name that never resolved does not stop the start', async (t) => {
  const zone = await startDns(t, null);
  const gateway = await GatewayProcess.start(t, {
    yaml: withCluster(`    endpoints: [nowhere.example:80]
    dns: { resolvers: [127.0.0.1:${zone.port}], refreshMin: 1s }`),
  });
  await gateway.logged(({ msg }) => msg.includes('does not resolve yet'));
  const client = await EchoClient.connect(t, await gateway.port('echo'));
  await client.ended;
  const record = await gateway.accessed(({ event }) => event === 'close');
  assert.equal(record['reason'], 'no-endpoint');
});

/** Makes a namespace that goes away with the test; null where the machine does not allow it. */
function makeNetns(owner: Owner): string | null {
  const name = `hf-e2e-${process.pid}`;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' });
  } catch {
    return null;
  }
  owner.after(() => {
    execFileSync('ip', ['netns', 'delete', name]);
  });
  execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up'], { stdio: 'pipe' });
  return name;
}

test('a listener in a network namespace', async (t) => {
  const name = makeNetns(t);
  if (name === null) {
    t.skip('making a network namespace needs root and the ip command');
    return;
  }
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, {
    yaml: withCluster(`    endpoints: [127.0.0.1:${origin.port}]`).replace(
      'bind: 127.0.0.1:0',
      `bind: 127.0.0.1:0, netns: ${name}`,
    ),
  });
  const port = await gateway.port('echo');
  await assert.rejects(EchoClient.connect(t, port), { code: 'ECONNREFUSED' });
  const { stdout } = await run(
    'ip',
    [
      'netns',
      'exec',
      name,
      'python3',
      '-c',
      `import socket; s = socket.create_connection(('127.0.0.1', ${port})); s.sendall(b'inside'); print(s.recv(6).decode())`,
    ],
    { encoding: 'utf8', timeout: 20_000 },
  );
  assert.equal(stdout, 'inside\n');
});

interface DnsZone {
  readonly port: number;
  /** What every name resolves to; null: the answer is SERVFAIL. */
  addresses: readonly string[] | null;
}

/** A DNS origin that knows one answer. */
async function startDns(owner: Owner, addresses: readonly string[] | null): Promise<DnsZone> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  owner.after(() => {
    socket.close();
  });
  const zone: DnsZone = { port: socket.address().port, addresses };
  socket.on('message', (query, from) => {
    socket.send(answerDns(query, zone.addresses), from.port, from.address);
  });
  return zone;
}

/** One answer with a TTL of 0, so that the name is asked for again as soon as allowed. */
function answerDns(query: Buffer, addresses: readonly string[] | null): Buffer {
  let end = 12;
  while (query[end] !== 0) {
    end += (query[end] ?? 0) + 1;
  }
  const question = query.subarray(12, end + 5);
  const isA = query.readUInt16BE(end + 1) === 1;
  const records = isA ? (addresses ?? []) : [];
  const head = Buffer.alloc(12);
  query.copy(head, 0, 0, 2);
  head.writeUInt16BE(addresses === null ? 0x8182 : 0x8180, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  const answers = records.map((address) =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]),
  );
  return Buffer.concat([head, question, ...answers]);
}
