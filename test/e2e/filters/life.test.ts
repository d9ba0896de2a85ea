/**
 * What happens around filters: clients that go away, work given away, shards that die or stall.
 *
 * Path: clients -> gateway with filters of this file -> origin.
 * Invariant under test: whatever a filter does with its time, it is ended, told or named, and the
 * rest of the gateway goes on.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeDirectory } from '../harness.ts';
import { seenIn } from '../http/http-origin.ts';
import { get } from '../http/http-scene.ts';
import { valueOf } from '../http/message.ts';
import {
  routesOf,
  said,
  startFilters,
  streamFilter,
  tryAsk,
  writeFilters,
} from './filter-scene.ts';

const THINKER = streamFilter(
  'thinker',
  `timeout: '30s', setup: ({ log }) => log, begin: () => ({ path: '' }),
  async onRequest(request, { shared, signal, state }) {
    state.path = request.target;
    shared.info('thinking ' + state.path);
    await new Promise((_, reject) => signal.addEventListener('abort', () => {
      shared.info('aborted ' + state.path + ': ' + signal.reason.message);
      reject(signal.reason);
    }));
  },
  onEnd(record, { shared, state }) {
    shared.info('over ' + state.path, { reason: record.reason });
  }`,
);

test('a client that goes away while a filter thinks ends the thought', async (t) => {
  const scene = await startFilters(
    t,
    { 'thinker.ts': THINKER },
    {
      isRouted: true,
      http: routesOf([{ path: '/thinker', filters: ['./thinker.ts'] }, { path: '/plain' }]),
    },
  );
  const { gateway } = scene;
  for (const how of ['finish', 'reset'] as const) {
    const client = await scene.connect(t);
    client.send(get(`/thinker?${how}`));
    await said(gateway, `thinking /thinker?${how}`);
    if (how === 'finish') client.socket.destroy();
    else client.reset();
    await said(gateway, `aborted /thinker?${how}: the client is gone`);
    await said(gateway, `over /thinker?${how}`);
  }
  assert.equal((await scene.ask(t, get('/plain'))).status, 200);
  assert.ok(!scene.origin.seen.some((line) => line.includes('thinker')));
  await scene.counterUntil('tunnels', (value) => value === 0);
});

test('a shard that dies comes back with its filters', async (t) => {
  const text = streamFilter('mark', "onRequest(request) { request.headers.set('x-mark', 'yes'); }");
  const scene = await startFilters(
    t,
    { 'mark.ts': text },
    {
      env: { HF_TEST_FAULTS: '1' },
      isRouted: true,
      http: routesOf([{ path: '/mark', filters: ['./mark.ts'] }]),
    },
  );
  const { gateway } = scene;
  for (const kind of ['throw', 'exit']) {
    const from = gateway.records.length;
    await gateway.admin('POST', '/v1/test/shards/0/fault', { kind });
    await gateway.logged(({ msg }) => msg === 'shard restarted', from);
    const outcome = await tryAsk(t, scene, get('/mark'));
    assert.ok(typeof outcome !== 'string', `${kind}: ${JSON.stringify(outcome)}`);
    assert.equal(valueOf(seenIn(outcome), 'x-mark'), 'yes');
  }
  const { json } = await gateway.admin('POST', '/v1/reload');
  assert.equal(json.result, 'unchanged');
});

test('a filter that blocks its shard is named', async (t) => {
  const text = streamFilter(
    'block',
    `onRequest(request) {
    if (request.query('for') !== null) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(request.query('for')));
    }
  }`,
  );
  const scene = await startFilters(
    t,
    { 'block.ts': text },
    {
      isRouted: true,
      http: routesOf([{ path: '/block', filters: ['./block.ts'] }]),
    },
  );
  assert.equal((await scene.ask(t, get('/block?for=1500'))).status, 200);
  const stall = await scene.gateway.logged(({ msg }) => msg === 'a shard stalls');
  assert.equal(stall['doing'], 'filter "block" of web/block, onRequest');
  const blocked = await scene.gateway.logged(({ filter }) => filter === 'block');
  assert.match(blocked.msg, /^filter "block" \(generation 1\), onRequest: /);
  const { text: page } = await scene.gateway.counted('/metrics?scope=filter');
  assert.match(page, /holdfast_filter_blocked_total\{filter="block",.*hook="request"\} 1\n/);
});

const WORKER = `export function square(n: number): number { return n * n; }
export function spin(ms: number): string {
  const end = performance.now() + ms;
  while (performance.now() < end);
  return 'spun';
}
export function fail(): never { throw new Error('in the worker'); }
`;

test('work is given away; what would come too late is shed with 503', async (t) => {
  const away = streamFilter(
    'away',
    `timeout: '2s', breaker: { failures: 0, cooldown: '1s' }, offload: new URL('./worker.ts', import.meta.url),
  async onRequest(request, { offload }) {
    const task = request.query('task') ?? '';
    return respond(200, {}, String(await offload(task, Number(request.query('n')))));
  }`,
  );
  const scene = await startFilters(
    t,
    { 'away.ts': away, 'worker.ts': WORKER },
    {
      isRouted: true,
      http: routesOf([{ path: '/away', filters: ['./away.ts'] }, { path: '/plain' }]),
    },
  );
  const ask = (target: string): Promise<{ status: number; text: string }> =>
    scene.ask(t, get(target));
  // The first job starts a thread, which may take longer than the filter's timeout.
  let first = await ask('/away?task=square&n=7');
  while (first.status === 503) first = await ask('/away?task=square&n=7');
  assert.deepEqual([first.status, first.text], [200, '49']);
  assert.equal((await ask('/away?task=fail&n=0')).status, 500);
  const failed = await scene.gateway.logged(({ msg }) => msg.includes('in the worker'));
  assert.match(failed.msg, /^filter "away" \(generation 1\), onRequest: /);
  const spins = Array.from({ length: 24 }, () => ask('/away?task=spin&n=500'));
  const statuses = (await Promise.all(spins)).map(({ status }) => status);
  assert.ok(statuses.includes(200) && statuses.includes(503), statuses.join());
  assert.equal(statuses.filter((status) => status !== 200 && status !== 503).length, 0);
  assert.equal((await ask('/plain')).status, 200);
  const { text } = await scene.gateway.counted('/metrics?scope=filter');
  assert.match(text, /holdfast_offload_jobs_total\{result="done"\} [1-9]/);
  assert.match(text, /holdfast_offload_run_seconds_count [1-9]/);
});

const HOOK = `import { registerHooks } from 'node:module';
import { appendFileSync } from 'node:fs';
registerHooks({
  load(url, about, next) {
    appendFileSync(process.env.SEEN, url + '\\n');
    return next(url, about);
  },
});
`;

test('a gateway without filters loads nothing of what runs them, in no thread', async (t) => {
  const directory = makeDirectory(t);
  writeFilters(directory, { 'hook.mjs': HOOK });
  const seen = join(directory, 'seen');
  const text = streamFilter('first', "onRequest: () => respond(200, {}, 'filtered')");
  const scene = await startFilters(
    t,
    { 'first.ts': text },
    {
      env: { NODE_OPTIONS: `--import ${join(directory, 'hook.mjs')}`, SEEN: seen },
      isRouted: true,
      http: routesOf([{ path: '/first' }]),
    },
  );
  const loaded = (): string[] =>
    readFileSync(seen, 'utf8')
      .split('\n')
      .filter((url) => /src\/(shard|main)\/(filters|builtin)\/|node_modules\/piscina/.test(url));
  assert.equal((await scene.ask(t, get('/first'))).status, 200);
  assert.deepEqual(loaded(), []);
  await scene.reload({ http: routesOf([{ path: '/first', filters: ['./first.ts'] }]) });
  assert.equal((await scene.ask(t, get('/first'))).text, 'filtered');
  assert.ok(loaded().some((url) => url.endsWith('src/shard/filters/host.ts')));
  assert.ok(!loaded().some((url) => url.includes('piscina')), 'nothing is given away');
});
