/**
 * Changes of filters over several shards: all or none, who knows which chain when, and the ids.
 *
 * Path: FilterControl -> links -> FilterCalls and ShardFilters of shards without sockets.
 * Invariant: a shard knows every chain that a snapshot may name; a fault in one shard leaves all of
 * them as they were; what was retired goes with its last holder.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  CheckedModules,
  FilterControl,
  FilterRefusal,
  type FilterSite,
} from '../../../src/main/filters/index.ts';
import { ShardCallError } from '../../../src/main/shards/index.ts';
import type { FilterPlan } from '../../../src/shard/filters/index.ts';
import { ScriptedExchange } from '../../../src/testing/scripted-holders.ts';
import { SILENT } from '../fake-native.ts';
import { FakeShard } from './fake-shards.ts';
import { createFilterFiles } from './filter-files.ts';

const source = (version: string, setup = '() => 1') =>
  `import { defineStreamFilter, respond } from 'holdfast/sdk';
export default defineStreamFilter({
  name: 'f', setup: ${setup}, onRequest: () => respond(200, {}, '${version}'),
});
`;

const SITES: FilterSite[] = [
  {
    key: 'web',
    listener: [{ path: ['listeners', 0, 'filters', 0], specifier: './f.ts', config: null }],
    route: null,
  },
];

function createScene(test: TestContext) {
  const files = createFilterFiles(test);
  const shards: FakeShard[] = [];
  const control: FilterControl = new FilterControl({
    links: () => shards.map(({ link }) => link),
    log: SILENT,
    mode: 'production',
    checks: { modules: new CheckedModules(), checkPolicies: () => [] },
    prepareTimeoutMs: 2000,
  });
  const add = (index: number): FakeShard => new FakeShard(index, () => control);
  shards.push(add(0), add(1));
  test.after(async () => {
    await Promise.all(shards.map((shard) => shard.close()));
    await control.close();
  });
  const plan = async (text: string): Promise<FilterPlan> => {
    files.write('f.ts', text);
    const planned = await control.plan(SITES, files.base);
    assert.ok(planned.plan !== null, JSON.stringify(planned.findings));
    return planned.plan;
  };
  /** What the applier does. */
  const reload = async (text: string): Promise<FilterPlan> => {
    const next = await plan(text);
    await control.prepare(next);
    for (const { link } of shards) await control.ensure(link, next);
    await control.settle(next);
    return next;
  };
  const ask = async (shard: FakeShard | undefined, of: FilterPlan): Promise<string> => {
    const [chain] = of.chains;
    assert.ok(shard !== undefined && chain !== undefined);
    const exchange = new ScriptedExchange(shard.core, chain, 7, {});
    const { text } = await exchange.request();
    exchange.end();
    return text;
  };
  return { control, shards, plan, reload, add, ask };
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('a plan is live everywhere, and what was before goes', async (t) => {
  const { control, shards, reload, ask } = createScene(t);
  const one = await reload(source('one'));
  assert.deepEqual([await ask(shards[0], one), await ask(shards[1], one)], ['one', 'one']);
  const [chain] = one.chains;
  shards[1]?.core.hold(chain?.id ?? 0, 1);
  const two = await reload(source('two'));
  await settle();
  assert.deepEqual([await ask(shards[0], two), await ask(shards[1], one)], ['two', 'one']);
  assert.equal(control.retiringCount, 1, 'one shard still holds the former chain');
  shards[1]?.core.hold(chain?.id ?? 0, -1);
  await settle();
  assert.equal(control.retiringCount, 0);
});

test('the same filters are the same plan, and nothing is asked of shards', async (t) => {
  const { control, shards, reload } = createScene(t);
  const one = await reload(source('one'));
  const calls = shards.map((shard) => shard.calls.length);
  assert.equal(await reload(source('one')), one);
  assert.deepEqual(
    shards.map((shard) => shard.calls.length),
    calls,
  );
  assert.equal(control.retiringCount, 0);
});

test('a fault in one shard leaves all of them as they were', async (t) => {
  const { control, shards, plan, reload, ask } = createScene(t);
  const one = await reload(source('one'));
  const bad = await plan(
    source('two', "({ shard }) => { if (shard === 1) throw new Error('only here'); }"),
  );
  await assert.rejects(control.prepare(bad), (error: Error) => {
    assert.ok(error instanceof FilterRefusal);
    assert.equal(error.message, 'filter "f": Error: only here');
    return true;
  });
  await control.settle(one);
  assert.deepEqual([await ask(shards[0], one), control.retiringCount], ['one', 0]);
  const three = await reload(source('three'));
  await settle();
  assert.ok(three.generation > bad.generation, 'a number is used once');
  assert.deepEqual([await ask(shards[1], three), control.retiringCount], ['three', 0]);
});

test('a snapshot that is not published takes its chains with it', async (t) => {
  const { control, shards, plan, reload, ask } = createScene(t);
  const one = await reload(source('one'));
  const two = await plan(source('two'));
  await control.prepare(two);
  // One shard had the snapshot already, with a request that began by it.
  const [first, second] = shards;
  assert.ok(first !== undefined && second !== undefined);
  await control.ensure(first.link, two);
  const id = two.chains[0]?.id ?? 0;
  first.core.hold(id, 1);
  assert.equal(await ask(first, two), 'two');
  await control.settle(one);
  await settle();
  assert.deepEqual([control.retiringCount, await ask(first, one)], [1, 'one']);
  const three = await reload(source('three'));
  assert.notEqual(three.chains[0]?.id, id, 'the id is taken as long as somebody holds it');
  first.core.hold(id, -1);
  await settle();
  assert.equal(control.retiringCount, 0);
});

test('a shard that starts learns the plan before its snapshot', async (t) => {
  const { control, shards, add, reload, ask } = createScene(t);
  const one = await reload(source('one'));
  const fresh = add(1);
  shards[1] = fresh;
  control.ended(1);
  assert.equal(fresh.isAttached, false);
  await control.ensure(fresh.link, one);
  assert.equal(await ask(fresh, one), 'one');
  await control.ensure(fresh.link, one);
  assert.deepEqual(fresh.calls, ['prepareFilters', 'commitFilters']);
});

test('a shard that ends holds nothing back', async (t) => {
  const { control, shards, reload } = createScene(t);
  const one = await reload(source('one'));
  shards[1]?.core.hold(one.chains[0]?.id ?? 0, 1);
  await reload(source('two'));
  await settle();
  assert.equal(control.retiringCount, 1);
  control.ended(1);
  assert.equal(control.retiringCount, 0);
});

test('a shard that does not answer is given up, and the others are not asked', async (t) => {
  const { control, shards, plan } = createScene(t);
  const [first, second] = shards;
  assert.ok(first !== undefined && second !== undefined);
  first.isMute = true;
  const one = await plan(source('one'));
  await assert.rejects(control.prepare(one), /did not answer.*"setup" of a filter blocks/);
  await first.link.ended;
  assert.deepEqual(second.calls, []);
});

test('a shard that ends while it sets filters up is a fault, and the others are not asked', async (t) => {
  const { control, shards, plan } = createScene(t);
  const [first, second] = shards;
  assert.ok(first !== undefined && second !== undefined);
  first.isMute = true;
  const refused = assert.rejects(
    control.prepare(await plan(source('one'))),
    /shard 0 has ended; "setup" of a filter ends the thread/,
  );
  while (first.calls.length === 0) await settle();
  await first.terminate();
  await refused;
  assert.deepEqual(second.calls, []);
});

test('a shard that cannot run the plan says so where a snapshot is waiting', async (t) => {
  const { control, shards, plan } = createScene(t);
  const one = await plan(source('one', "() => { throw new Error('no'); }"));
  const [first] = shards;
  assert.ok(first !== undefined);
  await assert.rejects(control.ensure(first.link, one), (error: Error) => {
    assert.ok(error instanceof ShardCallError && error.reason === 'failed');
    assert.match(error.message, /filter "f": Error: no/);
    return true;
  });
});

test('no filters any more: everything is retired, and a new shard loads nothing', async (t) => {
  const { control, shards, add, reload } = createScene(t);
  await reload(source('one'));
  const { plan } = await control.plan([], '');
  assert.ok(plan !== null);
  await control.prepare(plan);
  for (const { link } of shards) await control.ensure(link, plan);
  await control.settle(plan);
  await settle();
  assert.equal(control.retiringCount, 0);
  const fresh = add(2);
  await control.ensure(fresh.link, plan);
  assert.deepEqual([fresh.calls, fresh.isAttached], [[], false]);
});
