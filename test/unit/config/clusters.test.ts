/**
 * What the language says about clusters with HTTP: short forms, words for nothing, and units.
 *
 * Path: src/main/config/schema-cluster.ts with its parts, and normalize-cluster.ts.
 * Invariant under test: what people write in any of its forms becomes one value.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterConfig } from '../../../src/main/config/index.ts';
import { load, minimal } from './world.ts';

function clusterOf(fields: string): ClusterConfig {
  const { config, diagnostics } = load(minimal({ cluster: fields }));
  assert.deepEqual(
    diagnostics.map(({ message }) => message),
    [],
  );
  const cluster = config?.clusters[0];
  assert.ok(cluster !== undefined);
  return cluster;
}

test('connections are kept as a map, a number, or not at all', () => {
  const kept = (value: string): ClusterConfig['http'] => clusterOf(`http: ${value}`).http;
  const initial = kept('{}');
  assert.deepEqual(initial, {
    idleMs: 30_000,
    ageMs: 3_600_000,
    requestsMax: 1000,
    idlePerEndpoint: 64,
    connectionsMax: 0,
    requestsActiveMax: 0,
    pendingMax: 1024,
    retriesMax: 0,
    retryBudgetPermille: 200,
  });
  assert.deepEqual(kept('{ keepAlive: 16 }'), { ...initial, idlePerEndpoint: 16 });
  assert.deepEqual(kept('{ keepAlive: off }'), { ...initial, idlePerEndpoint: 0 });
  assert.deepEqual(kept('{ keepAlive: { maxAge: never, idle: 5s, requests: unlimited } }'), {
    ...initial,
    ageMs: 0,
    idleMs: 5000,
    requestsMax: 0,
  });
});

test('limits are counts, and a budget is a share or off', () => {
  const { http } = clusterOf(
    'http: { limits: { connections: 5k, requests: 100, pending: unlimited, retries: 3, retryBudget: 2.5% } }',
  );
  assert.equal(http.connectionsMax, 5000);
  assert.equal(http.requestsActiveMax, 100);
  assert.equal(http.pendingMax, 0);
  assert.equal(http.retriesMax, 3);
  assert.equal(http.retryBudgetPermille, 25);
  const off = clusterOf('http: { limits: { retryBudget: off } }');
  assert.equal(off.http.retryBudgetPermille, 0);
});

test('ejection has three causes', () => {
  const { ejection } = clusterOf('ejection: { afterErrors: off, latencyFactor: 2.5 }');
  assert.equal(ejection.afterFailures, 5);
  assert.equal(ejection.afterErrors, 0);
  assert.equal(ejection.latencyPermille, 2500);
  assert.equal(clusterOf('balance: peak-ewma').ejection.latencyPermille, 0);
});

test('only a check of type http has something to ask', () => {
  assert.equal(clusterOf('healthCheck: { type: tcp }').healthCheck?.http, null);
  const { healthCheck } = clusterOf(
    'healthCheck: { type: http, path: /z, headers: { x-a: b }, status: [204, 3xx] }',
  );
  assert.deepEqual(healthCheck?.http, {
    method: 'GET',
    target: '/z',
    host: '',
    headers: [['x-a', 'b']],
    statuses: [
      { from: 204, to: 204 },
      { from: 300, to: 399 },
    ],
  });
  assert.deepEqual(
    clusterOf('healthCheck: { type: http, status: 401 }').healthCheck?.http?.statuses,
    [{ from: 401, to: 401 }],
  );
});

test('labels are texts, however they are written', () => {
  const { config } = load(
    minimal({}).replace(
      /endpoints: .*/,
      'endpoints: [{ address: 10.0.0.1:80, labels: { version: 2, zone: b } }, 10.0.0.2:80]',
    ),
  );
  assert.deepEqual(
    config?.clusters[0]?.endpoints.map(({ labels }) => labels),
    [{ version: '2', zone: 'b' }, {}],
  );
});
