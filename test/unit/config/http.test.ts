/**
 * HTTP of listeners: what the short and long forms mean, and what each rule refuses, with its
 * place.
 *
 * Path: src/main/config schema-http.ts, schema-route.ts, check-http.ts, check-route.ts,
 * check-routes-together.ts, normalize-http.ts; the core judges patterns and templates.
 * Invariant under test: a configuration that is accepted is one that the core compiles.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadNative } from '../../../native/epoll/index.ts';
import type { HttpConfig } from '../../../src/main/config/config.ts';
import { toHttpInput } from '../../../src/main/config/http-input.ts';
import { loadConfigText } from '../../../src/main/config/load.ts';
import { findings, load, WORLD } from './world.ts';

/** A listener with these lines under `http`, and two clusters. */
function web(lines: readonly string[], listener: readonly string[] = []): string {
  return [
    'version: 1',
    'listeners:',
    '  - name: web',
    '    bind: 127.0.0.1:8080',
    '    protocol: http',
    ...listener.map((line) => `    ${line}`),
    '    http:',
    ...lines.map((line) => `      ${line}`),
    'clusters:',
    '  - name: a',
    '    balance: maglev',
    '    endpoints: [{ address: "127.0.0.1:3000", labels: { version: v1 } }]',
    '  - { name: b, endpoints: [127.0.0.1:3001] }',
    '',
  ].join('\n');
}

/** These routes of one host; the first stands in line 10. */
const routes = (...list: readonly string[]): string =>
  web(['hosts:', '  - names: a.example', '    routes:', ...list.map((each) => `      - ${each}`)]);

/** The HTTP of the only listener, which has to be right. */
function httpOf(text: string): HttpConfig {
  const { config, diagnostics } = load(text);
  const http = config?.listeners[0]?.http ?? null;
  assert.ok(http !== null, diagnostics.map(({ message }) => message).join('\n'));
  return http;
}

/** The only route. */
function routeOf(text: string): HttpConfig['hosts'][number]['routes'][number] {
  const [route] = httpOf(routes(`${text} }`)).hosts[0]?.routes ?? [];
  assert.ok(route !== undefined);
  return route;
}

/** What is found in one route: `CODE column`, and the message. */
function found(text: string): string[] {
  return findings(routes(text, '{ match: /rest, cluster: b }')).filter(
    (line) => !line.includes('no listener leads to cluster'),
  );
}

test('a listener with a cluster and nothing else sends everything there', () => {
  const text = web(['{}'], ['cluster: a']).replace('http:\n      {}', 'http: {}');
  const { http, cluster } = load(text).config?.listeners[0] ?? {};
  assert.equal(cluster, 'a');
  const all = http?.hosts[0]?.routes ?? [];
  assert.deepEqual(http?.hosts[0]?.names, ['*']);
  assert.deepEqual(
    all.map(({ pathKind, path, name, splits, webSocket }) => ({
      pathKind,
      path,
      name,
      splits,
      isAllowed: webSocket.isAllowed,
    })),
    [
      { pathKind: 'segments', path: '/' },
      { pathKind: 'exact', path: '*' },
    ].map((each) => ({
      ...each,
      name: 'all',
      splits: [{ cluster: 'a', weight: 1 }],
      isAllowed: true,
    })),
  );
});

test('defaults are those of the specification', () => {
  const { hosts: _, ...settings } = httpOf(routes('{ cluster: a }', '{ match: /b, cluster: b }'));
  assert.deepEqual(settings, {
    headBytesMax: 32_768,
    targetBytesMax: 8192,
    fieldsMax: 100,
    requestsMax: 1000,
    headMs: 10_000,
    keepAliveMs: 60_000,
    bodyMs: 30_000,
    isSlashMerged: true,
    isEscapedSlashAllowed: false,
    isUnderscoreAllowed: false,
    hasForwardedFor: true,
    hasForwarded: false,
    hasRequestId: true,
    trace: 'pass',
    via: '',
    serverName: '',
    trusted: [],
  });
  assert.deepEqual(routeOf('{ cluster: a'), {
    name: 'a.example:/',
    pathKind: 'segments',
    path: '/',
    methods: [],
    headers: [],
    query: [],
    action: 'cluster',
    status: 0,
    text: '',
    contentType: '',
    splits: [{ cluster: 'a', weight: 1 }],
    subset: null,
    filters: [],
    rewrite: { kind: 'none', pattern: '', text: '' },
    host: '',
    requestMs: 30_000,
    perTryMs: 0,
    idleMs: 300_000,
    bodyBytesMax: 0,
    retries: 1,
    retryOn: ['connect'],
    hash: { source: 'address', name: '', cookieSeconds: 0, cookiePath: '' },
    requestEdits: [],
    responseEdits: [],
    webSocket: {
      isAllowed: false,
      isValidated: false,
      isPingCounted: false,
      frameBytesMax: 0,
      idleMs: 0,
      pingMs: 0,
      pongMs: 0,
      maxAgeMs: 0,
      maxAgeJitterPermille: 0,
    },
  });
});

test('every setting of a listener arrives', () => {
  const text = web([
    'limits: { head: 16KiB, target: 4KiB, fields: 50, requests: unlimited }',
    'timeouts: { head: 5s, keepAlive: never, body: 1m }',
    'paths: { mergeSlashes: false, escapedSlashes: keep }',
    'underscores: keep',
    'trust: [10.0.0.0/8, "::1"]',
    'forwarded: [forwarded]',
    'requestId: false',
    'trace: create',
    'via: edge',
    'server: holdfast',
    'hosts: [{ routes: [{ cluster: a }, { match: /b, cluster: b }] }]',
  ]);
  const { hosts, ...settings } = httpOf(text);
  assert.deepEqual(hosts[0]?.names, ['*']);
  assert.deepEqual(settings, {
    headBytesMax: 16_384,
    targetBytesMax: 4096,
    fieldsMax: 50,
    requestsMax: 0,
    headMs: 5000,
    keepAliveMs: 0,
    bodyMs: 60_000,
    isSlashMerged: false,
    isEscapedSlashAllowed: true,
    isUnderscoreAllowed: true,
    hasForwardedFor: false,
    hasForwarded: true,
    hasRequestId: false,
    trace: 'create',
    via: 'edge',
    serverName: 'holdfast',
    trusted: ['10.0.0.0/8', '::1/128'],
  });
});

test('forwarded takes one word, several, or none', () => {
  const both = (value: string): readonly boolean[] => {
    const http = httpOf(
      web([
        `forwarded: ${value}`,
        'hosts: [{ routes: [{ cluster: a }, { match: /b, cluster: b }] }]',
      ]),
    );
    return [http.hasForwardedFor, http.hasForwarded];
  };
  assert.deepEqual(both('[]'), [false, false]);
  assert.deepEqual(both('off'), [false, false]);
  assert.deepEqual(both('forwarded'), [false, true]);
  assert.deepEqual(both('[x-forwarded, forwarded]'), [true, true]);
});

test('what a route is told, in short and in long', () => {
  const match = (text: string): unknown => {
    const { pathKind, path, methods } = routeOf(`{ cluster: a, match: ${text}`);
    return [pathKind, path, methods];
  };
  assert.deepEqual(match('/api'), ['segments', '/api', []]);
  assert.deepEqual(match('{ path: { segments: /api } }'), ['segments', '/api', []]);
  assert.deepEqual(match('{ path: { exact: /api }, methods: GET }'), ['exact', '/api', ['GET']]);
  assert.deepEqual(match('{ path: { prefix: /api } }'), ['prefix', '/api', []]);
  assert.deepEqual(match('{ path: { regex: "/a+" } }'), ['regex', '/a+', []]);

  const redirect = routeOf('{ redirect: "https://%{host}/"');
  assert.deepEqual(
    [redirect.action, redirect.status, redirect.text],
    ['redirect', 308, 'https://%{host}/'],
  );
  const respond = routeOf('{ respond: 404');
  assert.deepEqual(
    [respond.action, respond.status, respond.text, respond.contentType],
    ['respond', 404, '', ''],
  );
  const page = routeOf('{ respond: { status: 503, body: "later", contentType: text/html }');
  assert.deepEqual([page.status, page.text, page.contentType], [503, 'later', 'text/html']);

  assert.equal(routeOf('{ cluster: a, retry: off').retries, 0);
  assert.equal(routeOf('{ cluster: a, retry: 3').retries, 3);
  assert.deepEqual(routeOf('{ cluster: a, retry: { on: [reset, 503] }').retryOn, ['reset', '503']);
  assert.equal(routeOf('{ cluster: a, body: 16MiB').bodyBytesMax, 16 * 1024 * 1024);
  assert.deepEqual(routeOf('{ cluster: a, subset: { version: v1 }').subset, { version: 'v1' });
});

test('conditions', () => {
  const { headers, query } = routeOf(
    '{ cluster: a, match: { headers: [{ name: a, exact: x }, { name: b, prefix: x, invert: true }, { name: c, present: true }, { name: d, present: false }], query: [{ name: q, regex: "[0-9]+" }, { name: r, suffix: x }] }',
  );
  assert.deepEqual(
    headers.map(({ name, kind, value, isInverted }) => [name, kind, value, isInverted]),
    [
      ['a', 'exact', 'x', false],
      ['b', 'prefix', 'x', true],
      ['c', 'present', '', false],
      ['d', 'present', '', true],
    ],
  );
  assert.deepEqual(
    query.map(({ name, kind, value }) => [name, kind, value]),
    [
      ['q', 'regex', '[0-9]+'],
      ['r', 'suffix', 'x'],
    ],
  );
});

test('changes to headers: what is taken out comes first, then what is set, then what is added', () => {
  const { requestEdits, responseEdits } = routeOf(
    '{ cluster: a, requestHeaders: { add: { x-a: "1" }, set: { X-B: "%{client.address}" }, remove: x-c }, responseHeaders: { remove: [server, x-d] }',
  );
  assert.deepEqual(requestEdits, [
    { kind: 'remove', name: 'x-c', value: '' },
    { kind: 'set', name: 'X-B', value: '%{client.address}' },
    { kind: 'add', name: 'x-a', value: '1' },
  ]);
  assert.deepEqual(
    responseEdits.map(({ kind, name }) => `${kind} ${name}`),
    ['remove server', 'remove x-d'],
  );
});

test('WebSockets', () => {
  const on = routeOf('{ cluster: a, websocket: true').webSocket;
  assert.deepEqual(on, {
    isAllowed: true,
    isValidated: false,
    isPingCounted: false,
    frameBytesMax: 16 * 1024 * 1024,
    idleMs: 3_600_000,
    pingMs: 0,
    pongMs: 10_000,
    maxAgeMs: 0,
    maxAgeJitterPermille: 100,
  });
  assert.deepEqual(routeOf('{ cluster: a, websocket: {}').webSocket, on);
  assert.equal(routeOf('{ cluster: a, websocket: false').webSocket.isAllowed, false);
  assert.equal(routeOf('{ cluster: a, websocket: { allow: false }').webSocket.isAllowed, false);
  const all = routeOf(
    '{ cluster: a, websocket: { maxFrame: unlimited, idle: never, countPings: true, ping: 30s, pong: 5s, maxAge: { value: 24h, jitter: 5% }, validate: true }',
  ).webSocket;
  assert.deepEqual(all, {
    isAllowed: true,
    isValidated: true,
    isPingCounted: true,
    frameBytesMax: 0,
    idleMs: 0,
    pingMs: 30_000,
    pongMs: 5000,
    maxAgeMs: 86_400_000,
    maxAgeJitterPermille: 50,
  });
});

test('hashes', () => {
  assert.deepEqual(routeOf('{ cluster: a, hash: { header: x-user }').hash, {
    source: 'header',
    name: 'x-user',
    cookieSeconds: 0,
    cookiePath: '',
  });
  assert.deepEqual(routeOf('{ cluster: a, hash: { cookie: sid, ttl: 1h }').hash, {
    source: 'cookie',
    name: 'sid',
    cookieSeconds: 3600,
    cookiePath: '/',
  });
  assert.equal(routeOf('{ cluster: a, hash: { cookie: sid }').hash.cookieSeconds, 0);
  assert.equal(routeOf('{ cluster: a, hash: { query: user }').hash.source, 'query');
  assert.equal(routeOf('{ cluster: a, hash: { address: true }').hash.source, 'address');
});

test('names of routes: those that are given, else host and path, each once and short', () => {
  const http = httpOf(
    web([
      'hosts:',
      '  - names: [a.example, b.example]',
      '    routes:',
      '      - { match: /x, cluster: a }',
      '      - { match: { path: /x, methods: GET }, cluster: b }',
      '      - { name: own, match: /y, cluster: a }',
      `      - { match: /${'z'.repeat(100)}, cluster: a }`,
      `      - { match: { path: /${'z'.repeat(100)}, methods: GET }, cluster: a }`,
      '  - routes: [{ respond: 404 }]',
    ]),
  );
  const names = http.hosts.flatMap((host) => host.routes.map(({ name }) => name));
  assert.deepEqual(names, [
    'a.example:/x',
    'a.example:/x#2',
    'own',
    `a.example:/${'z'.repeat(52)}`,
    `a.example:/${'z'.repeat(50)}#2`,
    '*:/',
  ]);
});

test('TLS of such a listener agrees on http/1.1', () => {
  const tls = 'tls: { certificates: { cert: a.crt, key: a.key } }';
  const text = web(['hosts: [{ routes: [{ cluster: a }, { match: /b, cluster: b }] }]'], [tls]);
  assert.deepEqual(load(text).config?.listeners[0]?.tls?.alpn, ['http/1.1']);
});

test('what is accepted, the core compiles', () => {
  const http = httpOf(
    routes(
      '{ match: { path: { regex: "/u/([0-9]+)" } }, cluster: a, rewrite: { regex: "/u/([0-9]+)", to: "/v/\\\\1" } }',
      '{ match: { path: { exact: "*" } }, respond: 204 }',
      '{ match: /caf%c3%a9, split: [{ cluster: a, weight: 9 }, { cluster: b }] }',
    ),
  );
  const input = toHttpInput(http, { cluster: () => 0, route: () => 0 });
  assert.deepEqual(loadNative().checkRoutes(input), []);
});

test('a machine without the core says that routes are not checked', () => {
  const text = routes('{ cluster: a }', '{ match: /b, cluster: b }');
  const { diagnostics, config } = loadConfigText(text, null, { ...WORLD, checkRoutes: () => null });
  assert.deepEqual(
    diagnostics.map(({ code }) => code),
    ['HF1077'],
  );
  assert.ok(config !== null);
});

/** One route with one fault, and what is said of it. */
const FAULTS: Readonly<Record<string, string>> = {
  '{ match: /a }': 'HF1054 10:15 the route has none of "cluster", "split", "redirect", "respond"',
  '{ cluster: a, respond: 404 }': 'HF1054 10:38 the route has both "cluster" and "respond"',
  '{ match: { path: {} }, cluster: a }':
    'HF1054 10:32 the path has none of "segments", "exact", "prefix", "regex"',
  '{ match: { path: { exact: /a, regex: /a } }, cluster: a }':
    'HF1054 10:52 the path has both "exact" and "regex"',
  '{ match: { headers: [{ name: a, exact: b, prefix: c }] }, cluster: a }':
    'HF1054 10:65 condition on "a" has both "exact" and "prefix"',
  '{ match: { query: [{ name: a }] }, cluster: a }':
    'HF1054 10:34 condition on "a" has none of "exact", "prefix", "suffix", "regex", "present"',
  '{ respond: 200, websocket: true }':
    'HF1054 10:42 "websocket" has no endpoint to lead to: the route has "respond"',
  '{ cluster: a, rewrite: { prefix: /x, regex: x, to: y } }':
    'HF1054 10:59 the rewrite has both "prefix" and "regex"',
  '{ cluster: a, rewrite: { regex: x } }': 'HF1013 10:29 the rewrite has a pattern, but no "to"',
  '{ cluster: a, hash: {} }':
    'HF1054 10:35 "hash" has none of "header", "cookie", "query", "address"',
  '{ cluster: nobody }': 'HF1042 10:26 there is no cluster "nobody"',
  '{ split: [{ cluster: a }, { cluster: nobody }] }': 'HF1042 10:52 there is no cluster "nobody"',
  '{ match: { methods: FETCH }, cluster: a }':
    'HF1015 10:35 methods: "FETCH" is not one of the choices',
  '{ match: { headers: [{ name: "a b", exact: b }] }, cluster: a }':
    'HF1038 10:44 name: "a b" is not the name of a header',
  '{ cluster: a, requestHeaders: { remove: [content-length] } }':
    'HF1038 10:56 "content-length" belongs to the gateway and cannot be changed',
  '{ cluster: a, responseHeaders: { add: { x-a: "1", X-A: "2" } } }':
    'HF1038 10:70 "X-A" is there twice',
  '{ cluster: a, host: "a b" }': 'HF1035 10:35 host: "a b" is not a host',
  '{ cluster: a, retry: { on: sometimes } }':
    'HF1015 10:42 on: "sometimes" is not one of the choices',
  '{ cluster: a, retry: 11 }': 'HF1027 10:36 retry: 11 is above the limit of 10',
  '{ redirect: { to: /x, status: 200 } }':
    'HF1015 10:45 status: 200 is not the status of a redirect',
  '{ respond: 101 }': 'HF1027 10:26 respond: 101 is not the status of a response',
  '{ match: x, cluster: a }': 'HF1039 10:24 match: a path begins with /',
  '{ match: { path: { regex: "/[a" } }, cluster: a }': 'HF1039 10:43 regex: a [ that is not closed',
  '{ redirect: "https://%{nobody}/" }': 'HF1053 10:36 redirect: there is no such variable',
  '{ cluster: a, requestHeaders: { set: { x-a: "%{status}" } } }':
    'HF1053 10:60 x-a: this variable has no value here',
  '{ split: [{ cluster: a, weight: 0 }] }':
    'HF1027 10:24 split: the weights must have a sum between 1 and 4294967295',
  '{ cluster: a, websocket: { maxFrame: 5 } }':
    'HF1027 10:52 maxFrame: 5 is below the limit of 125B',
};

for (const [route, expected] of Object.entries(FAULTS)) {
  test(`refused: ${route}`, () => {
    const list = found(route);
    assert.deepEqual(list, [expected], list.join('\n'));
    assert.equal(load(routes(route)).config, null);
  });
}

/** One route with something in it that does nothing. */
const IDLE: Readonly<Record<string, string>> = {
  '{ respond: 404, retry: 2 }': '"retry" has no effect: the route has "respond"',
  '{ respond: { status: 204, body: x } }':
    '"body" has no effect: responses with 204 have no content',
  '{ cluster: b, hash: { header: x } }':
    '"hash" has no effect: cluster "b" does not balance by hash',
  '{ cluster: a, hash: { header: x, ttl: 1h } }': '"ttl" has no effect without "cookie"',
  '{ cluster: a, rewrite: { prefix: /x, to: y } }': '"to" has no effect: it is for "regex"',
  '{ cluster: a, subset: { version: v2 } }': 'no endpoint of cluster "a" has "version=v2"',
  '{ cluster: a, retry: { on: timeout } }':
    'retry on "timeout" has no effect: tries have no time limit of their own',
  '{ cluster: a, retry: { on: [connect, hedge] } }':
    'retry on "hedge" has no effect: tries have no time limit of their own',
  '{ cluster: a, timeouts: { perTry: 40s } }': '"perTry" has no effect: "request" ends first',
  '{ cluster: a, match: { methods: POST }, websocket: true }':
    '"websocket" has no effect: such connections begin with GET',
};

for (const [route, expected] of Object.entries(IDLE)) {
  test(`has no effect: ${route}`, () => {
    const list = found(route);
    assert.equal(list.length, 1, list.join('\n'));
    assert.ok(list[0]?.endsWith(expected) === true, list.join('\n'));
    assert.ok(load(routes(route)).config !== null);
  });
}

test('a fault in one route hides no fault in another, nor does the wrong shape of a third', () => {
  const list = findings(
    routes(
      '{ match: { path: { regex: "(" } }, cluster: a }',
      '{ match: { path: /x, method: GET }, cluster: a }',
      '{ redirect: "%{x}" }',
    ).replace('balance: maglev', 'balance: fast'),
  );
  assert.deepEqual(
    list.map((line) => line.split(' ').slice(0, 2).join(' ')),
    ['HF1039 10:42', 'HF1012 11:36', 'HF1053 12:28', 'HF1015 15:14', 'HF1060 17:13'],
  );
});

test('hosts and the rest of the listener', () => {
  const all = 'routes: [{ cluster: a }, { match: /b, cluster: b }]';
  const twice = `hosts: [{ names: [a.example, A.Example], ${all} }]`;
  assert.deepEqual(findings(web([twice])), ['HF1055 7:36 host "a.example" has an entry already']);
  const both = `hosts: [{ ${all} }, { names: "*", ${all} }]`;
  assert.deepEqual(findings(web([both])), ['HF1055 7:81 host "*" has an entry already']);
  const one = `hosts: [{ ${all} }]`;
  const faults: readonly (readonly [string, string])[] = [
    ['cluster: a', 'HF1066 6:14 "cluster" has no effect: "http.hosts" says where requests go'],
    ['timeouts: { halfClose: 1m }', 'HF1066 6:28 "halfClose" has no effect on HTTP'],
    ['tls: { mode: passthrough }', 'HF1056 6:18 TLS passes through, so that no HTTP can be read'],
  ];
  for (const [line, expected] of faults) {
    assert.deepEqual(findings(web([one], [line])), [expected]);
  }
  assert.deepEqual(findings(web(['requestId: true'])), [
    'HF1013 3:5 listener "web" has neither "cluster" nor "http.hosts"',
    'HF1060 9:11 no listener leads to cluster "a"',
    'HF1060 12:13 no listener leads to cluster "b"',
  ]);
});

test('HTTP without the protocol is refused: bytes would be relayed as they are', () => {
  const text = web(['via: off'], ['cluster: a']).replace('    protocol: http\n', '');
  assert.ok(
    findings(text).includes(
      'HF1056 7:7 "http" has no effect: the listener relays bytes as they are',
    ),
    findings(text).join('\n'),
  );
});

test('amounts of headers, conditions and clusters are limited', () => {
  const some = (count: number, item: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => item(i)).join(', ');
  const edits = (text: string): string => `{ cluster: a, responseHeaders: { ${text} } }`;
  const few = some(64, (i) => `x-${i}: "1"`);
  assert.deepEqual(found(edits(`set: { ${few} }, remove: [${some(64, (i) => `y-${i}`)}]`)), []);
  const [many] = found(edits(`set: { ${few} }, add: { ${few} }, remove: [y]`));
  assert.match(many ?? '', /^HF1044 10:46 129 headers are changed, the limit is 128$/);
  const [long] = found(edits(`set: { ${some(5, (i) => `x-${i}: ${'v'.repeat(4000)}`)} }`));
  assert.match(long ?? '', /^HF1044 10:46 the headers have 20015 bytes, the limit is 16384$/);
  const [conditions] = found(
    `{ cluster: a, match: { headers: [${some(17, (i) => `{ name: x-${i}, exact: y }`)}] } }`,
  );
  assert.match(conditions ?? '', /^HF1044 10:\d+ "headers" has 17 items, the limit is 16$/);
  const [splits] = found(`{ split: [${some(65, () => '{ cluster: a }')}] }`);
  assert.match(splits ?? '', /^HF1044 10:\d+ "split" has 65 items, the limit is 64$/);
  const names = some(1001, (i) => `h${i}.example`);
  const [hosts] = findings(
    web([`hosts: [{ names: [${names}], routes: [{ cluster: a }, { match: /b, cluster: b }] }]`]),
  );
  assert.match(hosts ?? '', /^HF1044 7:.*1001 names, the limit is 1000$/);
});

test('each subset counts as a cluster', () => {
  const list = (count: number): string[] =>
    Array.from(
      { length: count },
      (_, i) => `{ match: /${i % 1000}, cluster: a, subset: { v: "${i}" } }`,
    );
  const limit = (count: number): string[] =>
    findings(routes(...list(count))).filter((line) => line.includes('the limit'));
  assert.deepEqual(limit(1022), []);
  assert.match(
    limit(1023)[0] ?? '',
    /^HF1044 1032:\d+ .*2 clusters and 1023 subsets of clusters, the limit is 1024$/,
  );
});

test('routes to a cluster that is this listener go in a circle', () => {
  const text = routes('{ cluster: a }', '{ match: /b, cluster: b }').replace('3001', '8080');
  assert.ok(findings(text).some((line) => line.startsWith('HF1049 ')));
});

test('templates of access records', () => {
  const log = (format: string): string =>
    `version: 1\nlog: { accessFormat: ${format} }\nlisteners: []\nclusters: []`;
  const of = (format: string): unknown => {
    const { accessFormat, accessTemplate } = load(log(format)).config?.log ?? {};
    return [accessFormat, accessTemplate];
  };
  assert.deepEqual(of('common'), ['common', '']);
  assert.deepEqual(of('"%{status} %{path}"'), ['template', '%{status} %{path}']);
  const faults = (format: string): string | undefined => findings(log(format))[0];
  assert.match(faults('"%{statu}"') ?? '', /^HF1053 2:23 accessFormat: there is no such variable/);
  assert.match(faults('jsno') ?? '', /^HF1053 2:22 .*neither the name of a form nor a template/);
});
