/**
 * Names follow their records by TTL and never lose their last good addresses.
 *
 * Path: src/main/clusters/dns-table.ts with answers and a clock that the test sets.
 * Invariant under test: no failure of DNS takes an endpoint away.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { hasHost } from '../../../src/main/clusters/dns-lookups.ts';
import { RECORDS_MAX } from '../../../src/main/clusters/dns-table.ts';
import { type Answer, DnsTable, type Lookups } from '../../../src/main/clusters/index.ts';
import type { DnsConfig } from '../../../src/main/config/index.ts';
import { SILENT } from '../fake-native.ts';

const DNS: DnsConfig = {
  refreshMinMs: 1_000,
  refreshMaxMs: 60_000,
  resolvers: null,
  family: 'any',
};
const QUERY = { host: 'chat.example', dns: DNS };

interface Scene {
  readonly table: DnsTable;
  /** What the next question gets. */
  answer: Answer | Error;
  asked: number;
  changes: number;
  /** Lets time pass. */
  readonly pass: (ms: number) => Promise<void>;
}

function makeScene(t: TestContext): Scene {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const lookups: Lookups = {
    resolve: () => {
      scene.asked++;
      return scene.answer instanceof Error
        ? Promise.reject(scene.answer)
        : Promise.resolve(scene.answer);
    },
    close: () => {},
  };
  const scene: Scene = {
    table: new DnsTable({
      lookups,
      log: SILENT,
      random: () => 0,
      onChange: () => scene.changes++,
    }),
    answer: { addresses: ['10.0.0.1'], ttlMs: 5_000 },
    asked: 0,
    changes: 0,
    pass: async (ms) => {
      t.mock.timers.tick(ms);
      await turn();
    },
  };
  return scene;
}

test('a name is asked again when its TTL is over, and a change is told once', async (t) => {
  const scene = makeScene(t);
  await scene.table.add([QUERY], 1_000);
  assert.deepEqual(scene.table.addresses(QUERY), ['10.0.0.1']);
  assert.deepEqual([scene.asked, scene.changes], [1, 1]);
  await scene.pass(4_999);
  assert.equal(scene.asked, 1);
  await scene.pass(1);
  assert.deepEqual([scene.asked, scene.changes], [2, 1]);
  scene.answer = { addresses: ['10.0.0.1', '10.0.0.2'], ttlMs: 5_000 };
  await scene.pass(5_000);
  assert.deepEqual(scene.table.addresses(QUERY), ['10.0.0.1', '10.0.0.2']);
  assert.equal(scene.changes, 2);
});

test('the TTL is held between the two limits', async (t) => {
  const scene = makeScene(t);
  scene.answer = { addresses: ['10.0.0.1'], ttlMs: 0 };
  await scene.table.add([QUERY], 1_000);
  await scene.pass(999);
  assert.equal(scene.asked, 1);
  scene.answer = { addresses: ['10.0.0.1'], ttlMs: 86_400_000 };
  await scene.pass(1);
  assert.equal(scene.asked, 2);
  await scene.pass(60_000);
  assert.equal(scene.asked, 3);
});

test('the last good addresses outlive every failure, which is asked about less and less', async (t) => {
  const scene = makeScene(t);
  await scene.table.add([QUERY], 1_000);
  scene.answer = new Error('queryA ESERVFAIL chat.example');
  await scene.pass(5_000);
  for (const delayMs of [1_000, 2_000, 4_000]) {
    const before = scene.asked;
    await scene.pass(delayMs - 1);
    assert.equal(scene.asked, before);
    await scene.pass(1);
    assert.equal(scene.asked, before + 1);
  }
  assert.deepEqual(scene.table.addresses(QUERY), ['10.0.0.1']);
  const [view] = scene.table.view();
  assert.equal(view?.failures, 4);
  assert.match(view?.lastError ?? '', /ESERVFAIL/);
  scene.answer = { addresses: [], ttlMs: 1 };
  await scene.pass(8_000);
  assert.deepEqual(scene.table.addresses(QUERY), ['10.0.0.1']);
});

test('a flood of records is cut', async (t) => {
  const scene = makeScene(t);
  const addresses = Array.from(
    { length: 1_000 },
    (_, index) => `10.0.${index >> 8}.${index & 255}`,
  );
  scene.answer = { addresses, ttlMs: 5_000 };
  await scene.table.add([QUERY], 1_000);
  assert.equal(scene.table.addresses(QUERY)?.length, RECORDS_MAX);
});

test('waiting for a name that does not answer ends, and the name is followed on', async (t) => {
  const scene = makeScene(t);
  const slow = Promise.withResolvers<Answer>();
  const table = new DnsTable({
    lookups: { resolve: () => slow.promise, close: () => {} },
    log: SILENT,
    random: () => 0,
    onChange: () => scene.changes++,
  });
  const added = table.add([QUERY], 2_000);
  await scene.pass(2_000);
  await added;
  assert.equal(table.addresses(QUERY), null);
  slow.resolve({ addresses: ['10.0.0.9'], ttlMs: 1_000 });
  await turn();
  assert.deepEqual(table.addresses(QUERY), ['10.0.0.9']);
  assert.equal(scene.changes, 1);
});

test('a name that is not wanted any more is not asked about', async (t) => {
  const scene = makeScene(t);
  await scene.table.add([QUERY], 1_000);
  scene.table.retain([]);
  await scene.pass(600_000);
  assert.equal(scene.asked, 1);
  assert.equal(scene.table.addresses(QUERY), null);
});

test('names in the text of a hosts file', () => {
  const text = '# a comment\n127.0.0.1 localhost\n10.1.1.1\tChat.example chat # own\nnot-an-ip x\n';
  assert.equal(hasHost(text, 'chat.example'), true);
  assert.equal(hasHost(text, 'chat'), true);
  assert.equal(hasHost(text, 'x'), false);
  assert.equal(hasHost(text, 'own'), false);
});
