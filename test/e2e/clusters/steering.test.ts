/**
 * Balancers and discoveries of users: what they say becomes what clients see.
 *
 * Path: modules of the test's own, told by files that this test writes -> gateway -> origins that
 * say their names.
 * Invariant under test: weights and lists move new connections and no established one; code that
 * throws, hangs, ends or talks nonsense takes nothing away.
 */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { GatewayProcess, type LogRecord, makeDirectory, type Owner } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { type Origin, startNamed } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

/** What a file says is done at once; else it is JSON. */
const ACT = `function act(text: string): unknown {
  if (text === 'throw') throw new Error('the registry is away');
  if (text === 'hang') for (;;);
  if (text === 'exit') process.exit(7);
  return JSON.parse(text);
}`;

const IMPORTS = `import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as sdk from 'holdfast/sdk';
import * as z from 'zod';
void [sleep];
`;

const BALANCER = `${IMPORTS}
${ACT}
export default sdk.defineLoadBalancer({
  name: 'told', config: z.strictObject({ file: z.string() }), interval: '100ms',
  weigh(endpoints, { file }) {
    const weights = act(readFileSync(file, 'utf8')) as Record<string, number> | number[];
    if (Array.isArray(weights)) return weights;
    return endpoints.map(({ labels }) => weights[labels['name'] ?? ''] ?? 0);
  },
});
`;

const DISCOVERY = `${IMPORTS}
${ACT}
export default sdk.defineDiscovery({
  name: 'listed', config: z.strictObject({ file: z.string() }),
  async *watch({ config, base, signal }) {
    while (!signal.aborted) {
      yield act(readFileSync(new URL(config.file, base), 'utf8')) as sdk.FoundEndpoint[];
      await sleep(20, undefined, { signal });
    }
  },
});
`;

const file = createFileOwner();
let origins: Origin[];

before(async () => {
  origins = await startNamed(file, 3);
});

interface Steered {
  readonly gateway: GatewayProcess;
  readonly port: number;
  /** Writes a file whole. */
  readonly write: (name: string, content: unknown) => void;
  readonly reload: (cluster: string) => Promise<{ result: string; changes: string[] }>;
}

function yamlOf(cluster: string): string {
  return `shards: 2
listeners:
  - { name: front, bind: 127.0.0.1:0, cluster: app, limits: { connectionsPerAddress: unlimited } }
clusters:
  - { name: app, balance: round-robin, ${cluster} }
`;
}

function addressOf(index: number): string {
  return origins[index]?.address ?? '';
}

async function start(
  owner: Owner,
  cluster: (directory: string) => string,
  files: Readonly<Record<string, unknown>>,
  watch = false,
): Promise<Steered> {
  const directory = makeDirectory(owner);
  const write = (name: string, content: unknown): void => {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    writeFileSync(join(directory, `${name}.new`), text);
    renameSync(join(directory, `${name}.new`), join(directory, name));
  };
  for (const [name, content] of Object.entries(files)) write(name, content);
  const yaml = yamlOf(cluster(directory));
  const gateway = await GatewayProcess.start(owner, { yaml, directory, watch });
  const reload: Steered['reload'] = async (now) => {
    gateway.write(yamlOf(now));
    const { json } = await gateway.admin('POST', '/v1/reload');
    return json;
  };
  return { gateway, port: await gateway.port('front'), write, reload };
}

const labelled = (): string =>
  `endpoints: [${[0, 1, 2]
    .map((i) => `{ address: ${addressOf(i)}, labels: { name: ${'abc'[i]} } }`)
    .join(', ')}]`;

const balanced = (directory: string): string =>
  `balancer: { use: ./balance.ts, with: { file: ${directory}/weights } }, ${labelled()}`;

const discovered = (): string => 'discovery: { use: ./find.ts, with: { file: ./list } }';

function startBalanced(owner: Owner, weights: unknown): Promise<Steered> {
  return start(owner, balanced, { 'balance.ts': BALANCER, weights });
}

/** A machine that has other things to do may start before the first list is there. */
async function startDiscovered(
  owner: Owner,
  list: readonly { readonly address: string }[] | string,
): Promise<Steered> {
  const scene = await start(owner, discovered, { 'find.ts': DISCOVERY, list });
  if (typeof list !== 'string') {
    await whenFound(
      scene,
      list.map(({ address }) => address),
    );
  }
  return scene;
}

async function reach(owner: Owner, port: number): Promise<{ wire: Wire; name: string }> {
  const wire = await Wire.connect(owner, port);
  return { wire, name: await wire.line() };
}

async function tally(owner: Owner, port: number, count: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let i = 0; i < count; i++) {
    const { wire, name } = await reach(owner, port);
    counts[name] = (counts[name] ?? 0) + 1;
    wire.finish();
    await wire.ended;
  }
  return counts;
}

/** Waits until the cluster's endpoints have these weights. */
async function whenWeights({ gateway }: Steered, wanted: readonly (number | null)[]) {
  await gateway.adminUntil('/v1/clusters/app', ({ json }) => {
    const now = json.endpoints.map((each: { balanced: number | null }) => each.balanced);
    return JSON.stringify(now) === JSON.stringify(wanted);
  });
}

/** Waits until the cluster has these endpoints. */
async function whenFound({ gateway }: Steered, wanted: readonly string[]): Promise<void> {
  await gateway.adminUntil('/v1/clusters/app', ({ json }) => {
    const now = json.endpoints.map((each: { address: string }) => each.address);
    return now.join() === wanted.join();
  });
}

async function failed({ gateway }: Steered, said: RegExp): Promise<LogRecord> {
  return gateway.logged(({ msg, err }) => / failed; /.test(msg) && said.test(String(err)));
}

async function metric({ gateway }: Steered, name: string): Promise<number> {
  const { text } = await gateway.counted('/metrics?scope=filter');
  const line = text.split('\n').find((each) => each.startsWith(name));
  return Number(line?.split(' ').at(-1));
}

test('weights shift traffic; a weight of 0 takes nothing new and keeps what it has', async (t) => {
  const scene = await startBalanced(t, { a: 1, b: 0, c: 0 });
  const { port, write } = scene;
  await whenWeights(scene, [1, 0, 0]);
  const former = await reach(t, port);
  assert.equal(former.name, 'a');
  assert.deepEqual(await tally(t, port, 6), { a: 6, b: 0, c: 0 });
  write('weights', { a: 0, b: 500, c: 500 });
  await whenWeights(scene, [0, 256, 256]);
  const shares = await tally(t, port, 20);
  assert.equal(shares['a'], 0);
  assert.ok((shares['b'] ?? 0) >= 8 && (shares['c'] ?? 0) >= 8, JSON.stringify(shares));
  await former.wire.echo('still on a');
  write('weights', { a: 0, b: 0, c: 0 });
  await whenWeights(scene, [null, null, null]);
  assert.ok(Object.values(await tally(t, port, 12)).every((count) => count > 0));
  const { json } = await scene.gateway.counted('/v1/clusters/app');
  const { use, name, failures, lastError, updates } = json.balancer;
  assert.deepEqual([use, name, failures, lastError], ['./balance.ts', 'told', 0, null]);
  assert.ok(updates >= 3);
  assert.equal(json.discovery, null);
});

test('a balancer that throws or talks nonsense: the last weights hold, and the log says so', async (t) => {
  const scene = await startBalanced(t, { a: 0, b: 1, c: 0 });
  const { port, write } = scene;
  await whenWeights(scene, [0, 1, 0]);
  for (const [content, said] of [
    ['throw', /^the registry is away$/],
    [[1, 2], /it returned 2 weights for 3 endpoints/],
    [[1, -1, 1], /the weight -1; 0 to 1000 make sense/],
  ] as const) {
    write('weights', content);
    const record = await failed(scene, said);
    assert.deepEqual([record['cluster'], record['balancer']], ['app', 'told']);
    assert.deepEqual(await tally(t, port, 4), { a: 0, b: 4, c: 0 });
  }
  const { json } = await scene.gateway.counted('/v1/clusters/app');
  assert.match(json.balancer.lastError, /the weight -1/);
  assert.ok((await metric(scene, 'holdfast_steering_failures_total{')) >= 3);
  assert.ok((await metric(scene, 'holdfast_steering_age_seconds{')) > 0);
  write('weights', { a: 0, b: 0, c: 1 });
  await whenWeights(scene, [0, 0, 1]);
  assert.deepEqual(await tally(t, port, 4), { a: 0, b: 0, c: 4 });
});

for (const act of ['exit', 'hang']) {
  test(`a balancer that makes its thread ${act}: weights hold, and another thread goes on`, async (t) => {
    const scene = await startBalanced(t, { a: 1, b: 0, c: 0 });
    const { gateway, port, write } = scene;
    await whenWeights(scene, [1, 0, 0]);
    write('weights', act);
    const record = await gateway.logged(({ msg }) => /policy thread is started again/.test(msg));
    assert.match(String(record['err']), act === 'exit' ? /code 7/ : /did not answer/);
    assert.deepEqual(record['uses'], ['balancer "told" of app']);
    assert.deepEqual(await tally(t, port, 4), { a: 4, b: 0, c: 0 });
    write('weights', { a: 0, b: 1, c: 0 });
    await whenWeights(scene, [0, 1, 0]);
    assert.ok((await metric(scene, 'holdfast_steering_restarts_total')) >= 1);
  });
}

test('an interrupt ends a gateway whose balancer hangs at once', async (t) => {
  const scene = await startBalanced(t, { a: 1, b: 0, c: 0 });
  const { gateway, write } = scene;
  await whenWeights(scene, [1, 0, 0]);
  write('weights', 'hang');
  // It hangs when an answer to a look is overdue.
  await gateway.adminUntil('/v1/clusters/app', ({ json }) => json.balancer.ageSeconds > 1);
  gateway.signal('SIGINT');
  gateway.signal('SIGINT');
  const { code, signal } = await gateway.exited;
  assert.equal(signal, null);
  assert.notEqual(code, null);
  assert.ok(!gateway.records.some(({ msg }) => /started again/.test(msg)));
});

test('a discovery adds and removes endpoints; connections stay, and so do ids', async (t) => {
  const scene = await startDiscovered(t, [{ address: addressOf(0) }]);
  const { gateway, port, write } = scene;
  const former = await reach(t, port);
  assert.equal(former.name, 'a');
  write('list', [{ address: addressOf(1), labels: { zone: 'x' } }, { address: addressOf(0) }]);
  await whenFound(scene, [addressOf(1), addressOf(0)]);
  const { json } = await gateway.counted('/v1/clusters/app');
  assert.deepEqual(json.endpoints[0].labels, { zone: 'x' });
  assert.equal(json.endpoints[1].connections, 1, 'the same endpoint as before');
  assert.ok(Object.values(await tally(t, port, 8)).filter((count) => count > 0).length === 2);
  write('list', [{ address: addressOf(2) }]);
  await whenFound(scene, [addressOf(2)]);
  assert.deepEqual(await tally(t, port, 4), { a: 0, b: 0, c: 4 });
  await former.wire.echo('still on a');
  const record = await gateway.logged(({ msg }) => msg === 'a discovery found endpoints');
  assert.deepEqual([record['cluster'], record['discovery']], ['app', 'listed']);
  write('list', []);
  await whenFound(scene, []);
  assert.equal(await Wire.open(t, port).ended, 'ECONNRESET');
  await former.wire.echo('still on a');
});

test('a discovery that throws, hangs or talks nonsense: the last list holds', async (t) => {
  const scene = await startDiscovered(t, [{ address: addressOf(0) }]);
  const { gateway, port, write } = scene;
  for (const [content, said] of [
    ['throw', /^the registry is away; again in 1 s$/],
    [[{ address: 'a.example:80' }], /"a\.example:80", which is no IP literal/],
    [{}, /it yielded object, not a list/],
  ] as const) {
    write('list', content);
    const record = await failed(scene, said);
    assert.deepEqual([record['cluster'], record['discovery']], ['app', 'listed']);
    assert.deepEqual(await tally(t, port, 3), { a: 3, b: 0, c: 0 });
  }
  write('list', 'hang');
  await gateway.logged(({ msg }) => /policy thread is started again/.test(msg));
  assert.deepEqual(await tally(t, port, 3), { a: 3, b: 0, c: 0 });
  write('list', [{ address: addressOf(1) }]);
  await whenFound(scene, [addressOf(1)]);
  assert.deepEqual(await tally(t, port, 3), { a: 0, b: 3, c: 0 });
});

test('a discovery that has nothing at start: a warning, and service once it has', async (t) => {
  const scene = await startDiscovered(t, 'throw');
  const { gateway, port, write } = scene;
  assert.ok(
    gateway.records.some(({ msg }) => /"app": its discovery has found nothing yet/.test(msg)),
  );
  assert.equal(await Wire.open(t, port).ended, 'ECONNRESET');
  write('list', [{ address: addressOf(1) }]);
  await whenFound(scene, [addressOf(1)]);
  assert.deepEqual(await tally(t, port, 3), { a: 0, b: 3, c: 0 });
});

test('reloads: other code, another `with`, nothing new, a fault, and none of it any more', async (t) => {
  const scene = await startDiscovered(t, [{ address: addressOf(0) }]);
  const { port, write, reload } = scene;
  assert.equal((await reload(discovered())).result, 'unchanged');
  write('other', [{ address: addressOf(1) }]);
  const told = await reload(discovered().replace('./list', './other'));
  assert.deepEqual(
    [told.result, told.changes],
    ['applied', ['cluster "app" changed: discovery', 'discovery "listed" of cluster "app" set up']],
  );
  await whenFound(scene, [addressOf(1)]);
  assert.deepEqual(await tally(t, port, 3), { a: 0, b: 3, c: 0 });
  write('find.ts', DISCOVERY.replace("'listed'", "'changed'").replace('config.file', "'./list'"));
  const changed = await reload(discovered().replace('./list', './other'));
  assert.deepEqual(changed.changes, ['discovery "changed" of cluster "app" set up']);
  await whenFound(scene, [addressOf(0)]);
  assert.deepEqual(await tally(t, port, 3), { a: 3, b: 0, c: 0 });
  write('find.ts', 'export default {');
  assert.equal((await reload(discovered())).result, 'invalid');
  write('list', [{ address: addressOf(2) }]);
  await whenFound(scene, [addressOf(2)]);
  const gone = await reload(labelled());
  assert.equal(gone.result, 'applied');
  assert.equal(Object.values(await tally(t, port, 9)).filter((count) => count > 0).length, 3);
});

test('a file of a balancer that changes is a reload', async (t: TestContext) => {
  const weights = { a: 1, b: 0, c: 0 };
  const scene = await start(t, balanced, { 'balance.ts': BALANCER, weights }, true);
  await whenWeights(scene, [1, 0, 0]);
  scene.write('balance.ts', BALANCER.replace("labels['name'] ?? ''", "labels['name'] ? 'a' : ''"));
  await whenWeights(scene, [1, 1, 1]);
});
