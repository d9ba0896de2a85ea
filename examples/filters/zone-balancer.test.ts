/**
 * Weights by zone, health and load.
 *
 * Path: `holdfast filter test examples/filters/zone-balancer.test.ts`; the project's tests run it.
 * Invariant: a function of its arguments, so it is called as it is.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import balancer from './zone-balancer.ts';

const CONFIG = { zone: 'a', enough: 2 };

function endpoint(zone: string, more: { isHealthy?: boolean; active?: number } = {}) {
  return {
    address: '10.0.0.1:80',
    weight: 1,
    labels: { zone },
    isHealthy: true,
    active: 0,
    ...more,
  };
}

test('with enough near, nothing goes abroad', () => {
  const weights = balancer.weigh([endpoint('a'), endpoint('a'), endpoint('b')], CONFIG);
  assert.deepEqual(weights, [100, 100, 0]);
});

test('what is missing near is taken abroad', () => {
  const sick = endpoint('a', { isHealthy: false });
  assert.deepEqual(balancer.weigh([endpoint('a'), sick, endpoint('b')], CONFIG), [100, 0, 50]);
  assert.deepEqual(balancer.weigh([sick, endpoint('b')], CONFIG), [0, 100]);
});

test('who is loaded gets less', () => {
  const list = [endpoint('a', { active: 30 }), endpoint('a'), endpoint('a')];
  assert.deepEqual(balancer.weigh(list, CONFIG), [50, 100, 100]);
});
