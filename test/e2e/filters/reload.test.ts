/**
 * Reloads that change filters, under traffic: what began with a filter keeps it to its end.
 *
 * Path: clients -> gateway, whose filter files this test writes again and again -> origin.
 * Invariant under test: no request and no tunnel is lost to a reload; the old generation is
 * disposed of when the last of what began with it is gone; a filter that is wrong changes nothing.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { get, type HttpScene, type HttpSetup } from '../http/http-scene.ts';
import { readResponse } from '../http/message.ts';
import { clientFrame, readFrame, TEXT } from '../websocket/frames.ts';
import { handshake, Sockets } from '../websocket/ws-scene.ts';
import {
  messageFilter,
  routesOf,
  said,
  startFilters,
  streamFilter,
  writeFilters,
} from './filter-scene.ts';

const stream = (version: string): string =>
  streamFilter(
    'versioned',
    `setup: ({ log, shard, generation }) => ({ log, shard, generation }),
  async onRequest(request) {
    const wait = Number(request.query('wait') ?? '0');
    if (wait > 0) await pause(wait);
    return respond(200, {}, '${version}');
  },
  dispose: ({ log, shard }) => log.info('disposed ${version} in ' + shard)`,
  );

const message = (version: string): string =>
  messageFilter(
    'tagged',
    `needs: { messages: { from: 'client' } }, setup: ({ log }) => log,
  onMessage: (message) => replace(message.text + ' ${version}'),
  dispose: (log) => log.info('disposed ${version}')`,
  );

const ROUTES: HttpSetup = {
  isRouted: true,
  http: routesOf([{ path: '/versioned', filters: ['./versioned.ts'] }, { path: '/plain' }]),
};

async function reload(scene: HttpScene): Promise<{ result: string; [key: string]: unknown }> {
  const { json } = await scene.gateway.admin('POST', '/v1/reload');
  return json;
}

function write(scene: HttpScene, name: string, text: string): void {
  writeFilters(scene.gateway.directory, { [name]: text });
}

async function version(t: TestContext, scene: HttpScene): Promise<string> {
  return (await scene.ask(t, get('/versioned'))).text;
}

test('a tunnel keeps the filter that it began with; the filter goes with the last tunnel', async (t) => {
  const scene = await startFilters(
    t,
    { 'tagged.ts': message('one') },
    {
      isRouted: true,
      http: routesOf([{ path: '/ws', filters: ['./tagged.ts'], more: { websocket: true } }]),
    },
  );
  const { gateway } = scene;
  const sockets = new Sockets(scene.origin, '/ws');
  const say = async (joined: Awaited<ReturnType<Sockets['join']>>): Promise<string> => {
    joined.client.send(clientFrame(TEXT, 'hi'));
    return (await readFrame(joined.endpoint)).payload.toString();
  };
  const old = await sockets.join(t, scene, { text: handshake('/ws') });
  assert.equal(await say(old), 'hi one');
  write(scene, 'tagged.ts', message('two'));
  const report = await reload(scene);
  assert.deepEqual([report.result, report['changes']], ['applied', ['filters set up: "tagged"']]);
  const fresh = await sockets.join(t, scene, { text: handshake('/ws') });
  assert.deepEqual([await say(old), await say(fresh)], ['hi one', 'hi two']);
  assert.ok(!gateway.records.some(({ msg }) => msg === 'disposed one'));
  old.client.reset();
  const record = await said(gateway, 'disposed one');
  assert.deepEqual([record['filter'], record['generation']], ['tagged', 1]);
  assert.equal(await say(fresh), 'hi two');
  assert.equal((await reload(scene)).result, 'unchanged');
});

test('a request that waits for a filter is answered by it, whatever was loaded since', async (t) => {
  const scene = await startFilters(t, { 'versioned.ts': stream('one') }, ROUTES);
  const client = await scene.connect(t);
  client.send(get('/versioned?wait=300'));
  await scene.gateway.adminUntil('/metrics?scope=filter', ({ text }) =>
    /holdfast_filter_parked_total\{.*\} 1\n/.test(text),
  );
  write(scene, 'versioned.ts', stream('two'));
  assert.equal((await reload(scene)).result, 'applied');
  assert.equal(await version(t, scene), 'two');
  assert.equal((await readResponse(client)).text, 'one');
  await said(scene.gateway, 'disposed one in 0');
  client.send(get('/versioned'));
  assert.equal((await readResponse(client)).text, 'two', 'the same connection, a new exchange');
});

test('many reloads that swap code lose nothing and leave nothing', async (t) => {
  const scene = await startFilters(t, { 'versioned.ts': stream('v0') }, { ...ROUTES, shards: 2 });
  const { gateway } = scene;
  const RELOADS = 12;
  const state = { isOver: false };
  let asked = 0;
  const work = async (): Promise<void> => {
    const client = await scene.connect(t);
    while (!state.isOver) {
      client.send(get(`/versioned?wait=${asked++ % 3}`));
      const response = await readResponse(client);
      assert.equal(response.status, 200);
      assert.match(response.text, /^v\d+$/);
    }
  };
  const clients = Array.from({ length: 8 }, work);
  for (let i = 1; i <= RELOADS; i++) {
    write(scene, 'versioned.ts', stream(`v${i}`));
    assert.equal((await reload(scene)).result, 'applied');
    assert.equal(await version(t, scene), `v${i}`);
  }
  state.isOver = true;
  await Promise.all(clients);
  for (let i = 0; i < RELOADS; i++) {
    for (const shard of [0, 1]) await said(gateway, `disposed v${i} in ${shard}`);
  }
  assert.ok(!gateway.records.some(({ msg }) => msg.startsWith(`disposed v${RELOADS} `)));
  assert.ok(asked > RELOADS);
});

test('a filter that is wrong is told with its place, and changes nothing', async (t) => {
  const scene = await startFilters(t, { 'versioned.ts': stream('one') }, ROUTES);
  const { directory } = scene.gateway;
  const faults: [string, RegExp][] = [
    [stream('two').replace('export default', 'export default {'), /versioned\.ts:\d+:\d+: /],
    [
      stream('two').replace('export default', 'export const it ='),
      /:1:1: it has no default export/,
    ],
    [stream('two').replace('Number(', 'String('), /versioned\.ts:\d+:\d+: type error TS\d+: /],
    [stream('two').replace("name: 'versioned'", "name: 'No Name'"), /"name" /],
    ["import './nothing.ts';\n" + stream('two'), /nothing\.ts/],
    ["throw new Error('at load');\n", /at load/],
  ];
  for (const [text, expected] of faults) {
    write(scene, 'versioned.ts', text);
    const report = await reload(scene);
    assert.equal(report.result, 'invalid', text);
    const [first] = report['diagnostics'] as { code: string; line: number; message: string }[];
    assert.ok(first !== undefined && first.line > 0, text);
    assert.equal(first.code, 'HF1101');
    assert.ok(first.message.includes(directory), first.message);
    assert.match(first.message, expected);
    assert.equal(await version(t, scene), 'one');
  }
  write(scene, 'versioned.ts', stream('three'));
  assert.equal((await reload(scene)).result, 'applied');
  assert.equal(await version(t, scene), 'three');
});

test('a setup that fails in one shard refuses the reload everywhere', async (t) => {
  const scene = await startFilters(t, { 'versioned.ts': stream('one') }, { ...ROUTES, shards: 2 });
  const bad = stream('two').replace(
    'setup: ({ log, shard, generation }) =>',
    "setup: ({ log, shard, generation }) => shard === 1 ? Promise.reject(new Error('no disk')) :",
  );
  write(scene, 'versioned.ts', bad);
  const report = await reload(scene);
  const { message } = report['error'] as { message: string };
  assert.deepEqual([report.result, message], ['failed', 'filter "versioned": Error: no disk']);
  await said(scene.gateway, 'disposed two in 0');
  for (let i = 0; i < 6; i++) assert.equal(await version(t, scene), 'one');
  write(scene, 'versioned.ts', stream('three'));
  assert.equal((await reload(scene)).result, 'applied');
  assert.equal(await version(t, scene), 'three');
});

test('filters come to a gateway that had none, and go again', async (t) => {
  const scene = await startFilters(
    t,
    { 'versioned.ts': stream('one') },
    {
      isRouted: true,
      http: routesOf([{ path: '/versioned' }]),
    },
  );
  const plain = async (): Promise<string> => (await scene.ask(t, get('/versioned'))).text;
  assert.match(await plain(), /"origin":"app"/);
  const { text } = await scene.gateway.counted('/metrics?scope=filter');
  assert.ok(!text.includes('{'), text);
  await scene.reload(ROUTES);
  assert.equal(await plain(), 'one');
  await scene.reload({ http: routesOf([{ path: '/versioned' }]) });
  assert.match(await plain(), /"origin":"app"/);
  await said(scene.gateway, 'disposed one in 0');
  await scene.reload(ROUTES);
  assert.equal(await plain(), 'one');
});

test('a change of a filter file is a reload, and so is one of what it imports', async (t) => {
  const part = (word: string): string => `export const word = '${word}';\n`;
  const importing = `import { word } from './part.ts';\n${stream('x').replace("'x'", 'word')}`;
  const files = { 'versioned.ts': importing, 'part.ts': part('one') };
  const scene = await startFilters(t, files, { ...ROUTES, watch: true });
  assert.equal(await version(t, scene), 'one');
  const loaded = async (cause: string, result: string, from: number): Promise<void> => {
    await scene.gateway.logged(
      (record) => record['cause'] === cause && record['result'] === result,
      from,
    );
  };
  let from = scene.gateway.records.length;
  write(scene, 'part.ts', part('two'));
  await loaded('filter file', 'applied', from);
  assert.equal(await version(t, scene), 'two');
  from = scene.gateway.records.length;
  write(scene, 'part.ts', 'export const word: number = ;\n');
  await loaded('filter file', 'invalid', from);
  assert.equal(await version(t, scene), 'two');
  from = scene.gateway.records.length;
  write(scene, 'part.ts', part('three'));
  await loaded('filter file', 'applied', from);
  assert.equal(await version(t, scene), 'three');
});

test('a setup that ends its shard ends one shard only, and the reload is refused', async (t) => {
  const scene = await startFilters(t, { 'versioned.ts': stream('one') }, { ...ROUTES, shards: 2 });
  const from = scene.gateway.records.length;
  const bad = stream('two').replace(
    '=> ({ log, shard, generation })',
    '=> { if (generation > 1) process.exit(1); return { log, shard, generation }; }',
  );
  write(scene, 'versioned.ts', bad);
  const report = await reload(scene);
  const { message } = report['error'] as { message: string };
  assert.equal(report.result, 'failed');
  assert.match(
    message,
    /^filter "versioned": shard 0 has ended.*"setup" of a filter ends the thread/,
  );
  const restarted = await scene.gateway.logged(({ msg }) => msg === 'shard restarted', from);
  assert.equal(restarted['shard'], 0);
  const died = scene.gateway.records
    .slice(from)
    .filter(({ msg }) => msg.startsWith('a shard died'));
  assert.equal(died.length, 1);
  for (let i = 0; i < 6; i++) assert.equal(await version(t, scene), 'one');
});

test('what a filter is told is checked at a reload, at its line', async (t) => {
  const text = `import { defineStreamFilter, respond } from 'holdfast/sdk';
import * as z from 'zod';
export default defineStreamFilter({
  name: 'told',
  config: z.strictObject({ word: z.string() }),
  setup: ({ config }) => config.word,
  onRequest: (_, { shared }) => respond(200, {}, shared),
});
`;
  const routes = (told: object): HttpSetup => ({
    isRouted: true,
    http: routesOf([{ path: '/told', filters: [{ use: './told.ts', with: told }] }]),
  });
  const scene = await startFilters(t, { 'told.ts': text }, routes({ word: 'one' }));
  const word = async (): Promise<string> => (await scene.ask(t, get('/told'))).text;
  await assert.rejects(scene.reload(routes({ word: 7 })), /"code":"HF1102".*"message":"word: /);
  await assert.rejects(scene.reload(routes({ word: 'x', more: 1 })), /"code":"HF1102".*more/);
  assert.equal(await word(), 'one');
  await scene.reload(routes({ word: 'two' }));
  assert.equal(await word(), 'two');
});
