/**
 * HTTP of the configuration reaches the core as it is meant, and the core takes it.
 *
 * Path: load.ts -> compile.ts, compile-http.ts, subsets.ts -> the real core's compileSnapshot.
 * Invariant under test: whatever the loader accepts, the core lays flat.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadNative, type SnapshotInput } from '../../../native/epoll/index.ts';
import { EMPTY_OVERLAY, resolveEndpoints } from '../../../src/main/clusters/index.ts';
import { Ids } from '../../../src/main/model/index.ts';
import { compileSnapshotInput } from '../../../src/main/snapshot/compile.ts';
import { NO_TLS_MATERIAL } from '../../../src/main/tls/index.ts';
import { makeConfig } from '../fake-config.ts';
import { FAKE_ABI, FakeBoard } from '../fake-native.ts';

/** With ids for more routes than these. */
const ABI = { ...FAKE_ABI, http: { ...FAKE_ABI.http, routesMax: 64 } };

function compile(yaml: string): SnapshotInput {
  const config = makeConfig(yaml);
  const endpoints = config.clusters.map((cluster) => {
    const resolved = resolveEndpoints(cluster, EMPTY_OVERLAY, () => []);
    return [cluster.name, resolved.endpoints] as const;
  });
  return compileSnapshotInput({
    config,
    endpoints: new Map(endpoints),
    material: NO_TLS_MATERIAL,
    ticketKeys: [],
    ids: new Ids(new FakeBoard(), ABI),
    netnsFd: () => -1,
    serial: 1,
  });
}

/** The core takes it. */
function lay(input: SnapshotInput): void {
  const native = loadNative();
  native.closeFd(native.compileSnapshot(input));
}

const ALL = `
log: { accessFormat: "%{status} %{route}" }
listeners:
  - name: web
    bind: 127.0.0.1:0
    protocol: http
    http:
      trust: [10.0.0.0/8, "::1"]
      hosts:
        - names: [a.example, "*.a.example"]
          routes:
            - match: { path: { regex: "/u/([0-9]+)" }, methods: [GET, HEAD] }
              cluster: a
              rewrite: { regex: "^/u/([0-9]+)$", to: "/users/\\\\1" }
              requestHeaders: { set: { x-id: "%{request.id}" }, remove: [x-b], add: { x-c: "1" } }
              hash: { cookie: sid, ttl: 1h }
              websocket: { ping: 30s }
            - name: two
              match:
                path: { prefix: /v }
                headers: [{ name: x, regex: "[a-z]+" }]
                query: [{ name: q, present: false }]
              split: [{ cluster: a, weight: 9 }, { cluster: b }]
              subset: { version: v2 }
              retry: { on: [connect, 5xx, 429, unsafe], attempts: 2 }
            - { name: three, match: /r, redirect: { to: "https://%{host}%{target}", status: 302 } }
            - { name: four, match: { path: { exact: "*" } }, respond: { status: 200, body: "a\\nb" } }
        - order: listed
          routes: [{ name: five, cluster: b, subset: { version: v2 } }]
  - { name: plain, bind: 127.0.0.1:0, protocol: http, cluster: b }
  - { name: tcp, bind: 127.0.0.1:0, cluster: b }
clusters:
  - name: a
    balance: maglev
    endpoints: ["127.0.0.1:1", { address: "127.0.0.1:2", labels: { version: v2 } }]
  - { name: b, endpoints: [{ address: "127.0.0.1:3", labels: { version: v2, zone: x } }] }
`;

test('positions and ids are those of what is named', () => {
  const { listeners, clusters, accessFormat, accessTemplate } = compile(ALL);
  const [web, plain, tcp] = listeners;
  assert.deepEqual([web?.cluster, plain?.cluster, tcp?.cluster], [-1, 1, 1]);
  assert.equal(tcp?.http, null);
  assert.deepEqual([accessFormat, accessTemplate], ['template', '%{status} %{route}']);
  const routes = (web?.http?.hosts ?? []).flatMap((host) => host.routes);
  assert.deepEqual(
    routes.map(({ splits }) => splits.map(({ cluster, weight }) => [cluster, weight])),
    [
      [[0, 1]],
      [
        [2, 9],
        [3, 1],
      ],
      [],
      [],
      [[3, 1]],
    ],
  );
  assert.equal(new Set(routes.map(({ id }) => id)).size, routes.length);
  assert.equal(clusters.length, 4);
  assert.deepEqual(
    clusters.map(({ endpoints }) => endpoints.length),
    [2, 1, 1, 1],
  );
  assert.deepEqual(
    clusters.map(({ parent }) => parent),
    [-1, -1, clusters[0]?.id, clusters[1]?.id],
  );
});

test('a listener with a cluster only has one route under two paths', () => {
  const all = compile(ALL).listeners[1]?.http?.hosts.flatMap((host) => host.routes) ?? [];
  assert.equal(all.length, 2);
  assert.equal(new Set(all.map(({ id }) => id)).size, 1);
});

test('the core takes all of it', () => {
  lay(compile(ALL));
});

for (const file of ['http.yaml', 'websocket.yaml']) {
  test(`the core takes examples/${file}`, () => {
    const text = readFileSync(new URL(`../../../examples/${file}`, import.meta.url), 'utf8');
    lay(compile(text.replace(/^version: 1$/m, '')));
  });
}

test('what does not fit is refused by the core with its place', () => {
  const native = loadNative();
  const input = compile(ALL);
  const [web] = input.listeners;
  assert.ok(web?.http != null);
  const broken = { ...web.http, trace: 'sometimes' } as unknown as typeof web.http;
  const wrong = { ...input, listeners: [{ ...web, http: broken }] };
  assert.throws(() => native.compileSnapshot(wrong), /listeners\[0\]\.http\.trace must be/);
  assert.throws(
    () => native.checkRoutes({ ...web.http, trusted: ['10.0.0.0/33'] } as never),
    /http\.trusted must be networks/,
  );
});
