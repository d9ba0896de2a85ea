/**
 * Where filters stand in a configuration, and what of them goes into a snapshot.
 *
 * Path: Config -> listFilterSites -> a plan -> compileSnapshotInput.
 * Invariant under test: every route of a listener with filters has a site; paths lead to the place
 * in the configuration; ids of native filters stay with their place.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyInput } from '../../../native/epoll/index.ts';
import { EMPTY_OVERLAY, resolveEndpoints } from '../../../src/main/clusters/index.ts';
import { Ids } from '../../../src/main/model/index.ts';
import { compileSnapshotInput } from '../../../src/main/snapshot/compile.ts';
import {
  describeLayoutChanges,
  isSameLayout,
  listPolicies,
} from '../../../src/main/snapshot/filter-layout.ts';
import {
  type FilterLayout,
  listFilterSites,
  NO_FILTERS,
} from '../../../src/main/snapshot/index.ts';
import { NO_TLS_MATERIAL } from '../../../src/main/tls/index.ts';
import type { FilterPlan } from '../../../src/shard/filters/index.ts';
import { makeConfig } from '../fake-config.ts';
import { FAKE_ABI, FakeBoard } from '../fake-native.ts';

const CONFIG = makeConfig(`
listeners:
  - name: web
    bind: 127.0.0.1:0
    protocol: http
    filters: [./all.ts]
    http:
      hosts:
        - routes:
            - { name: one, cluster: app, filters: [./one.ts, holdfast/rbac] }
            - { name: two, cluster: app, match: { path: /two } }
  - name: plain
    bind: 127.0.0.1:0
    protocol: http
    http:
      hosts:
        - routes:
            - { name: x, cluster: app }
            - { name: y, cluster: app, match: { path: /y }, filters: [./y.ts] }
  - { name: tcp, bind: 127.0.0.1:0, cluster: app, filters: [holdfast/ip-access] }
clusters: [{ name: app, endpoints: [127.0.0.1:1] }]
`);

const PLAN: FilterPlan = {
  generation: 1,
  programs: [],
  instances: [],
  chains: [
    {
      id: 7,
      members: [],
      mask: 4,
      requestHeaders: ['x-a'],
      responseHeaders: [],
      messageBytesMax: 0,
      oversize: 'pass',
      framing: null,
    },
  ],
};

const rbac = (name: string): PolicyInput => ({
  kind: 'rbac',
  name,
  id: 0,
  phase: 'request',
  isShadow: false,
  status: 403,
  when: { kind: 'all', parts: [] },
  rules: [],
  fallback: 'allow',
});

const LAYOUT: FilterLayout = {
  plan: PLAN,
  chainOf: new Map([
    ['web', 7],
    ['web/one', 7],
  ]),
  policiesOf: new Map([
    ['web/one', [rbac('rbac'), rbac('rbac')]],
    ['tcp', [rbac('ip-access')]],
  ]),
  steering: [],
  files: new Map(),
};

function compile(layout: FilterLayout, ids: Ids) {
  const endpoints = CONFIG.clusters.map((cluster) => {
    const { endpoints: list } = resolveEndpoints(cluster, EMPTY_OVERLAY, () => []);
    return [cluster.name, list] as const;
  });
  return compileSnapshotInput({
    config: CONFIG,
    endpoints: new Map(endpoints),
    material: NO_TLS_MATERIAL,
    ticketKeys: [],
    ids,
    filters: layout,
    netnsFd: () => -1,
    serial: 1,
  });
}

test('listeners, and all routes that filters are for, have sites with their places', () => {
  const sites = listFilterSites(CONFIG).map(({ key, listener, route, isTcp }) => [
    key,
    listener.map(({ path }) => path.join('/')),
    route?.map(({ path, specifier }) => `${path.join('/')} ${specifier}`) ?? null,
    isTcp,
  ]);
  const all = ['listeners/0/filters/0'];
  const routes = 'listeners/0/http/hosts/0/routes/0/filters';
  assert.deepEqual(sites, [
    ['web', all, null, false],
    ['web/one', all, [`${routes}/0 ./one.ts`, `${routes}/1 holdfast/rbac`], false],
    ['web/two', all, [], false],
    ['plain/y', [], ['listeners/1/http/hosts/0/routes/1/filters/0 ./y.ts'], false],
    ['tcp', ['listeners/2/filters/0'], null, true],
  ]);
});

test('chains and native filters stand where their sites are', () => {
  const ids = new Ids(new FakeBoard(), FAKE_ABI);
  const input = compile(LAYOUT, ids);
  assert.deepEqual(input.filterChains, [
    {
      id: 7,
      mask: 4,
      requestHeaders: ['x-a'],
      responseHeaders: [],
      messageBytesMax: 0,
      oversize: 'pass',
      framing: null,
    },
  ]);
  const routes = input.listeners[0]?.http?.hosts[0]?.routes ?? [];
  assert.deepEqual(
    [input.listeners, routes].map((list) => list.map((each) => each.filterChain)),
    [
      [7, 0, 0],
      [7, 0],
    ],
  );
  const shown = [...ids.policies()].map(({ site, name }) => `${site} ${name}`);
  assert.deepEqual(shown, ['web/one rbac', 'web/one rbac#2', 'tcp ip-access']);
  assert.deepEqual(
    [...routes, ...input.listeners].map((each) => each.policies.map(({ id }) => id)),
    [[0, 1], [], [], [], [2]],
  );
  assert.deepEqual(
    compile(LAYOUT, ids).listeners[2]?.policies.map(({ id }) => id),
    [2],
    'a place keeps its id',
  );
});

test('a mirror has the id of its cluster, or of the part of it that it asks for', () => {
  const config = makeConfig(`
listeners:
  - name: web
    bind: 127.0.0.1:0
    protocol: http
    cluster: app
    filters: [{ use: holdfast/mirror, with: { cluster: app, subset: { v: 2 } } }]
clusters: [{ name: app, endpoints: [{ address: 127.0.0.1:1, labels: { v: "2" } }] }]
`);
  const mirror = (subset: Readonly<Record<string, string>> | null): PolicyInput => ({
    ...rbac('mirror'),
    kind: 'mirror',
    target: 'app',
    subset,
    cluster: 0,
    millionths: 1,
    contentBytesMax: 0,
    timeoutMs: 0,
  });
  const policiesOf = new Map([['web', [mirror(null), mirror({ v: '2' })]]]);
  const input = compileSnapshotInput({
    config,
    endpoints: new Map([['app', []]]),
    material: NO_TLS_MATERIAL,
    ticketKeys: [],
    ids: new Ids(new FakeBoard(), FAKE_ABI),
    filters: { ...NO_FILTERS, policiesOf },
    netnsFd: () => -1,
    serial: 1,
  });
  const ids = input.clusters.map(({ id }) => id);
  assert.equal(new Set(ids).size, 2);
  assert.deepEqual(
    input.listeners[0]?.policies.map((policy) => policy.kind === 'mirror' && policy.cluster),
    ids,
  );
});

test('uses beyond the last id share one', () => {
  const ids = new Ids(new FakeBoard(), FAKE_ABI);
  const given = Array.from({ length: 8 }, (_, i) => ids.policy({ site: 'web', name: `p${i}` }));
  assert.deepEqual(given, [0, 1, 2, 3, 4, 5, 5, 5]);
});

test('layouts are the same when they run the same', () => {
  assert.equal(isSameLayout(NO_FILTERS, { ...NO_FILTERS, plan: { ...PLAN, chains: [] } }), true);
  assert.equal(isSameLayout(LAYOUT, { ...LAYOUT, files: new Map([['a', 'b']]) }), true);
  assert.equal(isSameLayout(LAYOUT, { ...LAYOUT, plan: { ...PLAN } }), false);
  assert.equal(isSameLayout(LAYOUT, { ...LAYOUT, policiesOf: new Map() }), false);
  const instance = {
    id: 3,
    filter: 'auth',
    program: 'p',
    offload: null,
    config: null,
    base: '',
    generation: 2,
    cell: 0,
  };
  const after = { ...LAYOUT, plan: { ...PLAN, instances: [instance] } };
  assert.deepEqual(describeLayoutChanges(LAYOUT, after), ['filters set up: "auth"']);
  assert.deepEqual(describeLayoutChanges(after, after), []);
  assert.equal(listPolicies(LAYOUT).length, 3);
});
