/**
 * Thresholds, limits and forgetting of active health checks.
 *
 * Path: src/main/clusters/health-checks.ts with a prober and a clock that the test sets.
 * Invariant under test: an endpoint that nobody checks counts as healthy.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { PROBES_MAX } from '../../../src/main/clusters/health-checks.ts';
import { HealthChecks, type HealthTarget } from '../../../src/main/clusters/index.ts';
import { FakeBoard, FakeProber, SILENT } from '../fake-native.ts';

function makeScene(t: TestContext): {
  readonly board: FakeBoard;
  readonly prober: FakeProber;
  readonly checks: HealthChecks;
  /** Lets an interval pass and ends the probes it starts. */
  readonly round: (error: string | null) => void;
} {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const board = new FakeBoard();
  const prober = new FakeProber();
  const checks = new HealthChecks({ board, prober, log: SILENT, random: () => 0.5 });
  return {
    board,
    prober,
    checks,
    round: (error) => {
      t.mock.timers.tick(1_000);
      prober.finish(error);
    },
  };
}

function makeTarget(id: number): HealthTarget {
  return {
    id,
    cluster: 'brokers',
    text: `10.0.0.${id}:80`,
    address: { ip: `10.0.0.${id}`, port: 80 },
    netnsFd: -1,
    check: {
      type: 'tcp',
      http: null,
      intervalMs: 1_000,
      timeoutMs: 500,
      unhealthyAfter: 3,
      healthyAfter: 2,
      jitterPermille: 0,
    },
    prelude: new Uint8Array(),
    tls: null,
    http: null,
  };
}

test('an endpoint turns after so many checks in a row, both ways', (t) => {
  const { board, checks, round } = makeScene(t);
  checks.configure([makeTarget(1)]);
  const verdicts: (boolean | undefined)[] = [];
  const outcomes = ['E', 'E', null, 'E', 'E', 'E', null, 'E', null, null];
  for (const outcome of outcomes) {
    round(outcome);
    verdicts.push(checks.view(1)?.isHealthy);
  }
  assert.deepEqual(verdicts, [true, true, true, true, true, false, false, false, false, true]);
  assert.equal(board.healthy.get(1), true);
  assert.deepEqual(checks.counts(), [{ cluster: 'brokers', succeeded: 4, failed: 6 }]);
});

test('what is known survives a reload that keeps the endpoint', (t) => {
  const { board, checks, round } = makeScene(t);
  checks.configure([makeTarget(1)]);
  round('E');
  round('E');
  checks.configure([makeTarget(1), makeTarget(2)]);
  round('ECONNREFUSED');
  assert.equal(board.healthy.get(1), false);
  assert.deepEqual(checks.view(1), {
    isHealthy: false,
    lastError: 'ECONNREFUSED',
    lastMicros: 0,
  });
  assert.equal(checks.view(2)?.isHealthy, true);
});

test('an endpoint that is not checked any more counts as healthy', (t) => {
  const { board, checks, round, prober } = makeScene(t);
  checks.configure([makeTarget(1)]);
  for (let count = 0; count < 3; count++) {
    round('E');
  }
  assert.equal(board.healthy.get(1), false);
  checks.configure([]);
  assert.equal(board.healthy.get(1), true);
  assert.equal(checks.view(1), null);
  round('E');
  assert.equal(prober.underWay.length, 0);
});

test('an id that went to another endpoint starts anew', (t) => {
  const { checks, round } = makeScene(t);
  checks.configure([makeTarget(1)]);
  for (let count = 0; count < 3; count++) {
    round('E');
  }
  checks.configure([{ ...makeTarget(1), text: '10.9.9.9:80' }]);
  assert.equal(checks.view(1)?.isHealthy, true);
});

test('only so many probes are under way; the rest wait their turn', (t) => {
  const { checks, prober } = makeScene(t);
  checks.configure(Array.from({ length: PROBES_MAX + 50 }, (_, id) => makeTarget(id)));
  t.mock.timers.tick(1_000);
  assert.equal(prober.underWay.length, PROBES_MAX);
  prober.underWay.shift()?.(null, 0);
  assert.equal(prober.underWay.length, PROBES_MAX);
  prober.finish(null);
  assert.equal(prober.underWay.length, 49);
});
