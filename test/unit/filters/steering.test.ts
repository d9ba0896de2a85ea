/**
 * Steering: which answers hold over changes that succeed, fail, or come too late.
 *
 * Path: Steering with a real thread.
 * Invariant under test: nothing that lives is touched before a change is settled; the last good
 * answers go over to whoever takes the place.
 */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { type PolicyUse, Steering } from '../../../src/main/filters/index.ts';
import type { SteeringKind } from '../../../src/main/filters/policy/index.ts';

const log = (records: string[]) => {
  const say =
    (level: string) =>
    (fields: object, message: string): void => {
      records.push(`${level} ${JSON.stringify(fields)} ${message}`);
    };
  return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
};

function createSteering(t: TestContext, endpointsMax = 100) {
  const events = new EventEmitter();
  const records: string[] = [];
  const steering = new Steering({
    log: log(records) as never,
    weighed: () => [{ address: '10.0.0.1:80', weight: 1, labels: {}, isHealthy: true, active: 0 }],
    onChange: () => events.emit('change'),
    endpointsMax,
    nowMs: () => performance.now(),
  });
  t.after(() => steering.close());
  return { steering, records, changed: () => once(events, 'change') };
}

function useOf(id: string, kind: SteeringKind, body: string, cluster = 'app'): PolicyUse {
  const entry = `file:///steering/${id}.ts`;
  const define = kind === 'balancer' ? 'defineLoadBalancer' : 'defineDiscovery';
  const text = `import { ${define} } from 'holdfast/sdk';\nexport default ${define}({ name: 'mine', ${body} });\n`;
  const program = { hash: id, entry, files: { [entry]: text } };
  const base = 'file:///steering/gateway.yaml';
  return { id, cluster, kind, name: 'mine', specifier: './mine.ts', program, config: null, base };
}

function finds(id: string, port: number, cluster = 'app'): PolicyUse {
  const body = `async *watch({ signal }) {
    yield [{ address: '10.0.0.1:${port}', weight: 1000 }, { address: '10.0.0.2:${port}' }];
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  }`;
  return useOf(id, 'discovery', body, cluster);
}

const FAILS = "async *watch() { throw new Error('away'); }";

test('a change that fails leaves what lives; one that is settled takes its place', async (t) => {
  const { steering } = createSteering(t);
  const ports = (uses: readonly PolicyUse[]): unknown =>
    steering
      .discovered(uses, 'app')
      ?.map(({ address, weight }) => ['port' in address ? address.port : 0, weight]);
  const one = [finds('one', 1)];
  await steering.prepare(one);
  assert.equal(steering.view('app', 'discovery'), null, 'it does not live yet');
  steering.settle(one);
  assert.deepEqual(ports(one), [
    [1, 256],
    [1, 1],
  ]);
  const two = [finds('two', 2)];
  await steering.prepare(two);
  assert.deepEqual(
    [ports(one), ports(two)].map((list) => JSON.stringify(list)),
    ['[[1,256],[1,1]]', '[[2,256],[2,1]]'],
  );
  steering.settle(one);
  assert.deepEqual(ports(two), undefined);
  await steering.prepare(two);
  steering.settle(two);
  assert.deepEqual([ports(one), JSON.stringify(ports(two))], [undefined, '[[2,256],[2,1]]']);
});

test('who takes a place has what the former one said, until it says more', async (t) => {
  const { steering, records } = createSteering(t);
  const one = [finds('one', 1)];
  await steering.prepare(one);
  steering.settle(one);
  const other = [useOf('other', 'discovery', FAILS)];
  await steering.prepare(other);
  steering.settle(other);
  assert.equal(steering.discovered(other, 'app')?.length, 2);
  const view = steering.view('app', 'discovery');
  assert.deepEqual([view?.updates, view?.failures, view?.lastError], [1, 1, 'away; again in 1 s']);
  assert.ok(
    records.some((line) => /^warn .*"err":"away; again in 1 s".* last endpoints hold/.test(line)),
  );
  steering.settle([]);
  assert.equal(steering.discovered(other, 'app'), null);
  assert.equal(steering.view('app', 'discovery'), null);
});

test('endpoints of all discoveries together are limited', async (t) => {
  const { steering, records } = createSteering(t, 3);
  const uses = [finds('one', 1, 'a'), finds('two', 2, 'b')];
  await steering.prepare([uses[0]] as PolicyUse[]);
  steering.settle([uses[0]] as PolicyUse[]);
  await steering.prepare(uses);
  steering.settle(uses);
  assert.equal(steering.discovered(uses, 'a')?.length, 2);
  assert.equal(steering.discovered(uses, 'b'), null);
  assert.ok(records.some((line) => line.includes('it yielded 2 endpoints; with those of other')));
});

test('a balancer weighs when it lives, and changes are announced', async (t) => {
  const { steering, changed } = createSteering(t);
  const uses = [useOf('even', 'balancer', 'weigh: (list) => list.map(() => 5)')];
  const change = changed();
  await steering.prepare(uses);
  assert.equal(steering.weights(uses, 'app'), null);
  steering.settle(uses);
  await change;
  assert.deepEqual(steering.weights(uses, 'app'), new Map([['10.0.0.1:80', 5]]));
  const text = JSON.stringify(steering.families());
  assert.match(text, /"holdfast_steering_updates_total".*"cluster":"app","kind":"balancer"/);
});
