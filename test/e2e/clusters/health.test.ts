/**
 * Endpoints that come and go: active checks, passive ejection, panic, slow start.
 *
 * Path: origins that close and open again behind a running gateway.
 * Invariant under test: new connections go where somebody answers; established ones are never
 * touched by a verdict; when too few endpoints are left, all are used.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { GatewayProcess, makeDirectory, type Owner } from '../harness.ts';
import { Origin, startNamed } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

interface EndpointView {
  readonly address: string;
  readonly state: string;
  readonly ejectedMs: number;
  readonly lastError: string | null;
  readonly connections: number;
  readonly counters: Readonly<Record<string, number>>;
}

/** Two or more origins behind one listener, on one shard, so that sequences are exact. */
async function start(
  owner: Owner,
  origins: readonly Origin[],
  cluster: string,
): Promise<{ gateway: GatewayProcess; port: number }> {
  const addresses = origins.map(({ address }) => address).join(', ');
  const gateway = await GatewayProcess.start(owner, {
    yaml: `
shards: 1
listeners: [{ name: front, bind: 127.0.0.1:0, cluster: c }]
clusters: [{ name: c, endpoints: [${addresses}], ${cluster} }]
`,
  });
  return { gateway, port: await gateway.port('front') };
}

async function endpoint(gateway: GatewayProcess, origin: Origin): Promise<EndpointView> {
  const { json } = await gateway.counted('/v1/clusters/c');
  const found = json.endpoints.find((each: EndpointView) => each.address === origin.address);
  assert.ok(found !== undefined);
  return found;
}

async function whenState(gateway: GatewayProcess, origin: Origin, state: string): Promise<void> {
  await gateway.adminUntil('/v1/clusters/c', ({ json }) =>
    json.endpoints.some(
      (each: EndpointView) => each.address === origin.address && each.state === state,
    ),
  );
}

async function names(owner: Owner, port: number, count: number): Promise<string[]> {
  const found: string[] = [];
  for (let index = 0; index < count; index++) {
    const wire = await Wire.connect(owner, port);
    found.push(await wire.line());
    wire.finish();
  }
  return found;
}

let clients = 0;

/** Why a connection that nobody serves ends. */
async function failure(owner: Owner, gateway: GatewayProcess, port: number): Promise<unknown> {
  clients++;
  const localAddress = `127.0.2.${clients}`;
  const wire = Wire.open(owner, { port, localAddress });
  assert.equal(await wire.ended, 'ECONNRESET');
  const record = await gateway.accessed((each) =>
    String(each['client']).startsWith(`${localAddress}:`),
  );
  return record['reason'];
}

const FAST_CHECKS =
  'healthCheck: { interval: 100ms, jitter: 0%, unhealthyAfter: 3, healthyAfter: 2 }';

test('a checked endpoint goes down and comes back; who is connected stays', async (t) => {
  const [a, b] = (await startNamed(t, 2)) as [Origin, Origin];
  const { gateway, port } = await start(t, [a, b], `balance: round-robin, ${FAST_CHECKS}`);
  const held = [await Wire.connect(t, port), await Wire.connect(t, port)];
  const told = await Promise.all(held.map((wire) => wire.line()));
  assert.deepEqual(told.toSorted(), ['a', 'b']);
  b.stop();
  const down = await gateway.logged(({ msg }) => msg === 'an endpoint is unhealthy');
  assert.equal(down['endpoint'], b.address);
  assert.equal(down['cluster'], 'c');
  const view = await endpoint(gateway, b);
  assert.equal(view.state, 'unhealthy');
  assert.match(String(view.lastError), /ECONNREFUSED/);
  const { text } = await gateway.counted('/metrics');
  assert.ok(
    text.includes(`holdfast_upstream_endpoint_healthy{cluster="c",endpoint="${b.address}"} 0\n`),
  );
  const failures = /health_checks_total\{cluster="c",result="failure"\} (\d+)/.exec(text)?.[1];
  assert.ok(Number(failures) >= 3, `${failures} failures`);
  assert.deepEqual(await names(t, port, 6), ['a', 'a', 'a', 'a', 'a', 'a']);
  await Promise.all(held.map((wire) => wire.echo('still here')));
  await b.open();
  const up = await gateway.logged(({ msg }) => msg === 'an endpoint is healthy again');
  assert.equal(up['endpoint'], b.address);
  assert.equal((await endpoint(gateway, b)).state, 'healthy');
  assert.deepEqual((await names(t, port, 4)).toSorted(), ['a', 'a', 'b', 'b']);
  assert.equal((await endpoint(gateway, b)).counters['connectFailures'], 0);
});

test('a Unix socket is checked as well', async (t) => {
  const path = join(makeDirectory(t), 'origin.sock');
  const a = await Origin.start(t, { path, name: 'a' });
  const b = await Origin.start(t, { name: 'b' });
  const { gateway, port } = await start(t, [a, b], `balance: round-robin, ${FAST_CHECKS}`);
  assert.deepEqual((await names(t, port, 2)).toSorted(), ['a', 'b']);
  a.stop();
  await whenState(gateway, a, 'unhealthy');
  assert.deepEqual(await names(t, port, 2), ['b', 'b']);
  await a.open();
  await whenState(gateway, a, 'healthy');
  assert.deepEqual((await names(t, port, 2)).toSorted(), ['a', 'b']);
});

test('fewer failed checks than the threshold change nothing', async (t) => {
  const [a, b] = (await startNamed(t, 2)) as [Origin, Origin];
  const checks = FAST_CHECKS.replace('unhealthyAfter: 3', 'unhealthyAfter: 50');
  const { gateway } = await start(t, [a, b], checks);
  b.stop();
  await gateway.adminUntil('/metrics', ({ text }) =>
    /health_checks_total\{cluster="c",result="failure"\} [1-9]/.test(text),
  );
  assert.equal((await endpoint(gateway, b)).state, 'healthy');
  await b.open();
  const accepted = b.accepted;
  await b.whenAccepted(accepted + 2);
  assert.equal((await endpoint(gateway, b)).state, 'healthy');
  assert.equal(
    gateway.records.some(({ msg }) => msg === 'an endpoint is unhealthy'),
    false,
  );
});

test('all endpoints down: panic tries them all the same, without panic none is tried', async (t) => {
  const [a, b] = (await startNamed(t, 2)) as [Origin, Origin];
  for (const [ejection, reason, connects] of [
    ['', 'connect-refused', 2],
    ['ejection: { panic: 0% },', 'no-endpoint', 0],
  ] as const) {
    a.stop();
    b.stop();
    const { gateway, port } = await start(t, [a, b], `${ejection} ${FAST_CHECKS}`);
    await whenState(gateway, a, 'unhealthy');
    await whenState(gateway, b, 'unhealthy');
    assert.equal(await failure(t, gateway, port), reason);
    const made = (await endpoint(gateway, a)).counters['connects'] ?? 0;
    assert.equal(made + ((await endpoint(gateway, b)).counters['connects'] ?? 0), connects);
    await a.open();
    await whenState(gateway, a, 'healthy');
    assert.deepEqual(await names(t, port, 2), ['a', 'a']);
  }
});

test('an endpoint that refuses is ejected, and used again after its time', async (t) => {
  const [a, b] = (await startNamed(t, 2)) as [Origin, Origin];
  const { gateway, port } = await start(
    t,
    [a, b],
    'balance: round-robin, ejection: { afterFailures: 2, base: 1s, max: 10s, atMost: 50% }',
  );
  b.stop();
  // Each client is served: the connect that failed is tried again at the other endpoint.
  let ejected = await endpoint(gateway, b);
  while (ejected.state !== 'ejected') {
    assert.deepEqual(await names(t, port, 1), ['a']);
    ejected = await endpoint(gateway, b);
  }
  assert.equal(ejected.counters['connectFailures'], 2);
  assert.equal(ejected.counters['ejections'], 1);
  assert.ok(ejected.ejectedMs > 0 && ejected.ejectedMs <= 1_000, `${ejected.ejectedMs} ms`);
  const { text } = await gateway.counted('/metrics');
  assert.ok(
    text.includes(`holdfast_upstream_endpoint_ejected{cluster="c",endpoint="${b.address}"} 1\n`),
  );
  assert.deepEqual(await names(t, port, 4), ['a', 'a', 'a', 'a']);
  assert.equal((await endpoint(gateway, b)).counters['connectFailures'], 2);
  // Still refusing after its time: out again, for longer.
  await whenState(gateway, b, 'healthy');
  let again = await endpoint(gateway, b);
  while (again.counters['ejections'] === 1) {
    await names(t, port, 1);
    again = await endpoint(gateway, b);
  }
  assert.ok(again.ejectedMs > 1_000, `${again.ejectedMs} ms`);
  await b.open();
  await whenState(gateway, b, 'healthy');
  while (!(await names(t, port, 2)).includes('b')) {
    // The list of usable endpoints is renewed every 100 ms.
  }
});

test('ejection stops at its share of endpoints', async (t) => {
  const [a, b] = (await startNamed(t, 2)) as [Origin, Origin];
  a.stop();
  b.stop();
  const { gateway, port } = await start(
    t,
    [a, b],
    'balance: round-robin, connect: { retries: 0 }, ejection: { afterFailures: 1, atMost: 50% }',
  );
  for (let index = 0; index < 10; index++) {
    assert.equal(await failure(t, gateway, port), 'connect-refused');
  }
  const states = [(await endpoint(gateway, a)).state, (await endpoint(gateway, b)).state];
  assert.deepEqual(states.toSorted(), ['ejected', 'healthy']);
});

test('with too few endpoints left, ejected ones are used too', async (t) => {
  const origins = await startNamed(t, 4);
  const [a, b, c] = origins as [Origin, Origin, Origin, Origin];
  const { gateway, port } = await start(
    t,
    origins,
    'balance: round-robin, connect: { retries: 3 }, ejection: { afterFailures: 1, atMost: 100%, panic: 30% }',
  );
  for (const origin of [a, b, c]) {
    origin.stop();
    while ((await endpoint(gateway, origin)).state !== 'ejected') {
      await names(t, port, 1);
    }
  }
  // One of four is less than 30 %: in panic the others are tried again, and b is back.
  await b.open();
  while (!(await names(t, port, 2)).includes('b')) {
    // The list of usable endpoints is renewed every 100 ms.
  }
  assert.equal((await endpoint(gateway, b)).state, 'ejected');
});

test('an endpoint that comes back starts slowly and ends with its full share', async (t) => {
  const [a, b] = (await startNamed(t, 2)) as [Origin, Origin];
  const { gateway, port } = await start(
    t,
    [a, b],
    `balance: round-robin, slowStart: 4s, ${FAST_CHECKS}`,
  );
  const share = async (): Promise<number> =>
    (await names(t, port, 22)).filter((name) => name === 'b').length;
  assert.equal(await share(), 11);
  b.stop();
  await whenState(gateway, b, 'unhealthy');
  await b.open();
  await whenState(gateway, b, 'healthy');
  const first = await share();
  assert.ok(first >= 1 && first < 9, `${first} of 22 at first`);
  let last = first;
  while (last !== 11) {
    last = await share();
  }
});

test('the next endpoint is tried when one refuses, as often as retries say', async (t) => {
  const [a, b, c] = (await startNamed(t, 3)) as [Origin, Origin, Origin];
  a.stop();
  b.stop();
  const never = 'ejection: { afterFailures: off }';
  const patient = await start(t, [a, b, c], `connect: { retries: 2 }, ${never}`);
  assert.deepEqual(await names(t, patient.port, 3), ['c', 'c', 'c']);
  const { json } = await patient.gateway.counted('/v1/stats');
  const { connectFailures, connectRetries } = json.shards[0].counters;
  assert.equal(connectFailures, connectRetries);
  assert.ok(connectRetries > 0);
  const hasty = await start(t, [a, b], `connect: { retries: 0 }, ${never}`);
  assert.equal(await failure(t, hasty.gateway, hasty.port), 'connect-refused');
});

test('a connect that nobody answers ends at its timeout', async (t) => {
  // A listener whose queue is full does not answer.
  const full = await startFullListener(t);
  const gateway = await GatewayProcess.start(t, {
    yaml: `
shards: 1
listeners: [{ name: front, bind: 127.0.0.1:0, cluster: c }]
clusters: [{ name: c, endpoints: ["127.0.0.1:${full}"], connect: { timeout: 100ms, retries: 1 } }]
`,
  });
  const port = await gateway.port('front');
  assert.equal(await failure(t, gateway, port), 'connect-timeout');
});

/** A port that listens, whose accept queue is full. */
async function startFullListener(owner: Owner): Promise<number> {
  const child = spawn(
    'python3',
    [
      '-c',
      `
import socket, sys
l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen(0)
held = []
for _ in range(8):
    s = socket.socket(); s.setblocking(False); s.connect_ex(l.getsockname()); held.append(s)
print(l.getsockname()[1], flush=True)
sys.stdin.read()
`,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  owner.after(() => {
    child.kill('SIGKILL');
  });
  const [text] = (await once(child.stdout, 'data')) as [Buffer];
  return Number(text.toString());
}
