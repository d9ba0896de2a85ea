/**
 * Balancers and discoveries of users, in their thread: what they yield, and what they do wrong.
 *
 * Path: PolicyThread with a real worker.
 * Invariant: nonsense changes nothing, and a thread that hangs or dies is replaced.
 */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { PolicyThread, type PolicyUse } from '../../../src/main/filters/policy/index.ts';

const PATIENCE = { pingMs: 50, silenceMsMax: 4000, restartMs: 10 };

function createThread(t: TestContext) {
  const events = new EventEmitter();
  const thread = new PolicyThread(
    {
      weights: (_id, weights) => events.emit('weights', weights),
      found: (_id, endpoints) => events.emit('found', endpoints),
      fault: (_id, message) => events.emit('fault', message),
      ask: (cluster) => events.emit('ask', cluster),
      lost: (why) => events.emit('lost', why),
    },
    PATIENCE,
  );
  t.after(() => thread.close());
  const next = async (name: string): Promise<unknown> => (await once(events, name))[0];
  return { thread, next };
}

let programs = 0;

function useOf(kind: PolicyUse['kind'], body: string, config?: unknown): PolicyUse {
  const entry = `file:///policy/${++programs}.ts`;
  const define = kind === 'balancer' ? 'defineLoadBalancer' : 'defineDiscovery';
  const text = `import { ${define} } from 'holdfast/sdk';\nexport default ${define}({ name: 'mine', ${body} });\n`;
  return {
    id: `use ${programs}`,
    cluster: 'app',
    kind,
    name: 'mine',
    specifier: './mine.ts',
    base: 'file:///policy/gateway.yaml',
    program: { hash: `h${programs}`, entry, files: { [entry]: text } },
    config,
  };
}

const endpoint = (active: number, address = '10.0.0.1:80') => ({
  address,
  weight: 1,
  labels: {},
  isHealthy: true,
  active,
});

test('weights come when endpoints change; what is the same is said to be', async (t) => {
  const { thread, next } = createThread(t);
  thread.apply([useOf('balancer', 'weigh: (list) => list.map((one) => one.active > 5 ? 1 : 10)')]);
  const tell = async (a: number, b: number): Promise<unknown> => {
    const weights = next('weights');
    thread.update('app', [endpoint(a, 'a'), endpoint(b, 'b')]);
    return weights;
  };
  const first = new Map([
    ['a', 10],
    ['b', 1],
  ]);
  assert.deepEqual(await tell(1, 9), first);
  assert.equal(await tell(2, 8), null);
  assert.deepEqual(await tell(7, 8), new Map([...first, ['a', 1]]));
});

test('a balancer with an interval asks, and what was told before it was there is weighed', async (t) => {
  const { thread, next } = createThread(t);
  const weights = next('weights');
  const asked = next('ask');
  thread.apply([useOf('balancer', "interval: '1ms', weigh: (list) => list.map(() => 2.5)")]);
  thread.update('app', [endpoint(1)]);
  assert.deepEqual(await weights, new Map([['10.0.0.1:80', 2.5]]));
  assert.equal(await asked, 'app');
});

test('nonsense of a balancer is told, and changes nothing', async (t) => {
  const { thread, next } = createThread(t);
  for (const [body, said] of [
    ['weigh: () => [1]', /it returned 1 weights for 2 endpoints/],
    ['weigh: () => [1, NaN]', /the weight NaN/],
    ['weigh: () => [1, 2000]', /the weight 2000/],
    ["weigh: () => { throw new Error('tired') }", /^tired$/],
    ['weigh: async () => [1, 2]', /it returned object for 2 endpoints/],
    ['weigh: 5', /it cannot be used: weigh must be a function/],
  ] as const) {
    const fault = next('fault');
    thread.apply([useOf('balancer', body)]);
    thread.update('app', [endpoint(1), endpoint(2)]);
    assert.match(String(await fault), said);
    // Another thread for the next one: what was told to this one says nothing twice.
    thread.apply([]);
  }
});

test('a discovery yields lists until it is gone', async (t) => {
  const { thread, next } = createThread(t);
  let found = next('found');
  const body = `async *watch({ signal, cluster }) {
    yield [{ address: '10.0.0.1:80', weight: 2, labels: { cluster } }];
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    yield [];
  }`;
  thread.apply([useOf('discovery', body)]);
  assert.deepEqual(await found, [
    { address: '10.0.0.1:80', weight: 2, labels: { cluster: 'app' } },
  ]);
  found = next('found');
  thread.apply([useOf('discovery', "async *watch() { yield [{ address: '10.0.0.2:80' }]; }")]);
  assert.deepEqual(await found, [{ address: '10.0.0.2:80', weight: 1, labels: {} }]);
});

test('a discovery that throws or yields nonsense is told, with the time of the next try', async (t) => {
  const { thread, next } = createThread(t);
  for (const [body, said] of [
    ["async *watch() { throw new Error('no registry'); }", /no registry; again in 1 s/],
    ['async *watch() { yield 5; }', /it yielded number, not a list/],
    ['async *watch() { yield [{ weight: 1 }]; }', /an endpoint without an address/],
    ["async *watch() { yield [{ address: '1.2.3.4:1', weight: 0 }]; }", /4:1 with weight 0/],
    ["async *watch() { yield [{ address: 'name:1' }]; }", /"name:1", which is no IP literal/],
    ["async *watch() { yield [{ address: 'unix:/' + 'x'.repeat(107) }]; }", /more than 107 bytes/],
    [
      "async *watch() { yield [{ address: '1.2.3.4:1', labels: { zone: '' } }]; }",
      /1.2.3.4:1 with labels that are none/,
    ],
    ['async *watch() { yield Array(4097); }', /it yielded 4097 endpoints; 4096 are possible/],
    ['watch() { return 5; }', /again in 1 s/],
  ] as const) {
    const fault = next('fault');
    thread.apply([useOf('discovery', body)]);
    assert.match(String(await fault), said);
  }
});

test('a thread that dies or hangs is replaced, and gets everything again', async (t) => {
  const { thread, next } = createThread(t);
  const flag = 'const seen = globalThis as { calls?: number };';
  for (const [act, said] of [
    ['process.exit(4)', /^it ended with code 4/],
    ['for (;;);', /^it did not answer for 4000 ms/],
  ] as const) {
    const body = `weigh: (list) => { ${flag} if (list[0].active === 1) { ${act} } return list.map(() => 7); }`;
    const lost = next('lost');
    thread.apply([useOf('balancer', body)]);
    thread.update('app', [endpoint(1)]);
    assert.match(String(await lost), said);
    const weights = next('weights');
    thread.update('app', [endpoint(2)]);
    assert.deepEqual(await weights, new Map([['10.0.0.1:80', 7]]));
  }
});

test('who yields without a pause is asked for the next list when it is time', async (t) => {
  const { thread, next } = createThread(t);
  const body = `async *watch() {
    for (let i = 0; ; i++) yield [{ address: '10.0.0.1:' + (i + 1) }];
  }`;
  let found = next('found');
  thread.apply([useOf('discovery', body)]);
  assert.deepEqual(await found, [{ address: '10.0.0.1:1', weight: 1, labels: {} }]);
  found = next('found');
  assert.deepEqual(await found, [{ address: '10.0.0.1:2', weight: 1, labels: {} }]);
});

test('a use that waits for something is over when it is gone, and nobody waits for it', async (t) => {
  const { thread, next } = createThread(t);
  const stuck = useOf('discovery', 'async *watch() { await new Promise(() => {}); yield []; }');
  thread.apply([stuck]);
  const found = next('found');
  thread.apply([stuck, useOf('discovery', 'async *watch() { yield []; }')]);
  assert.deepEqual(await found, []);
  thread.apply([]);
  const again = next('found');
  thread.apply([useOf('discovery', 'async *watch() { yield []; }')]);
  assert.deepEqual(await again, []);
});
