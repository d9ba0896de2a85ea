/**
 * Balancers and discoveries in a gateway with HTTP: the examples at work, and what is refused.
 *
 * Path: examples/filters/{zone-balancer,from-file}.ts named by configurations of this test.
 * Invariant under test: what the examples promise holds on the path; WebSockets stay where they
 * are; a fault is shown with its place before anything runs.
 */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Answer, makeDirectory } from '../harness.ts';
import { HttpOrigin } from '../http/http-origin.ts';
import { get, HttpScene } from '../http/http-scene.ts';
import { Command } from '../peers/cli.ts';
import { clientFrame, readFrame, TEXT } from '../websocket/frames.ts';
import { handshake, Sockets } from '../websocket/ws-scene.ts';
import { streamFilter, writeFilters } from './filter-scene.ts';

const EXAMPLES = fileURLToPath(new URL('../../../examples/filters/', import.meta.url));

interface Endpoint {
  readonly address: string;
  readonly balanced: number | null;
  readonly connections: number;
}

function endpointsOf({ json }: Answer): readonly Endpoint[] {
  return json.endpoints;
}

/** A gateway whose endpoints stand in a file; and the words to change it. */
async function startFromFile(t: TestContext) {
  const directory = makeDirectory(t);
  const write = (list: readonly object[]): void => {
    writeFileSync(join(directory, 'list.new'), JSON.stringify(list));
    renameSync(join(directory, 'list.new'), join(directory, 'list.json'));
  };
  write([]);
  const discovery = {
    use: `${EXAMPLES}from-file.ts`,
    with: { file: './list.json', every: 100 },
  };
  const routes = [{ match: { path: '/ws' }, cluster: 'app', websocket: true }, { cluster: 'app' }];
  const scene = await HttpScene.start(t, {
    directory,
    isRouted: true,
    http: { hosts: [{ routes }] },
    app: { endpoints: undefined, discovery },
  });
  const find = async (list: readonly { readonly address: string }[]): Promise<void> => {
    write(list);
    await scene.gateway.adminUntil('/v1/clusters/app', (answer) => {
      const now = endpointsOf(answer).map(({ address }) => address);
      return now.join() === list.map(({ address }) => address).join();
    });
  };
  return { scene, find };
}

test('an endpoint that is not found any more gets no requests, and keeps its WebSocket', async (t) => {
  const { scene, find } = await startFromFile(t);
  const other = await HttpOrigin.start(t);
  other.on('/', (request) => request.reply({ body: 'other' }));
  scene.origin.on('/', (request) => request.reply({ body: 'first' }));
  const ask = async (): Promise<unknown> => {
    const { status, text } = await scene.ask(t, get('/'));
    return status === 200 ? text : status;
  };
  assert.equal(await ask(), 503, 'the list is empty');
  await find([{ address: scene.origin.address }]);
  assert.equal(await ask(), 'first');
  const sockets = new Sockets(scene.origin, '/ws');
  const { client, endpoint } = await sockets.join(t, scene, { text: handshake('/ws') });
  await find([{ address: other.address }]);
  assert.equal(await ask(), 'other');
  client.send(clientFrame(TEXT, 'still here'));
  assert.equal((await readFrame(endpoint)).payload.toString(), 'still here');
  await find([{ address: other.address }, { address: scene.origin.address }]);
  const { json } = await scene.gateway.counted('/v1/clusters/app');
  assert.equal(json.endpoints[1].connections, 1, 'it is known again, with what it has');
  const { name, use, lastError } = json.discovery;
  assert.deepEqual([name, use, lastError], ['from-file', `${EXAMPLES}from-file.ts`, null]);
});

test('the zone balancer keeps requests near, and goes abroad when near ones fail', async (t) => {
  const directory = makeDirectory(t);
  const far = await HttpOrigin.start(t);
  far.on('/', (request) => request.reply({ body: 'far' }));
  const near = await HttpOrigin.start(t);
  near.on('/', (request) => request.reply({ body: 'near' }));
  const scene = await HttpScene.start(t, {
    directory,
    app: {
      balance: 'round-robin',
      endpoints: [
        { address: near.address, labels: { zone: 'a' } },
        { address: far.address, labels: { zone: 'b' } },
      ],
      balancer: { use: `${EXAMPLES}zone-balancer.ts`, with: { zone: 'a', enough: 1 } },
      healthCheck: { type: 'tcp', interval: '100ms', timeout: '100ms', unhealthyAfter: 1 },
      ejection: { panic: '0%' },
    },
  });
  const whenBalanced = async (wanted: readonly number[]): Promise<void> => {
    await scene.gateway.adminUntil('/v1/clusters/app', (answer) => {
      return endpointsOf(answer).every(({ balanced }, i) => balanced === wanted[i]);
    });
  };
  const texts = async (): Promise<string[]> => {
    const list: string[] = [];
    for (let i = 0; i < 6; i++) list.push((await scene.ask(t, get('/'))).text);
    return [...new Set(list)];
  };
  await whenBalanced([100, 0]);
  assert.deepEqual(await texts(), ['near']);
  await near.close();
  await whenBalanced([0, 100]);
  assert.deepEqual(await texts(), ['far']);
});

const DEFINE = "import { defineLoadBalancer, defineDiscovery } from 'holdfast/sdk';\n";
const TEXTS = {
  'balance.ts': `${DEFINE}export default defineLoadBalancer({
  name: 'even', weigh: (endpoints) => endpoints.map(() => 1),
});
void defineDiscovery;
`,
  'find.ts': `${DEFINE}import * as z from 'zod';
export default defineDiscovery({
  name: 'none', config: z.strictObject({ file: z.string() }), async *watch() { yield []; },
});
void defineLoadBalancer;
`,
  'typed.ts': `${DEFINE}export default defineLoadBalancer({
  name: 'typed', weigh: (endpoints) => endpoints.map(() => 'much'),
});
void defineDiscovery;
`,
  'shape.ts': `${DEFINE}export default defineLoadBalancer({
  name: 'shape', interval: 'often' as '1s', weigh: () => [],
});
void defineDiscovery;
`,
  'stream.ts': streamFilter('stream', 'onRequest: () => undefined'),
};

async function validate(t: TestContext, clusters: readonly string[], filters = '[]') {
  const directory = makeDirectory(t);
  writeFilters(directory, TEXTS);
  const listeners = clusters
    .map((_, i) => `  - { name: l${i}, bind: 127.0.0.1:0, cluster: c${i}, filters: ${filters} }\n`)
    .join('');
  const lines = clusters.map((cluster, i) => `  - { name: c${i}, ${cluster} }\n`).join('');
  const yaml = `version: 1\nlisteners:\n${listeners}clusters:\n${lines}`;
  writeFileSync(join(directory, 'gateway.yaml'), yaml);
  const args = ['validate', '--format', 'json', 'gateway.yaml'];
  const { code, stdout } = await new Command(t, args, { directory }).outcome;
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { code: string; line: number; column: number; message: string }[];
  };
  const first = 4 + clusters.length;
  const shown = diagnostics.map(
    (one) => `${one.code} c${one.line - first} ${one.message.replaceAll(directory, '')}`,
  );
  return { code, shown };
}

const LIST = 'endpoints: [127.0.0.1:1]';

test('validate passes what is right, and shows every fault of code at once', async (t) => {
  const right = ['balancer: ./balance.ts, discovery: { use: ./find.ts, with: { file: a } }'];
  assert.deepEqual(await validate(t, right), { code: 0, shown: [] });
  const { code, shown } = await validate(t, [
    `balancer: ./find.ts, ${LIST}`,
    'discovery: ./stream.ts',
    `balancer: holdfast/rbac, ${LIST}`,
    'discovery: { use: ./find.ts, with: { file: 5 } }',
    `balancer: { use: ./balance.ts, with: { more: 1 } }, ${LIST}`,
    `balancer: ./typed.ts, ${LIST}`,
    `balancer: ./shape.ts, ${LIST}`,
    `balancer: ./missing.ts, ${LIST}`,
    `balancer: balance.ts, ${LIST}`,
    `discovery: { use: ./find.ts, with: { file: a } }, ${LIST}`,
    'balance: random',
  ]);
  assert.equal(code, 2);
  const wrong = [
    /^HF1103 c0 "none" is a discovery; "balancer" takes what defineLoadBalancer makes$/,
    /^HF1103 c1 "stream" is a stream filter; "discovery" takes what defineDiscovery makes$/,
    /^HF1103 c2 "holdfast\/rbac" is a filter; "balancer" takes what defineLoadBalancer makes$/,
    /^HF1102 c3 file: /,
    /^HF1102 c4 "even" takes no configuration$/,
    /^HF1101 c5 \/typed\.ts:3:\d+: type error TS2322: /,
    /^HF1101 c6 \/shape\.ts:3:1: "interval" must be a duration/,
    /^HF1101 c7 \/missing\.ts: there is no/,
    /^HF1100 c8 balancer: "balance\.ts" is not a path$/,
    /^HF1057 c9 cluster "c9" has both "endpoints" and "discovery"$/,
    /^HF1013 c10 cluster "c10" has no "endpoints"$/,
  ];
  for (const pattern of wrong) {
    assert.ok(
      shown.some((line) => pattern.test(line)),
      `${pattern} in\n${shown.join('\n')}`,
    );
  }
  const others = await validate(t, [LIST], '[./balance.ts]');
  assert.deepEqual([others.code, others.shown.length], [2, 1]);
  assert.match(`${others.shown[0]}`, /^HF1103 .*"even" is a balancer, not a filter$/);
});
