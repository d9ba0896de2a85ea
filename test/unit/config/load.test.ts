/**
 * Loading a configuration: from text to the normalized form, with every default filled in.
 *
 * Path: src/main/config/load.ts and what it calls.
 * Invariant under test: a configuration is there exactly when no finding is an error.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Config } from '../../../src/main/config/config.ts';
import { loadConfigFile } from '../../../src/main/config/load.ts';
import { findings, load, minimal, TOKEN, WORLD } from './world.ts';

/** The sketch of the language, as it was first written down. */
const SKETCH = `version: 1
shards: auto
admin: { socket: ./holdfast.sock }          # also: tcp: 127.0.0.1:9901, with a token
log: { level: info, access: stdout }
listeners:
  - name: mqtt
    bind: [0.0.0.0:1883, "[::]:1883"]
    netns: blue                              # optional
    protocol: tcp
    proxyProtocol: { accept: [10.0.0.0/8] }
    limits: { connections: 100k, connectionsPerAddress: 200, acceptRate: 5k/s }
    timeouts: { idle: 1h, halfClose: 60s, maxAge: { value: 24h, jitter: 10% } }
    cluster: brokers
clusters:
  - name: brokers
    balance: least-connections
    endpoints: [10.0.1.10:1883, { address: broker.internal:1883, weight: 2 }]
    connect: { timeout: 3s, retries: 1 }
    healthCheck: { type: tcp, interval: 5s, unhealthyAfter: 3, healthyAfter: 2 }
    proxyProtocol: v2
`;

function loadGood(text: string): Config {
  const { config, diagnostics } = load(text);
  assert.deepEqual(diagnostics, []);
  assert.ok(config !== null);
  return config;
}

test('the sketch of the language loads as it is', () => {
  const config = loadGood(SKETCH);
  const [listener] = config.listeners;
  assert.deepEqual(listener?.bind, [
    { ip: '0.0.0.0', port: 1883 },
    { ip: '::', port: 1883 },
  ]);
  assert.equal(listener.netns, 'blue');
  assert.deepEqual(listener.proxyProtocol, { accept: ['10.0.0.0/8'], timeoutMs: 5000 });
  assert.equal(listener.limits.connections, 100_000);
  assert.equal(listener.limits.acceptRate, 5000);
  assert.deepEqual(listener.timeouts, {
    idleMs: 3_600_000,
    halfCloseMs: 60_000,
    maxAgeMs: 86_400_000,
    maxAgeJitterPermille: 100,
  });
  assert.deepEqual(config.clusters[0]?.endpoints, [
    { host: '10.0.1.10', port: 1883, weight: 1, connections: 0, labels: {} },
    { host: 'broker.internal', port: 1883, weight: 2, connections: 0, labels: {} },
  ]);
  assert.equal(config.clusters[0].proxyProtocol, 2);
});

test('a minimal configuration has every default', () => {
  const socket = {
    nodelay: true,
    keepaliveIdleSeconds: 60,
    keepaliveIntervalSeconds: 10,
    keepaliveCount: 6,
    userTimeoutMs: 30_000,
  };
  assert.deepEqual(loadGood(minimal()), {
    version: 1,
    shards: 4,
    distribution: 'least-connections',
    admin: { socket: './holdfast.sock', tcp: null },
    log: {
      level: 'info',
      access: 'stdout',
      accessFormat: 'json',
      accessTemplate: '',
      accessIntervalMs: 3_600_000,
      format: 'auto',
    },
    limits: { connections: 9872, memory: 536_870_912, memoryPerShard: 134_217_728 },
    drain: { overMs: 30_000, graceMs: 10_000, readinessDelayMs: 5000 },
    tls: { ticketRotationMs: 28_800_000, handshakeThreads: 0 },
    listeners: [
      {
        name: 'front',
        bind: [{ ip: '127.0.0.1', port: 8080 }],
        netns: null,
        protocol: 'tcp',
        backlog: 4096,
        proxyProtocol: null,
        limits: {
          connections: 0,
          connectionsPerAddress: 1000,
          acceptRate: 0,
          bufferHigh: 65_536,
          bufferLow: 32_768,
        },
        timeouts: {
          idleMs: 3_600_000,
          halfCloseMs: 60_000,
          maxAgeMs: 0,
          maxAgeJitterPermille: 100,
        },
        socket,
        accessLog: true,
        tls: null,
        routes: [],
        cluster: 'back',
        codec: null,
        http: null,
        filters: [],
      },
    ],
    clusters: [
      {
        name: 'back',
        balance: 'least-connections',
        balancer: null,
        endpoints: [{ host: '127.0.0.1', port: 3000, weight: 1, connections: 0, labels: {} }],
        discovery: null,
        connect: { timeoutMs: 3000, retries: 1 },
        healthCheck: null,
        ejection: {
          afterFailures: 5,
          afterErrors: 5,
          latencyPermille: 0,
          baseMs: 10_000,
          maxMs: 300_000,
          percentMax: 50,
          panicPercent: 30,
        },
        slowStartMs: 0,
        proxyProtocol: 0,
        netns: null,
        socket,
        dns: { refreshMinMs: 5000, refreshMaxMs: 300_000, resolvers: null, family: 'any' },
        tls: null,
        http: {
          idleMs: 30_000,
          ageMs: 3_600_000,
          requestsMax: 1000,
          idlePerEndpoint: 64,
          connectionsMax: 0,
          requestsActiveMax: 0,
          pendingMax: 1024,
          retriesMax: 0,
          retryBudgetPermille: 200,
        },
      },
    ],
  });
});

test('short forms and long forms say the same', () => {
  const short = minimal({ listener: 'timeouts: { maxAge: 24h }' });
  const long = minimal({ listener: 'timeouts: { maxAge: { value: 24h, jitter: 10% } }' });
  assert.deepEqual(loadGood(short), loadGood(long));
  const list = minimal().replace('bind: 127.0.0.1:8080', 'bind: [{ address: "127.0.0.1:8080" }]');
  assert.deepEqual(loadGood(list), loadGood(minimal()));
});

test('empty sections are as good as none', () => {
  const text = minimal({ top: 'log:\nlimits:\nadmin:', listener: 'timeouts:', cluster: 'dns:' });
  assert.deepEqual(loadGood(text), loadGood(minimal()));
});

test('words switch things off', () => {
  const config = loadGood(
    minimal({
      top: 'admin: { socket: off }\nlog: { access: off, accessInterval: never }',
      listener:
        'timeouts: { idle: never, halfClose: off }\n    socket: { keepalive: { idle: off }, userTimeout: off }',
      cluster: 'ejection: { afterFailures: off }\n    slowStart: never',
    }),
  );
  assert.equal(config.admin.socket, null);
  assert.equal(config.log.access, 'off');
  assert.equal(config.log.accessIntervalMs, 0);
  assert.equal(config.listeners[0]?.timeouts.idleMs, 0);
  assert.equal(config.listeners[0].socket.keepaliveIdleSeconds, 0);
  assert.equal(config.listeners[0].socket.userTimeoutMs, 0);
  assert.equal(config.clusters[0]?.ejection.afterFailures, 0);
});

test('"weighted" is another word for round-robin', () => {
  assert.equal(
    loadGood(minimal({ cluster: 'balance: weighted' })).clusters[0]?.balance,
    'round-robin',
  );
});

test('Unix sockets have paths and modes', () => {
  const text = minimal().replace(
    'bind: 127.0.0.1:8080',
    'bind: [unix:/run/a.sock, { address: "unix:/run/b.sock", mode: "0660" }]',
  );
  assert.deepEqual(loadGood(text).listeners[0]?.bind, [
    { path: '/run/a.sock' },
    { path: '/run/b.sock', mode: 0o660 },
  ]);
});

test('JSON says the same as YAML', () => {
  const json = JSON.stringify({
    version: 1,
    listeners: [{ name: 'front', bind: '127.0.0.1:8080', cluster: 'back' }],
    clusters: [{ name: 'back', endpoints: ['127.0.0.1:3000'] }],
  });
  assert.deepEqual(loadGood(json), loadGood(minimal()));
  assert.deepEqual(load(json, 'x.json').diagnostics, []);
});

test('references to the environment are values, and never structure', () => {
  const listener = 'timeouts: { idle: "${env:IDLE}", halfClose: "${env:NONE:-5s}" }';
  const { idleMs, halfCloseMs } = loadGood(minimal({ listener })).listeners[0]?.timeouts ?? {};
  assert.equal(idleMs, 90_000);
  assert.equal(halfCloseMs, 5000);
});

test('a reference that does not fit says where it came from', () => {
  const listener = 'timeouts: { idle: "${env:BAD}" }';
  assert.deepEqual(findings(minimal({ listener })), [
    'HF1020 6:23 idle: "ninety" is not a duration (from ${env:BAD})',
  ]);
});

test('a token comes from the environment or from a file, and no other value from a file', () => {
  for (const reference of ['${env:TOKEN}', '${file:token}']) {
    const top = `admin: { tcp: { bind: "127.0.0.1:9901", token: "${reference}" } }`;
    assert.deepEqual(loadGood(minimal({ top })).admin.tcp, {
      host: '127.0.0.1',
      port: 9901,
      tokenFile: null,
      token: TOKEN,
    });
  }
  const listener = 'netns: "${file:token}"';
  const found = findings(minimal({ listener }));
  assert.ok(found.some((line) => line.includes('only a token can be read from a file')));
  assert.ok(!found.join().includes(TOKEN));
});

test('findings of all kinds come at once, in the order of the text', () => {
  const text = minimal({ top: 'shards: 100', listener: 'protocl: tcp', cluster: 'balance: rr' })
    .replace('cluster: back', 'cluster: bakc')
    .replace('127.0.0.1:8080', 'localhost:8080');
  assert.deepEqual(
    findings(text).map((line) => line.slice(0, 10)),
    ['HF1027 2:9', 'HF1025 5:1', 'HF1042 6:1', 'HF1012 7:5', 'HF1015 11:'],
  );
});

test('limits of the whole are checked', () => {
  const many = (count: number, line: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join('');
  const listeners = `version: 1\nlisteners:\n${many(257, (i) => `  - { name: l${i}, bind: "127.0.0.1:${i + 1000}", cluster: c }\n`)}clusters: [{ name: c, endpoints: ["127.0.0.1:1"] }]\n`;
  assert.ok(findings(listeners).includes('HF1044 259:5 there are 257 listeners, the limit is 256'));
  const endpoints = `version: 1\nlisteners: [{ name: l, bind: "127.0.0.1:9", cluster: c }]\nclusters:\n  - name: c\n    endpoints:\n${many(16_385, (i) => `      - 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:80\n`)}`;
  assert.deepEqual(findings(endpoints), [
    'HF1044 16390:9 there are more than 16384 endpoints in all',
  ]);
});

test('so many findings are kept, and the rest is counted', () => {
  const bad = Array.from({ length: 300 }, (_, i) => `bad${i}: 1`).join('\n');
  const { diagnostics } = load(minimal({ top: bad }));
  assert.equal(diagnostics.length, 100);
  assert.match(diagnostics.at(-1)?.hint ?? '', /200 more findings are not shown/);
});

test('files that cannot be used are findings', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const latin = join(directory, 'latin.yaml');
  writeFileSync(latin, Buffer.from([0x61, 0x3a, 0x20, 0xe9, 0x0a]));
  const huge = join(directory, 'huge.yaml');
  writeFileSync(huge, '#'.repeat(5 * 1024 * 1024));
  const toml = join(directory, 'x.toml');
  writeFileSync(toml, 'version = 1\n');
  const good = join(directory, 'good.yaml');
  writeFileSync(good, `\uFEFF${minimal()}`);
  const codes = [directory, join(directory, 'none.yaml'), latin, huge, toml, good].map((path) =>
    loadConfigFile(path, WORLD).diagnostics.map(({ code }) => code),
  );
  assert.deepEqual(codes, [['HF1001'], ['HF1001'], ['HF1003'], ['HF1002'], ['HF1011'], []]);
});

test('values are compared with the defaults of the schema', () => {
  const pairs: readonly (readonly [string, string, string])[] = [
    ['listener', 'limits: { buffer: { high: 32KiB } }', 'limits: { buffer: { high: 31KiB } }'],
    ['listener', 'limits: { buffer: { low: 64KiB } }', 'limits: { buffer: { low: 65KiB } }'],
    ['cluster', 'ejection: { max: 10s }', 'ejection: { max: 9s }'],
    ['cluster', 'ejection: { base: 5m }', 'ejection: { base: 6m }'],
    ['cluster', 'dns: { refreshMax: 5s }', 'dns: { refreshMax: 4s }'],
    ['cluster', 'dns: { refreshMin: 5m }', 'dns: { refreshMin: 6m }'],
    ['cluster', 'healthCheck: { timeout: 5s }', 'healthCheck: { timeout: 6s }'],
    ['cluster', 'healthCheck: { interval: 2s }', 'healthCheck: { interval: 1s }'],
    ['top', 'limits: { memoryPerShard: 512MiB }', 'limits: { memoryPerShard: 513MiB }'],
  ];
  for (const [where, good, bad] of pairs) {
    assert.deepEqual(findings(minimal({ [where]: good })), [], good);
    assert.equal(findings(minimal({ [where]: bad })).length, 1, bad);
  }
});

test('listeners may overlap in different namespaces and families, and nowhere else', () => {
  const second = (rest: string): string =>
    minimal().replace('clusters:', `  - { name: two, cluster: back, ${rest} }\nclusters:`);
  assert.deepEqual(findings(second('bind: "127.0.0.1:8080", netns: blue')), []);
  assert.deepEqual(findings(second('bind: "[::]:8080"')), []);
  assert.deepEqual(findings(second('bind: "127.0.0.2:8080"')), []);
  assert.deepEqual(findings(second('bind: ["127.0.0.1:0", "127.0.0.3:0"]')), []);
  assert.match(findings(second('bind: "0.0.0.0:8080"')).join(), /HF1041 .* overlaps with/);
  assert.match(findings(second('bind: "127.0.0.1:8080"')).join(), /HF1041 .* is already bound/);
});

test('a loop is found through wildcards, Unix sockets and namespaces', () => {
  const loop = (bind: string, endpoint: string, cluster?: string): string =>
    findings(
      minimal(cluster === undefined ? {} : { cluster })
        .replace('127.0.0.1:8080', bind)
        .replace('[127.0.0.1:3000]', `["${endpoint}"]`),
    ).join();
  assert.match(loop('0.0.0.0:8080', '127.0.0.1:8080'), /^HF1049/);
  assert.match(loop('"[::]:8080"', '[::1]:8080'), /^HF1049/);
  assert.match(loop('unix:/run/a.sock', 'unix:/run/a.sock'), /^HF1049/);
  assert.equal(loop('0.0.0.0:8080', '10.0.0.1:8080'), '');
  assert.equal(loop('127.0.0.1:8080', '127.0.0.1:8080', 'netns: blue'), '');
});
