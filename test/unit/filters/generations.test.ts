/**
 * Generations: what keeps a filter, when it is disposed of, and what a thousand reloads cost.
 *
 * Path: planner -> prepare -> host, with the core played by `holdfast/testing`.
 * Invariant: whoever began with a filter keeps it to the end; then it is disposed of, once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FilterPlanner, type FilterSite } from '../../../src/main/filters/index.ts';
import {
  createCounterMemory,
  FilterCounters,
  FilterHost,
  type FilterLine,
  type FilterPlan,
  ModuleLoader,
  prepareInstances,
  releasePrepared,
} from '../../../src/shard/filters/index.ts';
import { ScriptedCore } from '../../../src/testing/index.ts';
import { ScriptedExchange } from '../../../src/testing/scripted-holders.ts';
import { createFilterFiles } from './filter-files.ts';

const loader = new ModuleLoader();

/** One shard without sockets. */
function createShard() {
  const core = new ScriptedCore();
  const lines: FilterLine[] = [];
  const write = (line: FilterLine): void => void lines.push(line);
  const counters = new FilterCounters(createCounterMemory());
  const host = new FilterHost({
    core,
    memory: core.memory,
    counters,
    mode: 'production',
    offloader: null,
    write,
  });
  const drained: number[] = [];
  core.attach({
    run: (words) => host.run(words),
    drained: (chain) => {
      host.drained(chain);
      drained.push(chain);
    },
  });
  const prepare = (plan: FilterPlan) =>
    prepareInstances(plan, { loader, shard: 0, write, known: host.instances() });
  const apply = async (plan: FilterPlan): Promise<void> => {
    const prepared = await prepare(plan);
    assert.deepEqual(prepared.faults, []);
    host.commit(plan, prepared.instances);
    await releasePrepared(prepared);
  };
  return { core, host, lines, drained, prepare, apply, counters };
}

/** A filter that says which one it is, and tells a global list when it goes. */
function source(version: string): string {
  return `import { defineStreamFilter, respond } from 'holdfast/sdk';
const world = globalThis as { disposed?: string[] };
export default defineStreamFilter({
  name: 'versioned',
  setup: ({ generation }) => ({ generation }),
  begin: () => ({}),
  onRequest: () => respond(200, {}, '${version}'),
  dispose: ({ generation }) => { (world.disposed ??= []).push('${version}/' + generation); },
});
`;
}

const disposed = (): string[] => ((globalThis as { disposed?: string[] }).disposed ??= []);

function siteOf(config?: unknown): FilterSite[] {
  const use = { path: ['listeners', 0, 'filters', 0], specifier: './f.ts', config };
  return [{ key: 'web', listener: [use], route: null }];
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('who began with a filter keeps it over a reload; it goes with the last of them', async (t) => {
  const files = createFilterFiles(t);
  const planner = new FilterPlanner();
  const shard = createShard();
  disposed().length = 0;
  const reload = async (version: string) => {
    files.write('f.ts', source(version));
    const { plan, findings } = await planner.plan(siteOf(), files.base);
    assert.ok(plan !== null, JSON.stringify(findings));
    await shard.apply(plan);
    planner.commit(plan, [0]);
    const [chain] = plan.chains;
    assert.ok(chain !== undefined);
    return chain;
  };
  const first = await reload('one');
  const pinned = new ScriptedExchange(shard.core, first, 1, {});
  assert.equal((await pinned.request()).text, 'one');
  const second = await reload('two');
  assert.notEqual(second.id, first.id);
  const fresh = new ScriptedExchange(shard.core, second, 2, {});
  assert.deepEqual([(await pinned.request()).text, (await fresh.request()).text], ['one', 'two']);
  await settle();
  assert.deepEqual([disposed(), shard.host.counts.chains], [[], 2]);
  pinned.end();
  await settle();
  assert.deepEqual([disposed(), shard.drained], [['one/1'], [first.id]]);
  assert.equal(planner.programs.length, 2, 'the pool still knows both');
  planner.drained(first.id, 0);
  assert.deepEqual([planner.retiringCount, planner.programs.length], [0, 1]);
  assert.deepEqual(planner.live?.chains, [second]);
  assert.equal((await fresh.request()).text, 'two');
});

test('an instance that a new plan needs survives the end of its last holder', async (t) => {
  const files = createFilterFiles(t);
  const planner = new FilterPlanner();
  const shard = createShard();
  disposed().length = 0;
  const planOf = async (version: string): Promise<FilterPlan> => {
    files.write('f.ts', source(version));
    const { plan } = await planner.plan(siteOf(), files.base);
    assert.ok(plan !== null);
    return plan;
  };
  const one = await planOf('one');
  await shard.apply(one);
  planner.commit(one, [0]);
  const [chain] = one.chains;
  assert.ok(chain !== undefined);
  const pinned = new ScriptedExchange(shard.core, chain, 1, {});
  const two = await planOf('two');
  await shard.apply(two);
  planner.commit(two, [0]);
  const back = await planOf('one');
  assert.deepEqual(back.instances, one.instances);
  const prepared = await shard.prepare(back);
  pinned.end();
  await settle();
  assert.deepEqual([shard.drained, disposed()], [[chain.id], []]);
  shard.host.commit(back, prepared.instances);
  await releasePrepared(prepared);
  await settle();
  assert.deepEqual(disposed(), ['two/2']);
});

test('a reload that changes nothing makes nothing', async (t) => {
  const files = createFilterFiles(t);
  files.write('f.ts', source('same'));
  const planner = new FilterPlanner();
  const shard = createShard();
  const one = await planner.plan(siteOf(), files.base);
  assert.ok(one.plan !== null);
  await shard.apply(one.plan);
  planner.commit(one.plan, [0]);
  const before = shard.host.instances();
  const two = await planner.plan(siteOf(), files.base);
  assert.ok(two.plan !== null);
  await shard.apply(two.plan);
  planner.commit(two.plan, [0]);
  assert.deepEqual(two.plan.chains, one.plan.chains);
  assert.deepEqual([...shard.host.instances().values()], [...before.values()]);
  assert.deepEqual([planner.checkCount, planner.retiringCount], [1, 0]);
});

test('a configuration with a fault changes nothing, and says where it is', async (t) => {
  const files = createFilterFiles(t);
  files.write('f.ts', source('good'));
  const planner = new FilterPlanner();
  assert.ok((await planner.plan(siteOf(), files.base)).plan !== null);
  const wrong = await planner.plan(siteOf({ a: 1 }), files.base);
  assert.equal(wrong.plan, null);
  assert.deepEqual(wrong.findings, [
    {
      path: ['listeners', 0, 'filters', 0, 'with'],
      file: '',
      line: 0,
      column: 0,
      message: '"versioned" takes no configuration',
    },
  ]);
  const path = files.write('f.ts', 'export default {;\n');
  const broken = await planner.plan(siteOf(), files.base);
  assert.deepEqual(
    broken.findings.map(({ file, line, path: at }) => [file, line, at.join('/')]),
    [[path, 1, 'listeners/0/filters/0/use']],
  );
});

test('network filters stand on listeners, and what is no filter stands nowhere', async (t) => {
  const files = createFilterFiles(t);
  files.write(
    'n.ts',
    "import { defineNetworkFilter } from 'holdfast/sdk';\nexport default defineNetworkFilter({ name: 'n', onAccept() {} });\n",
  );
  files.write(
    'd.ts',
    "import { defineDiscovery } from 'holdfast/sdk';\nexport default defineDiscovery({ name: 'd', async *watch() {} });\n",
  );
  const planner = new FilterPlanner();
  const use = (specifier: string) => ({ path: [specifier], specifier, config: undefined });
  const sites: FilterSite[] = [
    { key: 'web', listener: [use('./n.ts'), use('./d.ts')], route: null },
    { key: 'web/r', listener: [use('./n.ts')], route: [use('./n.ts')] },
  ];
  const { findings } = await planner.plan(sites, files.base);
  assert.deepEqual(
    findings.map((finding) => finding.message),
    ['"n" is a network filter; those stand on listeners', '"d" is a discovery, not a filter'],
  );
});

test('a setup that fails on one shard leaves nothing behind on any', async (t) => {
  const files = createFilterFiles(t);
  files.write('f.ts', source('kept'));
  files.write(
    'bad.ts',
    "import { defineStreamFilter } from 'holdfast/sdk';\nexport default defineStreamFilter({ name: 'bad', setup() { throw new Error('no'); }, onRequest() {} });\n",
  );
  disposed().length = 0;
  const planner = new FilterPlanner();
  const shard = createShard();
  const use = { path: [], specifier: './bad.ts', config: undefined };
  const sites: FilterSite[] = [
    { key: 'web', listener: [...(siteOf()[0]?.listener ?? []), use], route: null },
  ];
  const { plan } = await planner.plan(sites, files.base);
  assert.ok(plan !== null);
  const prepared = await shard.prepare(plan);
  assert.deepEqual(prepared.faults, [{ filter: 'bad', message: 'Error: no' }]);
  assert.deepEqual(disposed(), ['kept/1']);
  const good = await planner.plan(siteOf(), files.base);
  assert.ok(good.plan !== null);
  const unused = await shard.prepare(good.plan);
  await releasePrepared(unused);
  assert.deepEqual(disposed(), ['kept/1', 'kept/1']);
});

test('a thousand reloads that swap code keep the heap flat, and dispose of each', async (t) => {
  const files = createFilterFiles(t);
  const plans: FilterPlan[] = [];
  for (const version of ['a', 'b']) {
    files.write('f.ts', source(version));
    const { plan } = await new FilterPlanner().plan(siteOf(), files.base);
    assert.ok(plan !== null);
    plans.push(plan);
  }
  const shard = createShard();
  disposed().length = 0;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heapAfter = async (): Promise<number> => {
    await settle();
    collect();
    return process.memoryUsage().heapUsed;
  };
  const reload = async (generation: number): Promise<void> => {
    const plan = plans[generation % 2] as FilterPlan;
    const [instance] = plan.instances;
    const [chain] = plan.chains;
    assert.ok(instance !== undefined && chain !== undefined);
    const id = generation;
    await shard.apply({
      generation,
      programs: plan.programs,
      instances: [{ ...instance, id, generation }],
      chains: [
        { ...chain, id: 1 + (generation % 3), members: [{ instance: id, place: 'listener' }] },
      ],
    });
    await settle();
  };
  let generation = 0;
  const grownBy = async (reloads: number): Promise<number> => {
    const before = await heapAfter();
    for (const last = generation + reloads; generation < last; ) await reload(++generation);
    return (await heapAfter()) - before;
  };
  await grownBy(200);
  // An instance that stayed would be several kilobytes for each reload, each time. What the engine
  // makes for itself, whenever it comes to it, it makes once.
  const grown: number[] = [];
  while (grown.length < 3 && !((grown.at(-1) ?? Infinity) < 1024 * 1024)) {
    grown.push(await grownBy(1000));
  }
  assert.ok((grown.at(-1) ?? 0) < 1024 * 1024, `the heap grew by ${grown.join(', ')} bytes`);
  assert.equal(shard.host.counts.chains, 1);
  assert.equal(disposed().length, generation - 1);
  assert.ok(loader.loadedCount < 20, 'the same sources are loaded once');
});
