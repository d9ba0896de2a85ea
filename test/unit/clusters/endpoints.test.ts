/**
 * A cluster's endpoints: configured, resolved, patched.
 *
 * Path: src/main/clusters/resolve.ts and overlay.ts, both pure.
 * Invariant under test: an address occurs once, and a refused patch leaves no trace.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  EMPTY_OVERLAY,
  listDnsQueries,
  type Overlay,
  patchOverlay,
  resolveEndpoints,
} from '../../../src/main/clusters/index.ts';
import type { ClusterConfig } from '../../../src/main/config/index.ts';
import { makeCluster } from '../fake-config.ts';

const CLUSTER: ClusterConfig = makeCluster('brokers', [
  { host: '10.0.0.1', port: 80, weight: 2, connections: 5, labels: {} },
  { host: 'chat.example', port: 80, weight: 3, connections: 0, labels: {} },
  { path: '/run/x.sock', weight: 1, connections: 0, labels: {} },
]);

function resolveNow(
  overlay: Overlay,
  names: Readonly<Record<string, readonly string[]>>,
): string[] {
  return resolveEndpoints(CLUSTER, overlay, ({ host }) => names[host] ?? null).endpoints.map(
    ({ text, weight, isDraining }) => `${text} ${weight}${isDraining ? ' draining' : ''}`,
  );
}

function patched(overlay: Overlay, addresses: readonly string[], patch: unknown): Overlay {
  const outcome = patchOverlay(overlay, new Set(addresses), patch);
  assert.ok('overlay' in outcome, JSON.stringify(outcome));
  return outcome.overlay;
}

test('names become their addresses, and an address occurs once', () => {
  assert.deepEqual(resolveNow(EMPTY_OVERLAY, { 'chat.example': ['10.0.0.1', '10.0.0.2'] }), [
    '10.0.0.1:80 2',
    '10.0.0.2:80 3',
    'unix:/run/x.sock 1',
  ]);
  const { unresolved } = resolveEndpoints(CLUSTER, EMPTY_OVERLAY, () => null);
  assert.deepEqual(unresolved, ['chat.example']);
  assert.deepEqual(
    listDnsQueries(CLUSTER).map(({ host }) => host),
    ['chat.example'],
  );
});

test('a patch adds, changes, drains and removes; the former overlay is untouched', () => {
  const names = { 'chat.example': ['10.0.0.2'] };
  const addresses = ['10.0.0.1:80', '10.0.0.2:80', 'unix:/run/x.sock'];
  const overlay = patched(EMPTY_OVERLAY, addresses, {
    add: [{ address: '[::1]:80', weight: 7 }],
    set: [
      { address: '10.0.0.2:80', drain: true },
      { address: '10.0.0.1:80', weight: 9 },
    ],
    remove: ['unix:/run/x.sock'],
  });
  assert.deepEqual(resolveNow(overlay, names), [
    '10.0.0.1:80 9',
    '10.0.0.2:80 3 draining',
    '[::1]:80 7',
  ]);
  assert.deepEqual(resolveNow(EMPTY_OVERLAY, names).length, 3);
  const back = patched(overlay, ['10.0.0.1:80', '10.0.0.2:80', '[::1]:80'], {
    add: [{ address: 'unix:/run/x.sock', weight: 4 }],
    remove: ['[::1]:80'],
    set: [{ address: '10.0.0.2:80', drain: false }],
  });
  assert.deepEqual(resolveNow(back, names), [
    '10.0.0.1:80 9',
    '10.0.0.2:80 3',
    'unix:/run/x.sock 4',
  ]);
});

test('a patch with one wrong part does nothing', () => {
  for (const patch of [
    null,
    [],
    { add: {} },
    { add: [{}] },
    { add: [{ address: '10.0.0.9:80', weight: 257 }] },
    { add: [{ address: '10.0.0.9:80', weight: 1.5 }] },
    { add: [{ address: '10.0.0.9:80', color: 'red' }] },
    { set: [{ address: '10.0.0.1:80', drain: 'yes' }] },
    { add: [{ address: '10.0.0.9:80' }], remove: ['10.0.0.8:80'] },
    JSON.parse('{"__proto__": {"add": []}}'),
  ]) {
    assert.ok('problem' in patchOverlay(EMPTY_OVERLAY, new Set(['10.0.0.1:80']), patch));
  }
});

test('run-time additions are bounded', () => {
  const add = Array.from({ length: 1_025 }, (_, index) => ({
    address: `10.1.${index >> 8}.${index & 255}:80`,
  }));
  const outcome = patchOverlay(EMPTY_OVERLAY, new Set(), { add });
  assert.ok('problem' in outcome);
  assert.match(outcome.problem, /at most 1024/);
});
