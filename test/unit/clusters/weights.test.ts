/**
 * Weights of balancers of users over the endpoints of a cluster.
 *
 * Path: pure functions.
 * Invariant under test: proportions stay, and no cluster loses its last endpoint to a weight.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  balanceEndpoints,
  type ResolvedEndpoint,
  scaleWeights,
} from '../../../src/main/clusters/index.ts';

function endpoint(text: string, more: Partial<ResolvedEndpoint> = {}): ResolvedEndpoint {
  return {
    address: { ip: '10.0.0.1', port: 80 },
    text,
    host: null,
    weight: 1,
    connections: 0,
    labels: {},
    isDraining: false,
    ...more,
  };
}

function balanced(
  endpoints: readonly ResolvedEndpoint[],
  weights: Readonly<Record<string, number>>,
): (number | undefined)[] {
  const given = new Map(Object.entries(weights));
  return balanceEndpoints(endpoints, given).map((one) => one.balanced);
}

test('weights that the core takes stay as they are', () => {
  assert.deepEqual(scaleWeights([1, 2, 256]), [1, 2, 256]);
  assert.deepEqual(scaleWeights([]), []);
  assert.deepEqual(scaleWeights([0, 0]), [0, 0]);
});

test('larger ones and shares keep their proportions, and what is not 0 never becomes 0', () => {
  assert.deepEqual(scaleWeights([1000, 500, 1, 0]), [256, 128, 1, 0]);
  assert.deepEqual(scaleWeights([0.25, 0.75]), [85, 256]);
});

test('an endpoint that was not weighed yet counts by its own weight among the others', () => {
  const list = [endpoint('a'), endpoint('b', { weight: 2 }), endpoint('new', { weight: 2 })];
  assert.deepEqual(balanced(list, { a: 100, b: 50, gone: 7 }), [100, 50, 100]);
});

test('all weights 0, or no endpoint left that has one: those of the configuration hold', () => {
  const list = [endpoint('a'), endpoint('b')];
  assert.deepEqual(balanced(list, { a: 0, b: 0 }), [undefined, undefined]);
  assert.deepEqual(balanced(list, { gone: 5 }), [undefined, undefined]);
  const drained = [endpoint('a', { isDraining: true }), endpoint('b')];
  assert.deepEqual(balanced(drained, { a: 5, b: 0 }), [undefined, undefined]);
  assert.deepEqual(balanced(list, { a: 5, b: 0 }), [5, 0]);
});
