/**
 * Every finding is provoked at least once, and every code is documented once.
 *
 * Path: src/main/config/codes.ts and the steps that report.
 * Invariant under test: the table of samples names each finding; the compiler refuses a table that
 * does not.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FINDINGS, type FindingName } from '../../../src/main/config/codes.ts';
import { loadConfigFile, loadConfigText } from '../../../src/main/config/load.ts';
import { load, minimal, TOKEN, WORLD } from './world.ts';

/** Found by trying the machine; test/unit/cli/deep.test.ts provokes them. */
type DeepName = 'cannotBind' | 'cannotResolve' | 'noNetns' | 'cannotWrite' | 'cannotConnect';
/** Found by comparing with what runs; the control plane reports it. */
type ReloadName = 'needsRestart';
/** Found in the files of TLS; test/unit/tls/material.test.ts provokes them. */
type TlsName =
  | 'keyExposed'
  | 'certificateEnding'
  | 'tlsUnchecked'
  | 'statusStale'
  | 'unreadableFile'
  | 'badCertificate'
  | 'badAuthority'
  | 'badTlsOptions'
  | 'tlsUnavailable';
/** Found by loading filters; test/unit/filters/check-config.test.ts provokes them. */
type FilterName = 'filterSource' | 'filterConfig' | 'filterPlace' | 'filterOrder';
/** Found where there is no core; http.test.ts provokes it. */
type CoreName = 'routesUnchecked';
type SampleName = Exclude<
  FindingName,
  DeepName | ReloadName | TlsName | FilterName | CoreName | 'unreadable' | 'format'
>;

const PAIR = 'cert: a.crt, key: a.key';

/** A listener with HTTP and these routes, each as text. */
const routes = (...list: readonly string[]): string =>
  minimal({
    listener: `protocol: http\n    http: { hosts: [{ routes: [${list.join(', ')}] }] }`,
  }).replace('    cluster: back\n', '');

const admin = (tcp: string): string => minimal({ top: `admin: { tcp: ${tcp} }` });

const SAMPLES: Readonly<Record<SampleName, string>> = {
  badFilter: minimal({ listener: 'filters: [auth.ts]' }),
  tooLarge: '#'.repeat(5 * 1024 * 1024),
  notText: 'a: \0',
  syntax: 'a: [1',
  tab: 'a:\n\tb: 1',
  duplicateKey: minimal({ top: 'shards: 1\nshards: 2' }),
  severalDocuments: 'a: 1\n---\nb: 1',
  expansion: `a: &a [${'x, '.repeat(1000)}]\nb: &b [${'*a, '.repeat(1000)}]\nc: [${'*b, '.repeat(1000)}]`,
  tooDeep: 'a: &a [*a]',
  empty: '',
  unknownKey: minimal({ top: 'shard: 1' }),
  missingKey: 'version: 1\nlisteners: []',
  wrongType: minimal({ listener: 'timeouts: 5s' }),
  unknownValue: minimal({ cluster: 'balance: fastest' }),
  version: minimal().replace('version: 1', 'version: 2'),
  badDuration: minimal({ listener: 'timeouts: { idle: 5 }' }),
  badSize: minimal({ listener: 'limits: { buffer: { high: 64K } }' }),
  badCount: minimal({ listener: 'limits: { connections: many }' }),
  badRate: minimal({ listener: 'limits: { acceptRate: 5k }' }),
  badPercent: minimal({ cluster: 'ejection: { panic: 5 }' }),
  badAddress: minimal().replace('127.0.0.1:8080', 'localhost:8080'),
  badCidr: minimal({ listener: 'proxyProtocol: { accept: [10.0.0.1/8] }' }),
  outOfRange: minimal({ top: 'shards: 65' }),
  unixPathTooLong: minimal().replace('127.0.0.1:8080', `unix:/${'x'.repeat(200)}`),
  badName: minimal().replace('name: front', 'name: my front'),
  badMode: minimal().replace('127.0.0.1:8080', '{ address: unix:/x, mode: "999" }'),
  badReference: minimal({ listener: 'netns: ${env:MISSING}' }),
  badSecret: admin('{ bind: "127.0.0.1:1", token: short }'),
  badPort: minimal().replace('127.0.0.1:3000', '127.0.0.1:0'),
  badPath: minimal({ top: 'log: { access: "" }' }),
  badServerName: minimal({ listener: `tls: { certificates: { ${PAIR}, names: a..b } }` }),
  badProtocol: minimal({ listener: `tls: { certificates: { ${PAIR} }, alpn: "a b" }` }),
  badSuite: minimal({ listener: `tls: { certificates: { ${PAIR} }, groups: "X25519:P-256" }` }),
  badFieldName: routes('{ cluster: back, requestHeaders: { set: { host: x } } }'),
  badPattern: routes('{ cluster: back, match: { path: { regex: "(" } } }'),
  duplicateName: minimal().replace(
    'clusters:',
    '  - { name: front, bind: "127.0.0.1:1", cluster: back }\nclusters:',
  ),
  duplicateBind: minimal().replace('bind: 127.0.0.1:8080', 'bind: [127.0.0.1:8080, 0.0.0.0:8080]'),
  unknownCluster: minimal().replace('cluster: back', 'cluster: nowhere'),
  watermarks: minimal({ listener: 'limits: { buffer: { high: 8KiB, low: 16KiB } }' }),
  tooMany: minimal().replace(
    'bind: 127.0.0.1:8080',
    `bind: [${Array.from({ length: 65 }, (_, i) => `127.0.0.1:${i + 1}`).join(', ')}]`,
  ),
  tokenMissing: admin('127.0.0.1:9901'),
  tokenTwice: admin(`{ bind: "127.0.0.1:1", token: ${TOKEN}, tokenFile: token }`),
  wrongOrder: minimal({ cluster: 'dns: { refreshMin: 10m }' }),
  duplicateEndpoint: minimal().replace('[127.0.0.1:3000]', '[127.0.0.1:3000, 127.0.0.1:3000]'),
  loop: minimal().replace('[127.0.0.1:3000]', '[127.0.0.1:8080]'),
  tlsIncomplete: minimal({ listener: 'tls: {}' }),
  duplicateServerName: minimal({
    listener:
      'tls: { mode: passthrough }\n    routes: [{ serverNames: a.b, cluster: back }, { serverNames: A.B., cluster: back }]',
  }),
  serverNameMissing: minimal({ cluster: 'tls: {}' }).replace('[127', '[unix:/run/x.sock, 127'),
  badTemplate: routes('{ redirect: "https://%{hots}/" }', '{ match: /b, cluster: back }'),
  routeAction: routes('{ match: /a }', '{ match: /b, cluster: back }'),
  duplicateRoute: routes('{ name: a, match: /a, cluster: back }', '{ name: a, cluster: back }'),
  notHttp: minimal({ listener: 'http: {}' }),
  endpointsTwice: minimal({ cluster: 'discovery: ./find.ts' }),
  unusedCluster: minimal().replace(
    'clusters:',
    'clusters:\n  - { name: spare, endpoints: [a.b:1] }',
  ),
  noEndpoints: minimal().replace('[127.0.0.1:3000]', '[]'),
  moreThanDescriptors: minimal({ top: 'limits: { connections: 100k }' }),
  adminExposed: admin('{ bind: "0.0.0.0:9901", tokenFile: token }'),
  trustsEveryone: minimal({ listener: 'proxyProtocol: { accept: [0.0.0.0/0] }' }),
  checkTooSlow: minimal({ cluster: 'healthCheck: { interval: 1s }' }),
  notApplicable: minimal().replace('127.0.0.1:8080', '{ address: "127.0.0.1:1", mode: "0600" }'),
  noListeners: 'version: 1\nlisteners: []\nclusters: []',
  peerUnchecked: minimal({ cluster: 'tls: { verify: off }' }),
  unreachableRoute: routes('{ match: /a, cluster: back }', '{ match: /a, respond: 404 }'),
  emptySubset: routes('{ cluster: back, subset: { version: v2 } }'),
  tokenInText: admin(`{ bind: "127.0.0.1:1", token: ${TOKEN} }`),
};

for (const [name, text] of Object.entries(SAMPLES)) {
  const row = FINDINGS[name as SampleName];
  test(`${row.code} ${name} is found`, () => {
    const { config, diagnostics } = load(text);
    const found = diagnostics.find(({ code }) => code === row.code);
    assert.ok(
      found !== undefined,
      diagnostics.map(({ code, message }) => `${code} ${message}`).join('\n'),
    );
    assert.equal(found.severity, row.severity);
    assert.equal(
      config === null,
      diagnostics.some(({ severity }) => severity === 'error'),
    );
    assert.ok(found.message.length > 10 && !found.message.endsWith('.'));
  });
}

test('a file that is not there, and one in another format, are found', () => {
  const missing = loadConfigFile('/nonexistent/holdfast.yaml', WORLD);
  assert.equal(missing.diagnostics[0]?.code, FINDINGS.unreadable.code);
  const toml = loadConfigText('version = 1', 'holdfast.toml', WORLD);
  assert.equal(toml.diagnostics[0]?.code, FINDINGS.format.code);
});

test('codes are unique', () => {
  const codes = Object.values(FINDINGS).map(({ code }) => code);
  assert.equal(new Set(codes).size, codes.length);
});

test('every code has its row in docs/errors.md', () => {
  const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  for (const { code, title } of Object.values(FINDINGS)) {
    assert.ok(page.includes(`\`${code}\``), code);
    assert.ok(page.includes(title), title);
  }
});
