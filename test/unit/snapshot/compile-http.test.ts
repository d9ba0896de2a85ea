/**
 * HTTP of the configuration reaches the core as it is meant, and the core takes it.
 *
 * Path: load.ts -> compile.ts, compile-http.ts, subsets.ts -> the real core's compileSnapshot, and
 * a shard that maps it.
 * Invariant under test: whatever the loader accepts, the core lays flat and a shard takes.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import * as fc from 'fast-check';
import { parse } from 'yaml';
import { loadNative, type SnapshotInput } from '../../../native/epoll/index.ts';
import { EMPTY_OVERLAY, resolveEndpoints } from '../../../src/main/clusters/index.ts';
import { type Config, loadConfigText } from '../../../src/main/config/index.ts';
import { Ids } from '../../../src/main/model/index.ts';
import { compileSnapshotInput } from '../../../src/main/snapshot/compile.ts';
import { NO_FILTERS } from '../../../src/main/snapshot/index.ts';
import { NO_TLS_MATERIAL } from '../../../src/main/tls/index.ts';
import { makeConfig } from '../fake-config.ts';
import { FAKE_ABI, FakeBoard } from '../fake-native.ts';

/** With ids for more than the few of other tests. */
const ABI = {
  ...FAKE_ABI,
  listenersMax: 64,
  clustersMax: 64,
  endpointsMax: 64,
  http: { ...FAKE_ABI.http, routesMax: 64 },
};

function compile(yaml: string): SnapshotInput {
  return compileConfig(makeConfig(yaml));
}

function compileConfig(config: Config): SnapshotInput {
  const endpoints = config.clusters.map((cluster) => {
    const resolved = resolveEndpoints(cluster, EMPTY_OVERLAY, () => []);
    return [cluster.name, resolved.endpoints] as const;
  });
  return compileSnapshotInput({
    config,
    endpoints: new Map(endpoints),
    material: NO_TLS_MATERIAL,
    ticketKeys: [],
    filters: NO_FILTERS,
    ids: new Ids(new FakeBoard(), ABI),
    netnsFd: () => -1,
    serial: 1,
  });
}

const native = loadNative();
const board = native.createBoard({ shards: 1, connectionsMax: 16, pendingBytesMax: 1 << 20 });
const shard = native.createShard({
  boardFd: board.fd,
  shard: 0,
  connectionsMax: 16,
  pendingBytesMax: 1 << 20,
  handshakeThreads: 0,
});

shard.start();
after(() => shard.stop());

/** The core lays it flat, and a shard takes it. */
function lay(input: SnapshotInput): void {
  const fd = native.compileSnapshot(input);
  try {
    shard.applySnapshot(fd);
  } finally {
    native.closeFd(fd);
  }
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

/** Values that people might write, in the place of others. */
const VALUES = fc.oneof(
  fc.constantFrom(
    '/',
    '/a/../b',
    '/%2f',
    '*',
    'x',
    '',
    '(',
    '[a-z]+',
    '\\1',
    '%{host}',
    '%{',
    '%%',
    '\u00e9',
  ),
  fc.constantFrom(
    '0',
    '1',
    '10%',
    '1h',
    'never',
    'unlimited',
    'off',
    'true',
    '200',
    '64KiB',
    'GET',
  ),
  fc.constantFrom(0, 1, -1, 404, 1e9, true, false, null, [], {}),
  fc.string({ maxLength: 12 }),
);

test('whatever the loader accepts, the core takes', () => {
  const valid = parse(ALL) as object;
  const paths: (string | number)[][] = [];
  const visit = (value: unknown, path: (string | number)[]): void => {
    if (path.length > 1) paths.push(path);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) visit(inner, [...path, key]);
  };
  visit(valid, []);
  let accepted = 0;
  const change = fc.tuple(fc.constantFrom(...paths), VALUES);
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 2 }), (changes) => {
      const copy = { version: 1, ...structuredClone(valid) } as Record<string, unknown>;
      for (const [path, value] of changes) put(copy, path, value);
      const { config } = loadConfigText(JSON.stringify(copy), null);
      if (config === null) return;
      accepted++;
      lay(compileConfig(config));
    }),
    { numRuns: 600 },
  );
  assert.ok(accepted > 30, `${accepted} were accepted`);
});

function put(root: object, path: readonly (string | number)[], value: unknown): void {
  let parent = root as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) {
    const next = parent[key];
    if (typeof next !== 'object' || next === null) return;
    parent = next as Record<string | number, unknown>;
  }
  parent[path.at(-1) ?? ''] = value;
}

test('what does not fit is refused by the core with its place', () => {
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
