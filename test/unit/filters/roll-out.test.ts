/**
 * Rolling out over several shards: all or none, and the ids that follow.
 *
 * Path: planner -> rollOut -> ShardFilters of two shards without sockets.
 * Invariant: a fault in one shard leaves every shard as it was.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FilterPlanner,
  type FilterShard,
  type FilterSite,
  rollOut,
} from '../../../src/main/filters/index.ts';
import {
  createCounterMemory,
  type FilterFault,
  ShardFilters,
} from '../../../src/shard/filters/index.ts';
import { ScriptedCore } from '../../../src/testing/index.ts';
import { createFilterFiles } from './filter-files.ts';

function createShards(planner: FilterPlanner) {
  return [0, 1].map((index) => {
    const core = new ScriptedCore();
    const filters = new ShardFilters({
      shard: index,
      core,
      memory: core.memory,
      counters: createCounterMemory(),
      offloadPort: null,
      mode: 'production',
      write: () => {},
      onDrained: (chain) => planner.drained(chain, index),
    });
    core.attach(filters.port);
    const face: FilterShard = {
      index,
      prepare: (plan) => filters.prepare(plan),
      commit: async (generation) => filters.commit(generation),
      abandon: () => filters.abandon(),
    };
    return { core, filters, face };
  });
}

const source = (version: string, setup = '() => 1') =>
  `import { defineStreamFilter, respond } from 'holdfast/sdk';\nexport default defineStreamFilter({ name: 'f', setup: ${setup}, onRequest: () => respond(200, {}, '${version}') });\n`;

const SITES: FilterSite[] = [
  {
    key: 'web',
    listener: [{ path: ['listeners', 0, 'filters', 0], specifier: './f.ts', config: undefined }],
    route: null,
  },
];

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('a plan is live everywhere, or nowhere', async (t) => {
  const files = createFilterFiles(t);
  const planner = new FilterPlanner();
  const shards = createShards(planner);
  const faces = shards.map((shard) => shard.face);
  const counts = (): number[] => shards.map((shard) => shard.filters.counts.chains);
  const reload = async (text: string): Promise<readonly FilterFault[]> => {
    files.write('f.ts', text);
    const { plan, findings } = await planner.plan(SITES, files.base);
    assert.ok(plan !== null, JSON.stringify(findings));
    return (await rollOut(plan, faces, planner)).faults;
  };
  assert.deepEqual(await reload(source('one')), []);
  assert.deepEqual(counts(), [1, 1]);
  const bad = "({ shard }) => { if (shard === 1) throw new Error('only here'); }";
  const faults = await reload(source('two', bad));
  assert.deepEqual(faults, [{ filter: 'f', message: 'Error: only here' }]);
  assert.deepEqual([counts(), planner.retiringCount], [[1, 1], 0]);
  assert.deepEqual(await reload(source('three')), []);
  await settle();
  assert.deepEqual([counts(), planner.retiringCount], [[1, 1], 0]);
  for (const shard of shards) assert.throws(() => shard.filters.commit(99), /was not prepared/);
});

test('a shard that is lost holds nothing back', async (t) => {
  const files = createFilterFiles(t);
  const planner = new FilterPlanner();
  const [one, two] = createShards(planner);
  assert.ok(one !== undefined && two !== undefined);
  files.write('f.ts', source('one'));
  const first = await planner.plan(SITES, files.base);
  assert.ok(first.plan !== null);
  await rollOut(first.plan, [one.face, two.face], planner);
  const [chain] = first.plan.chains;
  assert.ok(chain !== undefined);
  two.core.hold(chain.id, 1);
  files.write('f.ts', source('two'));
  const second = await planner.plan(SITES, files.base);
  assert.ok(second.plan !== null);
  const gone = async (): Promise<never> => {
    throw new Error('the shard is gone');
  };
  await rollOut(second.plan, [one.face, { ...two.face, commit: gone }], planner);
  await settle();
  assert.equal(planner.retiringCount, 0);
});
