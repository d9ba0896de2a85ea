/**
 * Shipping snapshots to shards, and what happens when a shard refuses, is silent, or dies.
 *
 * Path: src/main/shards/supervisor.ts with fake threads.
 * Invariant under test: a descriptor is closed once, and only when no shard may still map it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  CALL_TIMEOUT_MS,
  ShardSupervisor,
  SharedSnapshot,
} from '../../../src/main/shards/index.ts';
import { restartDelayMs } from '../../../src/main/shards/supervisor.ts';
import { FakeAcceptor, FakeBoard, FakePort, SILENT } from '../fake-native.ts';

interface Scene {
  readonly supervisor: ShardSupervisor;
  readonly board: FakeBoard;
  readonly acceptor: FakeAcceptor;
  readonly ports: FakePort[];
  readonly closed: number[];
  readonly snapshot: (fd: number) => SharedSnapshot;
}

async function startScene(): Promise<Scene> {
  const board = new FakeBoard();
  const acceptor = new FakeAcceptor();
  const ports: FakePort[] = [];
  const closed: number[] = [];
  const supervisor = new ShardSupervisor({
    count: 2,
    board,
    acceptor,
    native: { boardFd: 3, connectionsMax: 10, pendingBytesMax: 10, handshakeThreads: 0 },
    faults: 'refused',
    spawn: (index) => {
      const port = new FakePort(index);
      ports.push(port);
      return port;
    },
    countLost: () => board.lost,
    log: SILENT,
  });
  await supervisor.start();
  return {
    supervisor,
    board,
    acceptor,
    ports,
    closed,
    snapshot: (fd) => new SharedSnapshot(fd, fd, (gone) => closed.push(gone)),
  };
}

async function publish(scene: Scene, fd: number): Promise<void> {
  const snapshot = scene.snapshot(fd);
  try {
    await scene.supervisor.publish(snapshot);
  } finally {
    snapshot.release();
  }
}

test('shards take part only when they have a snapshot; the former one is closed then', async () => {
  const scene = await startScene();
  assert.equal(scene.acceptor.ready.size, 0);
  await publish(scene, 11);
  assert.deepEqual(
    [...scene.acceptor.ready],
    [
      [0, true],
      [1, true],
    ],
  );
  assert.deepEqual(scene.closed, []);
  await publish(scene, 12);
  assert.deepEqual(scene.closed, [11]);
  await scene.supervisor.stop();
  assert.deepEqual(scene.closed, [11, 12]);
});

test('one shard refuses: all get the former snapshot again, and the new one is closed', async () => {
  const scene = await startScene();
  await publish(scene, 11);
  const [first, second] = scene.ports;
  assert.ok(first !== undefined && second !== undefined);
  second.behaviour = 'fail';
  await assert.rejects(publish(scene, 12), /shard 1: mmap: ENOMEM/);
  assert.deepEqual(first.applied, [11, 12, 11]);
  assert.deepEqual(scene.closed, [12]);
  await scene.supervisor.stop();
});

test('a silent shard: the descriptor stays open until it has answered', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const scene = await startScene();
  await publish(scene, 11);
  const [, second] = scene.ports;
  assert.ok(second !== undefined);
  second.behaviour = 'mute';
  const refused = assert.rejects(publish(scene, 12), /did not answer "apply"/);
  await turn();
  t.mock.timers.tick(CALL_TIMEOUT_MS);
  await turn();
  t.mock.timers.tick(CALL_TIMEOUT_MS);
  await refused;
  assert.deepEqual(scene.closed, []);
  for (const envelope of second.unanswered) {
    second.answer(envelope);
  }
  await turn();
  assert.deepEqual(scene.closed, [12]);
});

test('a shard that dies while a snapshot is shipped is no failure', async () => {
  const scene = await startScene();
  const [, second] = scene.ports;
  assert.ok(second !== undefined);
  second.behaviour = 'mute';
  const published = publish(scene, 11);
  await turn();
  second.die();
  await published;
  assert.equal(scene.acceptor.ready.get(0), true);
  assert.equal(scene.acceptor.ready.get(1), false);
  await scene.supervisor.stop();
});

test('a dead shard leaves the distribution, and its successor starts with the current snapshot', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const scene = await startScene();
  await publish(scene, 11);
  scene.board.lost = 3;
  scene.ports[0]?.die(new Error('a bug'));
  await turn();
  assert.equal(scene.acceptor.ready.get(0), false);
  assert.deepEqual(scene.board.resets, [0]);
  assert.deepEqual(
    scene.supervisor.view().map(({ state, lastEnd }) => [state, lastEnd]),
    [
      ['waiting', 'a bug'],
      ['ready', null],
    ],
  );
  await publish(scene, 12);
  t.mock.timers.tick(100);
  await turn();
  await turn();
  const successor = scene.ports[2];
  assert.deepEqual(successor?.applied, [12]);
  assert.equal(scene.acceptor.ready.get(0), true);
  assert.equal(scene.supervisor.view()[0]?.restarts, 1);
});

test('calls to a shard that is not there fail at once', async () => {
  const scene = await startScene();
  await assert.rejects(scene.supervisor.call(7, 'kill', { connection: '7-0-1' }), {
    reason: 'gone',
  });
  await scene.supervisor.stop();
});

test('the last shard that moves is never taken out', async () => {
  const scene = await startScene();
  await publish(scene, 11);
  scene.supervisor.setStalled(0, true);
  scene.supervisor.setStalled(1, true);
  assert.deepEqual([...scene.acceptor.ready.values()], [false, true]);
  scene.supervisor.setStalled(0, false);
  assert.deepEqual([...scene.acceptor.ready.values()], [true, true]);
  await scene.supervisor.stop();
});

test('restarts back off from 100 ms to 5 s', () => {
  assert.deepEqual([1, 2, 3, 6, 7, 100].map(restartDelayMs), [100, 200, 400, 3200, 5000, 5000]);
});
