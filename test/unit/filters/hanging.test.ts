/**
 * Filters whose module, configuration, `setup` or `dispose` never comes to an end.
 *
 * Path: prepareInstances -> a loader of the test; time is the test's.
 * Invariant under test: a reload goes on in time, with a fault that names the filter, and what was
 * made too late is disposed of.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineStreamFilter } from '../../../src/sdk/index.ts';
import {
  type FilterLine,
  type FilterPlan,
  prepareInstances,
  releasePrepared,
} from '../../../src/shard/filters/index.ts';

const never = (): Promise<never> => new Promise(() => {});
const config = (validate: () => unknown) =>
  ({ '~standard': { version: 1, vendor: 'test', validate } }) as never;

const PLAN: FilterPlan = {
  generation: 1,
  programs: [{ hash: 'p', entry: 'file:///f.js', files: {} }],
  instances: [
    {
      id: 1,
      filter: 'slow',
      program: 'p',
      offload: null,
      config: {},
      base: 'file:///',
      generation: 1,
      cell: 0,
    },
  ],
  chains: [],
};

function prepare(load: () => Promise<unknown>, lines: FilterLine[] = []) {
  return prepareInstances(PLAN, {
    loader: { load: load as never },
    shard: 0,
    write: (line) => lines.push(line),
    known: new Map(),
  });
}

/** Lets everything run that waits for nothing. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const slow = (more: object) => async () => ({
  default: defineStreamFilter({ name: 'slow', onRequest: () => undefined, ...more }),
});

for (const [what, load] of Object.entries({
  'a module': never,
  'a configuration': slow({ config: config(never) }),
  'a setup': slow({ setup: never }),
})) {
  test(`${what} that never ends is a fault after ten seconds`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const preparing = prepare(load);
    await settle();
    t.mock.timers.tick(10_000);
    assert.deepEqual((await preparing).faults, [
      { filter: 'slow', message: 'Error: setup did not end within 10000 ms' },
    ]);
  });
}

test('what a setup makes too late is disposed of', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const made = Promise.withResolvers<string>();
  const disposed: unknown[] = [];
  const preparing = prepare(
    slow({ setup: () => made.promise, dispose: (shared: unknown) => disposed.push(shared) }),
  );
  await settle();
  t.mock.timers.tick(10_000);
  assert.equal((await preparing).faults.length, 1);
  made.resolve('late');
  await settle();
  assert.deepEqual(disposed, ['late']);
});

test('a dispose that never ends is told, and nobody waits for it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const lines: FilterLine[] = [];
  const prepared = await prepare(slow({ dispose: never }), lines);
  const releasing = releasePrepared(prepared);
  await settle();
  t.mock.timers.tick(1000);
  await releasing;
  assert.match(
    `${lines[0]?.message}`,
    /filter "slow" .*dispose: Error: it did not end within 1000/,
  );
});
