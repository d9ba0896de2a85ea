/**
 * Ids stay with their names, and go to others only when nothing lives under them.
 *
 * Path: src/main/model/id-table.ts, ids.ts.
 * Invariant under test: an id is never shared by two living names.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { IdTable, IdTableFullError } from '../../../src/main/model/id-table.ts';
import { Ids } from '../../../src/main/model/index.ts';
import { FAKE_ABI, FakeBoard } from '../fake-native.ts';

test('a key keeps its id, retired or not', () => {
  const table = new IdTable({ kind: 'listener', max: 4, isIdle: () => true });
  const { id, isNew } = table.intern('a');
  assert.equal(isNew, true);
  table.retain(new Set());
  assert.deepEqual(table.intern('a'), { id, isNew: false });
  assert.equal(table.keyOf(id), 'a');
});

test('a full table takes the id that was retired longest ago, and never a busy one', () => {
  const busy = new Set<number>();
  const table = new IdTable({ kind: 'endpoint', max: 3, isIdle: (id) => !busy.has(id) });
  const a = table.intern('a').id;
  const b = table.intern('b').id;
  table.intern('c');
  table.retain(new Set(['b', 'c']));
  table.retain(new Set(['c']));
  busy.add(a);
  assert.deepEqual(table.intern('d'), { id: b, isNew: true });
  assert.throws(() => table.intern('e'), IdTableFullError);
  busy.delete(a);
  assert.deepEqual(table.intern('e'), { id: a, isNew: true });
  assert.equal(table.find('a'), undefined);
});

test('two keys never share an id while either is in use or alive', () => {
  const step = fc.record({
    keep: fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 5 }),
    busy: fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let alive = new Set<string>();
      const table: IdTable = new IdTable({
        kind: 'endpoint',
        max: 10,
        isIdle: (id) => !alive.has(table.keyOf(id) ?? ''),
      });
      const owners = new Map<number, string>();
      for (const { keep, busy } of steps) {
        const keys = new Set(keep.map(String));
        alive = new Set(busy.map(String));
        for (const key of keys) {
          const { id, isNew } = table.intern(key);
          const former = owners.get(id);
          if (isNew && former !== undefined && former !== key) {
            assert.equal(alive.has(former), false);
          }
          owners.set(id, key);
        }
        assert.equal(new Set([...keys].map((key) => table.find(key))).size, keys.size);
        table.retain(keys);
      }
    }),
  );
});

test('rows of the board are set up once, and removed names stay while they have connections', () => {
  const board = new FakeBoard();
  const ids = new Ids(board, FAKE_ABI);
  const listener = ids.listener('mqtt');
  const endpoint = ids.endpoint({ cluster: 'brokers', address: '10.0.0.1:1883' });
  assert.equal(board.listeners.get(listener), 'mqtt');
  assert.equal(board.endpoints.get(endpoint), '10.0.0.1:1883');
  assert.equal(board.healthy.get(endpoint), true);
  board.listenerLoad.set(listener, 1);
  board.healthy.set(endpoint, false);
  ids.endpoint({ cluster: 'brokers', address: '10.0.0.1:1883' });
  assert.equal(board.healthy.get(endpoint), false);
  ids.retain({ listeners: [], clusters: [], endpoints: [], routes: [] });
  assert.deepEqual([...ids.listeners()], [{ name: 'mqtt', id: listener }]);
  assert.deepEqual([...ids.endpoints()], []);
  board.listenerLoad.set(listener, 0);
  assert.deepEqual([...ids.listeners()], []);
  assert.equal(ids.listenerName(listener), 'mqtt');
});

test('a part of a cluster keeps its id while the endpoints of the cluster have connections', () => {
  const board = new FakeBoard();
  const ids = new Ids(board, FAKE_ABI);
  const part = ids.cluster('app{version=v2}');
  const endpoint = ids.endpoint({ cluster: 'app', address: '10.0.0.1:80' });
  board.endpointLoad.set(endpoint, 1);
  ids.retain({ listeners: [], clusters: [], endpoints: [], routes: [] });
  assert.deepEqual([...ids.clusters()], [{ name: 'app{version=v2}', id: part }]);
  board.endpointLoad.set(endpoint, 0);
  assert.deepEqual([...ids.clusters()], []);
});

test('routes are told apart by listener, and keep their ids', () => {
  const board = new FakeBoard();
  const ids = new Ids(board, FAKE_ABI);
  const a = ids.route({ listener: 'web', name: 'rooms' });
  const b = ids.route({ listener: 'tls', name: 'rooms' });
  assert.notEqual(a, b);
  assert.equal(ids.route({ listener: 'web', name: 'rooms' }), a);
  assert.deepEqual(ids.routeName(b), { listener: 'tls', name: 'rooms' });
  assert.equal(board.routes.get(a), 'rooms');
  assert.deepEqual(
    board.httpListeners,
    new Set([ids.findListener('web'), ids.findListener('tls')]),
  );
});

test('routes beyond the table share its last id, until others are gone', () => {
  const board = new FakeBoard();
  const ids = new Ids(board, FAKE_ABI);
  const name = (index: number): string => `r${index}`;
  const own = [0, 1, 2].map((index) => ids.route({ listener: 'web', name: name(index) }));
  const other = ids.route({ listener: 'web', name: name(3) });
  assert.equal(other, FAKE_ABI.http.routesMax - 1);
  assert.equal(ids.route({ listener: 'web', name: name(4) }), other);
  assert.equal(board.routes.get(other), 'other');
  assert.deepEqual([...ids.routes()].at(-1), { listener: '', name: 'other', id: other });

  // Requests: begun, answered 2xx, 5xx, unanswered; then WebSockets. One is under way, one lives.
  board.routeValues.set(own[0] ?? -1, [5, 3, 1, 0, 0]);
  board.routeValues.set(own[1] ?? -1, [5, 3, 1, 1, 1]);
  board.routeValues.set(own[2] ?? -1, [5, 3, 1, 1, 0]);
  ids.retain({ listeners: ['web'], clusters: [], endpoints: [], routes: [] });
  assert.deepEqual(
    [...ids.routes()].map((route) => route.name),
    ['r0', 'r1', 'other'],
  );
  assert.equal(ids.route({ listener: 'web', name: 'new' }), own[2]);
  assert.equal(ids.route({ listener: 'web', name: 'newer' }), other);
});
