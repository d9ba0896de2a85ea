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
      weights: (cluster, weights) => events.emit(`weights ${cluster}`, weights),
      found: (cluster, endpoints) => events.emit(`found ${cluster}`, endpoints),
      fault: (cluster, message) => events.emit(`fault ${cluster}`, message),
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
    cluster: 'app',
    kind,
    program: { hash: `h${programs}`, entry, files: { [entry]: text } },
    config,
  };
}

const endpoint = (active: number) => ({
  address: '10.0.0.1:80',
  weight: 1,
  labels: {},
  isHealthy: true,
  active,
});

test('weights come when endpoints change, and only when they differ', async (t) => {
  const { thread, next } = createThread(t);
  thread.apply([useOf('balancer', 'weigh: (list) => list.map((one) => one.active > 5 ? 1 : 10)')]);
  let weights = next('weights app');
  thread.update('app', [endpoint(1), endpoint(9)]);
  assert.deepEqual(await weights, [10, 1]);
  weights = next('weights app');
  thread.update('app', [endpoint(2), endpoint(8)]);
  thread.update('app', [endpoint(7), endpoint(8)]);
  assert.deepEqual(await weights, [1, 1]);
});

test('nonsense of a balancer is told, and changes nothing', async (t) => {
  const { thread, next } = createThread(t);
  for (const [body, said] of [
    ['weigh: () => [1]', /it returned 1 weights for 2 endpoints/],
    ['weigh: () => [1, NaN]', /the weight NaN/],
    ['weigh: () => [1, 2000]', /the weight 2000/],
    ["weigh: () => { throw new Error('tired') }", /balancer "mine": tired/],
    ['weigh: 5', /it cannot be used: weigh must be a function/],
  ] as const) {
    const fault = next('fault app');
    thread.apply([useOf('balancer', body)]);
    thread.update('app', [endpoint(1), endpoint(2)]);
    assert.match(String(await fault), said);
  }
});

test('a discovery yields lists until it is gone', async (t) => {
  const { thread, next } = createThread(t);
  let found = next('found app');
  const body = `async *watch({ signal, cluster }) {
    yield [{ address: '10.0.0.1:80', weight: 2, labels: { cluster } }];
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    yield [];
  }`;
  thread.apply([useOf('discovery', body)]);
  assert.deepEqual(await found, [
    { address: '10.0.0.1:80', weight: 2, labels: { cluster: 'app' } },
  ]);
  found = next('found app');
  thread.apply([useOf('discovery', "async *watch() { yield [{ address: '10.0.0.2:80' }]; }")]);
  assert.deepEqual(await found, [{ address: '10.0.0.2:80', weight: 1, labels: {} }]);
});

test('a discovery that throws or yields nonsense is told, with the time of the next try', async (t) => {
  const { thread, next } = createThread(t);
  for (const [body, said] of [
    ["async *watch() { throw new Error('no registry'); }", /no registry; again in 1 s/],
    ['async *watch() { yield 5; }', /it yielded number, not a list/],
    ['async *watch() { yield [{ weight: 1 }]; }', /an endpoint without an address/],
    ["async *watch() { yield [{ address: 'a:1', weight: 0 }]; }", /a:1 with weight 0/],
    ['watch() { return 5; }', /again in 1 s/],
  ] as const) {
    const fault = next('fault app');
    thread.apply([useOf('discovery', body)]);
    assert.match(String(await fault), said);
  }
});

test('a thread that dies or hangs is replaced, and gets everything again', async (t) => {
  const { thread, next } = createThread(t);
  const flag = 'const seen = globalThis as { calls?: number };';
  for (const [act, said] of [
    ['process.exit(4)', /started again: it ended with code 4/],
    ['for (;;);', /started again: it did not answer for 4000 ms/],
  ] as const) {
    const body = `weigh: (list) => { ${flag} if (list[0].active === 1) { ${act} } return list.map(() => 7); }`;
    const fault = next('fault app');
    thread.apply([useOf('balancer', body)]);
    thread.update('app', [endpoint(1)]);
    assert.match(String(await fault), said);
    const weights = next('weights app');
    thread.update('app', [endpoint(2)]);
    assert.deepEqual(await weights, [7]);
  }
});
