/**
 * Work that filters give away: through a port to the pool's threads and back.
 *
 * Path: OffloadClient -> OffloadPool -> a piscina thread, all real.
 * Invariant: a job settles once: done, failed, shed, late or cancelled; nothing is left pending.
 */
import assert from 'node:assert/strict';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { FilterPlanner } from '../../../src/main/filters/index.ts';
import { OffloadPool } from '../../../src/main/filters/offload/index.ts';
import { OffloadError } from '../../../src/sdk/index.ts';
import {
  createCounterMemory,
  OffloadClient,
  type OffloadJob,
  type Program,
  ShardFilters,
} from '../../../src/shard/filters/index.ts';
import { ScriptedCore } from '../../../src/testing/index.ts';
import { ScriptedExchange } from '../../../src/testing/scripted-holders.ts';
import { createFilterFiles } from './filter-files.ts';

const ENTRY = 'file:///filters/worker.ts';
const PROGRAM: Program = {
  hash: 'abc',
  entry: ENTRY,
  files: {
    [ENTRY]: `import { getPriority } from 'node:os';
import { factor } from './factor.ts';
export const niceness = (): number => getPriority(0);
export const double = (n: number): number => n * factor;
export const bytes = (b: Uint8Array): Uint8Array => b.map((x) => x + 1);
export const fail = (): never => { throw new Error('no luck'); };
export const hang = (): never => { for (;;); };
export const wait = (flag: SharedArrayBuffer): string => Atomics.wait(new Int32Array(flag), 0, 0);
export const leave = (): void => process.exit(1);
export const uncloneable = (): unknown => () => {};
`,
    'file:///filters/factor.ts': 'export const factor: number = 2;\n',
  },
};

function connect(pool: OffloadPool): OffloadClient {
  pool.setPrograms([PROGRAM]);
  return new OffloadClient(pool.connect());
}

function job(task: string, payload: unknown, more: Partial<OffloadJob> = {}): OffloadJob {
  const signal = new AbortController().signal;
  return {
    program: 'abc',
    filter: 'f',
    task,
    payload,
    transfer: [],
    signal,
    deadlineMs: 20_000,
    ...more,
  };
}

async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    assert.ok(error instanceof OffloadError);
    return error.failure;
  }
}

test('jobs leave the cores to whoever has none of the pool’s threads', async (t) => {
  const pool = new OffloadPool({ threads: 1 });
  t.after(() => pool.close());
  const own = getPriority(0);
  assert.equal(await connect(pool).run(job('niceness', null)), Math.min(own + 10, 19));
  assert.equal(getPriority(0), own);
});

test('a job runs the checked texts in another thread, and is counted', async (t) => {
  const pool = new OffloadPool({ threads: 1 });
  t.after(() => pool.close());
  const client = connect(pool);
  assert.equal(await client.run(job('double', 21)), 42);
  const buffer = new Uint8Array([1, 2]).buffer;
  const moved = client.run(job('bytes', new Uint8Array(buffer), { transfer: [buffer] }));
  assert.equal(buffer.byteLength, 0, 'it moved');
  assert.deepEqual(await moved, new Uint8Array([2, 3]));
  const { done, wait, run, queued, running } = pool.counts();
  assert.deepEqual([done, wait.count, run.count, queued, running], [2, 2, 2, 0, 0]);
  assert.equal(client.pendingCount, 0);
});

test('what goes wrong in a job is told, and the pool goes on', async (t) => {
  const pool = new OffloadPool({ threads: 1 });
  t.after(() => pool.close());
  const client = connect(pool);
  await assert.rejects(client.run(job('fail', 1)), /no luck/);
  await assert.rejects(client.run(job('nothing', 1)), /exports no function "nothing"/);
  assert.equal(await failureOf(client.run(job('leave', 1))), 'failed');
  assert.equal(await failureOf(client.run(job('uncloneable', 1))), 'failed');
  assert.equal(await failureOf(client.run(job('double', () => {}))), 'failed');
  assert.equal(await failureOf(client.run(job('double', 1, { program: 'gone' }))), 'failed');
  assert.equal(await client.run(job('double', 1)), 2);
  assert.equal(client.pendingCount, 0);
});

test('a job that hangs ends at its deadline, and a cancelled one at once', async (t) => {
  const pool = new OffloadPool({ threads: 1 });
  t.after(() => pool.close());
  const client = connect(pool);
  assert.equal(await failureOf(client.run(job('hang', 1, { deadlineMs: 50 }))), 'deadline');
  const abort = new AbortController();
  const cancelled = client.run(job('hang', 1, { signal: abort.signal }));
  abort.abort();
  assert.equal(await failureOf(cancelled), 'cancelled');
  assert.equal(
    await failureOf(client.run(job('double', 1, { signal: abort.signal }))),
    'cancelled',
  );
  assert.equal(await client.run(job('double', 4)), 8, 'the thread was replaced');
});

test('a full queue sheds, and so does a queue that is longer than the deadline', async (t) => {
  const pool = new OffloadPool({ threads: 1, queueMax: 2 });
  t.after(() => pool.close());
  const client = connect(pool);
  const flag = new SharedArrayBuffer(4);
  const jobs = Array.from({ length: 6 }, () => client.run(job('wait', flag)));
  const settled = Promise.allSettled(jobs);
  const shed = await Promise.any(jobs.map(async (one) => assert.rejects(one, /jobs wait already/)));
  assert.equal(shed, undefined);
  Atomics.store(new Int32Array(flag), 0, 1);
  Atomics.notify(new Int32Array(flag), 0);
  const outcomes = (await settled).map((one) => one.status);
  assert.equal(outcomes.filter((status) => status === 'fulfilled').length >= 2, true);
  assert.ok(pool.counts().failures.shed >= 1);
});

test('a shard that goes cancels its jobs', async (t) => {
  const pool = new OffloadPool({ threads: 1 });
  t.after(() => pool.close());
  const client = connect(pool);
  const pending = client.run(job('hang', 1));
  client.close();
  assert.equal(await failureOf(pending), 'cancelled');
  const other = new OffloadClient(pool.connect());
  assert.equal(await other.run(job('double', 3)), 6);
});

test('a filter that gives work away: from its file to a thread of the pool and back', async (t) => {
  const files = createFilterFiles(t);
  files.write(
    'worker.ts',
    "import { add } from './add.ts';\nexport const sum = (list: number[]): number => list.reduce(add, 0);\n",
  );
  files.write('add.ts', 'export const add = (a: number, b: number): number => a + b;\n');
  files.write(
    'f.ts',
    `import { defineStreamFilter, respond } from 'holdfast/sdk';
export default defineStreamFilter({
  name: 'sums',
  timeout: '20s',
  offload: new URL('./worker.ts', import.meta.url),
  async onRequest(request, { offload }) {
    const sum = await offload<number>('sum', [1, 2, 3]);
    return respond(200, {}, String(sum));
  },
});
`,
  );
  const planner = new FilterPlanner();
  const use = { path: [], specifier: './f.ts', config: undefined };
  const { plan, findings } = await planner.plan(
    [{ key: 'web', listener: [use], route: null }],
    files.base,
  );
  assert.ok(plan !== null, JSON.stringify(findings));
  // What is on disk afterwards does not matter.
  files.write('add.ts', 'syntax error');
  const pool = new OffloadPool({ threads: 1 });
  t.after(() => pool.close());
  pool.setPrograms(plan.programs);
  const core = new ScriptedCore();
  const filters = new ShardFilters({
    shard: 0,
    core,
    memory: core.memory,
    counters: createCounterMemory(),
    mode: 'production',
    write: (line) => assert.fail(line.message),
    onDrained: () => {},
  });
  core.attach(filters.port);
  filters.connect(pool.connect());
  assert.deepEqual(await filters.prepare(plan), []);
  filters.commit(plan.generation);
  const [chain] = plan.chains;
  assert.ok(chain !== undefined);
  const outcome = await new ScriptedExchange(core, chain, 1, {}).request();
  assert.deepEqual([outcome.code, outcome.text, outcome.hasWaited], [200, '6', true]);
  await filters.close();
});
