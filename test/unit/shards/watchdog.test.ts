/**
 * Stalls are seen, named, and told at most three times.
 *
 * Path: src/main/shards/watchdog.ts with a clock and pulses that the test sets.
 * Invariant under test: a late observer accuses nobody.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { TICK_MS, Watchdog } from '../../../src/main/shards/index.ts';
import { FAKE_ABI, FakeBoard } from '../fake-native.ts';

const MS = 1_000_000n;

function makeScene(): {
  readonly board: FakeBoard;
  readonly lines: { msg: string; doing?: string; forMs?: number }[];
  readonly changes: string[];
  /** What a filter of the shard does. */
  readonly told: { busy: string | null };
  readonly watchdog: Watchdog;
  /** Lets time pass, with a tick each 100 ms. */
  readonly pass: (ms: number) => void;
  readonly jump: (ms: number) => void;
  readonly now: () => bigint;
} {
  const board = new FakeBoard();
  board.pulses.push({ heartbeats: 0, turnStartNs: 0n, isInTurn: false, activity: 0 });
  const lines: { msg: string }[] = [];
  const changes: string[] = [];
  const told: { busy: string | null } = { busy: null };
  let now = 10_000n * MS;
  const watchdog = new Watchdog({
    board,
    count: 1,
    activities: FAKE_ABI.activities,
    log: pino({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) }),
    isReady: () => true,
    onStall: (shard, state) => changes.push(`${shard} ${state}`),
    describeBusy: () => told.busy,
    nowNs: () => now,
  });
  return {
    board,
    told,
    lines,
    changes,
    watchdog,
    pass: (ms) => {
      for (let passed = 0; passed < ms; passed += TICK_MS) {
        now += BigInt(TICK_MS) * MS;
        watchdog.tick();
      }
    },
    jump: (ms) => {
      now += BigInt(ms) * MS;
      watchdog.tick();
    },
    now: () => now,
  };
}

test('a shard that answers is pinged once a second and never reported', () => {
  const { board, lines, pass } = makeScene();
  for (let second = 0; second < 5; second++) {
    pass(100);
    const [pulse] = board.pulses;
    assert.ok(pulse !== undefined);
    board.pulses[0] = { ...pulse, heartbeats: board.pings.length };
    pass(900);
  }
  assert.equal(board.pings.length, 5);
  assert.deepEqual(lines, []);
});

test('a turn that does not end is named, and its end is told', () => {
  const { board, lines, changes, pass, now, watchdog } = makeScene();
  board.pulses[0] = { heartbeats: 0, turnStartNs: now(), isInTurn: true, activity: 1 };
  pass(2_000);
  board.pulses[0] = { heartbeats: 1, turnStartNs: now(), isInTurn: false, activity: 0 };
  pass(100);
  assert.deepEqual(
    lines.map(({ msg, doing }) => [msg, doing]),
    [
      ['a shard stalls', 'forwarding bytes'],
      ['a shard stalls for more than a second', 'forwarding bytes'],
      ['a shard goes on after a stall', undefined],
    ],
  );
  assert.deepEqual(changes, ['0 stalled', '0 moving']);
  assert.deepEqual(watchdog.counts(), [{ stalls: 1, stalledMs: lines[2]?.forMs }]);
});

test('an unanswered ping outside of a turn is JavaScript that does not end', () => {
  const { lines, pass } = makeScene();
  pass(500);
  assert.equal(lines[0]?.doing, 'JavaScript');
});

test('a late main thread is counted and accuses nobody', () => {
  const { lines, jump, watchdog } = makeScene();
  jump(TICK_MS);
  jump(5_000);
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['the main thread stalled'],
  );
  assert.equal(watchdog.mainStalls, 1);
});

test('a filter that blocks is named, in a turn of the core and outside of one', () => {
  for (const isInTurn of [true, false]) {
    const { board, lines, pass, now, told } = makeScene();
    pass(100);
    told.busy = 'filter "auth" of web, onRequest';
    board.pulses[0] = { heartbeats: 0, turnStartNs: now(), isInTurn, activity: 1 };
    pass(500);
    assert.deepEqual(
      lines.map(({ doing }) => doing),
      ['filter "auth" of web, onRequest'],
    );
  }
});
