/**
 * Verbs for a running gateway, against an admin endpoint that answers as the test says.
 *
 * Path: src/main/cli/admin-client.ts, find-admin.ts, verb-admin.ts, verb-conns.ts, verb-stats.ts.
 * Invariant under test: the requests, the printed answers, and one sentence with the right code for
 * each failure.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { findAdmin } from '../../../src/main/cli/find-admin.ts';
import { loadConfigText } from '../../../src/main/config/load.ts';
import { minimal, TOKEN } from '../config/world.ts';
import { adminEndpoint, run, temporaryDirectory } from './cli.ts';

const CONNECTION = {
  id: '1-a-2',
  listener: 'mqtt',
  cluster: 'brokers',
  endpoint: '10.0.0.1:1883',
  client: '192.0.2.7:51234',
  state: 'open',
  ageMs: 93_784_005,
  idleMs: 1500,
  bytesFromClient: 1_234_567,
  bytesFromEndpoint: 89,
  pendingBytes: 0,
};

test('conns prints a table, and asks for what it was told', async (t) => {
  const { path, seen } = await adminEndpoint(t, () => ({
    body: {
      connections: [CONNECTION, { ...CONNECTION, endpoint: null, pendingBytes: 65_536 }],
      next: '2-5',
    },
  }));
  const { out, code } = await run([
    'conns',
    '--admin',
    path,
    '--listener',
    'mqtt',
    '--older',
    '1h',
    '--limit',
    '2',
  ]);
  assert.equal(code, 0);
  assert.deepEqual(
    seen.map(({ method, url }) => `${method} ${url}`),
    ['GET /v1/connections?listener=mqtt&older=1h&limit=2'],
  );
  assert.equal(
    out,
    'ID     CLIENT           LISTENER  ENDPOINT       STATE    AGE  IDLE      IN  OUT  PENDING\n' +
      '1-a-2  192.0.2.7:51234  mqtt      10.0.0.1:1883  open   1d02h    1s  1.2MiB  89B        -\n' +
      '1-a-2  192.0.2.7:51234  mqtt      -              open   1d02h    1s  1.2MiB  89B  64.0KiB\n' +
      'more: add --cursor 2-5\n',
  );
});

test('conns shows the version of TLS where somebody has it', async (t) => {
  const connections = [
    { ...CONNECTION, tls: 'TLSv1.3' },
    { ...CONNECTION, tls: '' },
  ];
  const { path } = await adminEndpoint(t, () => ({ body: { connections, next: null } }));
  const lines = (await run(['conns', '--admin', path])).out.trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => line.split(/ {2,}/).at(-1)),
    ['TLS', 'TLSv1.3', '-'],
  );
});

test('conns shows route, messages and last pong where there is HTTP', async (t) => {
  const none = { messagesFromClient: 0, messagesFromEndpoint: 0, lastPongMs: 0 };
  const connections = [
    {
      ...CONNECTION,
      protocol: 'websocket',
      route: 'rooms',
      messagesFromClient: 12_345,
      messagesFromEndpoint: 6,
      lastPongMs: 1500,
    },
    { ...CONNECTION, state: 'http', protocol: 'http', route: null, ...none },
    { ...CONNECTION, protocol: 'tcp', route: null, ...none },
  ];
  const { path } = await adminEndpoint(t, () => ({ body: { connections, next: null } }));
  const { out } = await run(['conns', '--admin', path]);
  assert.deepEqual(
    out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/).slice(10)),
    [
      ['PROTOCOL', 'ROUTE', 'MSGS IN', 'MSGS OUT', 'LAST PONG'],
      ['websocket', 'rooms', '12,345', '6', '1s'],
      ['http', '-', '-', '-', '-'],
      ['-', '-', '-', '-', '-'],
    ],
  );
});

test('names of clients cannot control the terminal, and lines are cut to its width', async (t) => {
  const client = '\u001b[31mevil\u202e\n';
  const { path } = await adminEndpoint(t, () => ({
    body: { connections: [{ ...CONNECTION, client }], next: null },
  }));
  const { out } = await run(['conns', '--admin', path], { columns: 40 });
  assert.ok(!out.includes('\u001b') && !out.includes('\u202e'));
  for (const line of out.trimEnd().split('\n')) assert.ok(line.length <= 40, line);
});

test('--json is the answer as it is', async (t) => {
  const body = { connections: [CONNECTION], next: null, more: 'later' };
  const { path } = await adminEndpoint(t, () => ({ body }));
  assert.deepEqual(JSON.parse((await run(['conns', '--admin', path, '--json'])).out), body);
});

test('nobody matching is said', async (t) => {
  const { path } = await adminEndpoint(t, () => ({ body: { connections: [], next: null } }));
  assert.equal((await run(['conns', '--admin', path])).out, 'no connections match\n');
});

test('watching needs a terminal', async () => {
  assert.equal((await run(['conns', '--admin', '/x', '--watch'])).code, 2);
});

test('clusters prints endpoints with their state and why', async (t) => {
  const endpoint = { address: '10.0.0.1:80', weight: 2, connections: 1234, connectionsMax: 5000 };
  const good = { ...endpoint, state: 'healthy', isChecked: true, lastError: null, ejectedMs: 0 };
  const { path } = await adminEndpoint(t, () => ({
    body: {
      clusters: [
        { name: 'a', endpoints: [good, { ...good, isChecked: false, connectionsMax: 0 }] },
        { name: 'b', endpoints: [{ ...good, state: 'unhealthy', lastError: 'ECONNREFUSED' }] },
        { name: 'c', endpoints: [{ ...good, state: 'ejected', ejectedMs: 7000 }] },
        { name: 'd', endpoints: [] },
      ],
    },
  }));
  assert.equal(
    (await run(['clusters', '--admin', path])).out,
    'CLUSTER  ENDPOINT     STATE         WEIGHT  CONNECTIONS  WHY\n' +
      'a        10.0.0.1:80  healthy            2  1,234/5,000\n' +
      'a        10.0.0.1:80  unchecked          2        1,234\n' +
      'b        10.0.0.1:80  unhealthy          2  1,234/5,000  ECONNREFUSED\n' +
      'c        10.0.0.1:80  ejected            2  1,234/5,000  back in 7s\n' +
      'd        -            no endpoints\n',
  );
});

test('stats shows routes with their latencies', async (t) => {
  const counters = { requests: 12_345, responses2xx: 12_000, responses5xx: 7, webSocketsActive: 3 };
  const latency = { count: 5, meanMicros: 9, p50Micros: 950, p99Micros: 12_400, p999Micros: 2.5e6 };
  const { path } = await adminEndpoint(t, ({ url }) => ({
    body: url.endsWith('/status')
      ? { version: '0.1.0', pid: 7, uptimeMs: 61_000, state: 'serving', generation: 3 }
      : {
          process: {},
          http: [{ name: 'web', counters: { requests: 12_350 }, ends: { 'no-route': 5 } }],
          routes: [
            { listener: 'web', name: 'rooms', counters, latency },
            { listener: '', name: 'other', counters: {}, latency: null },
          ],
        },
  }));
  const { out } = await run(['stats', '--admin', path]);
  assert.match(out, /HTTP of listener web\n.*requests +12,350\n.*ends: no-route +5\n/);
  const table = out.split('routes\n')[1]?.split('\n\n')[0]?.split('\n') ?? [];
  assert.deepEqual(
    table.map((line) => line.split(/ {2,}/)),
    [
      [
        'LISTENER',
        'ROUTE',
        'REQUESTS',
        '4XX',
        '5XX',
        'RETRIES',
        'WEBSOCKETS',
        'P50',
        'P99',
        'P99.9',
      ],
      ['web', 'rooms', '12,345', '0', '7', '0', '3', '0.95ms', '12.4ms', '2s'],
      ['-', 'other', '0', '0', '0', '0', '0', '-', '-', '-'],
    ],
  );
});

test('stats shows what is not zero', async (t) => {
  const { path } = await adminEndpoint(t, ({ url }) => ({
    body: url.endsWith('/status')
      ? { version: '0.1.0', pid: 7, uptimeMs: 61_000, state: 'serving', generation: 3 }
      : {
          process: { connections: 5, openFds: 0 },
          listeners: [
            { name: 'mqtt', counters: { bytesFromClients: 2048 }, refused: { limit: 2 } },
          ],
          shards: [{ shard: 1, counters: { turns: 9 } }],
        },
  }));
  const { out } = await run(['stats', '--admin', path]);
  assert.match(out, /^holdfast 0\.1\.0 {2}pid 7, up 1m01s, serving, generation 3\n/);
  assert.match(out, /listener mqtt\n {2}bytes from clients +2\.0KiB\n {2}refused: limit +2\n/);
  assert.match(out, /shard 1\n {2}turns +9\n/);
  assert.doesNotMatch(out, /open fds/);
});

test('kill, undrain and log-level change by the right methods', async (t) => {
  const { path, seen } = await adminEndpoint(t, () => ({
    body: { level: 'debug', former: 'info' },
  }));
  assert.equal(
    (await run(['kill', '1-a-2', '1-b-3', '--admin', path])).out,
    'closed 1-a-2\nclosed 1-b-3\n',
  );
  assert.equal((await run(['undrain', '--admin', path])).out, 'serving again\n');
  assert.equal(
    (await run(['log-level', 'debug', '--admin', path])).out,
    'log level: debug (was info)\n',
  );
  await run(['log-level', '--admin', path]);
  assert.deepEqual(
    seen.map(({ method, url, body }) => `${method} ${url} ${body}`),
    [
      'DELETE /v1/connections/1-a-2 ',
      'DELETE /v1/connections/1-b-3 ',
      'POST /v1/undrain {}',
      'POST /v1/log-level {"level":"debug"}',
      'GET /v1/log-level ',
    ],
  );
});

test('drain sends its window, and waits until nobody is left', async (t) => {
  const left = [3, 1, 0];
  const { path, seen } = await adminEndpoint(t, ({ url }) => ({
    body: url === '/v1/drain' ? { connections: 3, overMs: 300_000 } : { connections: left.shift() },
  }));
  const { out } = await run(['drain', '--over', '5m', '--wait', '--admin', path]);
  assert.equal(seen[0]?.body, '{"overMs":300000}');
  assert.match(out, /^draining 3 connections over 5m00s; .*\ndrained: no connections left\n$/);
  assert.equal(seen.length, 4);
  await run(['drain', '--admin', path]);
  assert.equal(seen[4]?.body, '{}');
  assert.equal((await run(['drain', '--over', '5', '--admin', path])).code, 2);
});

test('reload says what changed', async (t) => {
  const report = {
    generation: 4,
    changes: ['listener "a" added'],
    warnings: [],
    diagnostics: [],
    error: null,
  };
  const { path, seen } = await adminEndpoint(t, ({ url }) => ({
    body: url === '/v1/status' ? { source: '/nonexistent.yaml' } : { result: 'applied', ...report },
  }));
  const { out, code } = await run(['reload', '--admin', path]);
  assert.equal(code, 0);
  assert.equal(out, 'applied as generation 4\n  listener "a" added\n');
  assert.equal(seen.at(-1)?.method, 'POST');
});

test('a rejected reload shows the findings in the file, and exits with 2', async (t) => {
  const file = join(temporaryDirectory(t), 'a.yaml');
  const text = minimal({ top: 'shards: 100' });
  writeFileSync(file, text);
  const { diagnostics } = loadConfigText(text, file);
  const { path } = await adminEndpoint(t, ({ url }) =>
    url === '/v1/status'
      ? { body: { source: file } }
      : {
          status: 422,
          body: {
            result: 'invalid',
            generation: 4,
            changes: [],
            warnings: [],
            diagnostics,
            error: {},
          },
        },
  );
  const { note, code } = await run(['reload', '--admin', path]);
  assert.equal(code, 2);
  assert.match(note, /> 2 \| shards: 100/);
  assert.match(note, /error rejected: 1 error; the running configuration stays\n$/);
});

test('a reload that cannot be applied exits with 1', async (t) => {
  const body = {
    result: 'failed',
    generation: 1,
    changes: [],
    warnings: [],
    diagnostics: [],
    error: { message: 'port 80 is taken' },
  };
  const { path } = await adminEndpoint(t, ({ url }) =>
    url === '/v1/status' ? { body: { source: 'x' } } : { status: 409, body },
  );
  const { note, code } = await run(['reload', '--admin', path]);
  assert.deepEqual(
    [note, code],
    ['error failed: port 80 is taken; the running configuration stays\n', 1],
  );
});

test('a dry run sends the file and changes nothing', async (t) => {
  const file = join(temporaryDirectory(t), 'a.yaml');
  writeFileSync(file, minimal());
  const { path, seen } = await adminEndpoint(t, () => ({
    body: {
      result: 'valid',
      generation: 1,
      changes: [],
      warnings: ['shards changed'],
      diagnostics: [],
      error: null,
    },
  }));
  const { out, note } = await run(['reload', '--dry-run', file, '--admin', path]);
  assert.deepEqual(
    seen.map(({ method, url, body }) => [method, url, body]),
    [['PUT', '/v1/config?dry_run=1', minimal()]],
  );
  assert.equal(out, 'valid; applying it would change:\n  nothing\n');
  assert.equal(note, 'warning: shards changed\n');
});

test('a refusal is told with its hint', async (t) => {
  const { path } = await adminEndpoint(t, () => ({
    status: 404,
    body: {
      error: {
        code: 'NOT_FOUND',
        message: 'there is no connection 1-a-2',
        hint: 'it may have ended',
      },
    },
  }));
  const { note, code } = await run(['kill', '1-a-2', '--admin', path]);
  assert.deepEqual([note, code], ['error there is no connection 1-a-2\n  it may have ended\n', 1]);
});

test('no gateway is exit code 3 and one sentence', async (t) => {
  const directory = temporaryDirectory(t);
  const missing = await run(['conns', '--admin', join(directory, 'none.sock')]);
  assert.equal(missing.code, 3);
  assert.match(
    missing.note,
    /^error no gateway is running at .*none\.sock: there is no such socket\n {2}start one/,
  );
  const plain = join(directory, 'file');
  writeFileSync(plain, '');
  const file = await run(['conns', '--admin', plain]);
  assert.equal(file.code, 3);
  const refused = await run(['conns', '--admin', '127.0.0.1:1']);
  assert.equal(refused.code, 3);
  assert.match(refused.note, /nothing listens there/);
});

test('whoever answers in another language is not a gateway', async (t) => {
  const { path } = await adminEndpoint(t, () => ({ body: '<html>hello</html>' }));
  const html = await run(['conns', '--admin', path]);
  assert.equal(html.code, 3);
  assert.match(html.note, /answers, but it is not the admin endpoint of a holdfast/);
  const echo = createServer((socket) => socket.pipe(socket));
  const socketPath = join(temporaryDirectory(t), 'echo.sock');
  echo.listen(socketPath);
  await once(echo, 'listening');
  t.after(() => echo.close());
  assert.equal((await run(['conns', '--admin', socketPath])).code, 3);
});

test('over TCP the token is sent, and never printed', async (t) => {
  const { port, seen } = await adminEndpoint(
    t,
    ({ headers }) =>
      headers.authorization === `Bearer ${TOKEN}`
        ? { body: { connections: [], next: null } }
        : { status: 401, body: { error: { message: 'the token is missing or wrong' } } },
    0,
  );
  const admin = `127.0.0.1:${port}`;
  const good = await run(['conns', '--admin', admin], { env: { HOLDFAST_TOKEN: TOKEN } });
  assert.equal(good.code, 0);
  const bad = await run(['conns', '--admin', admin], {
    env: { HOLDFAST_TOKEN: 'wrong-but-secret' },
  });
  assert.equal(bad.code, 1);
  assert.match(bad.note, /refuses the token\n {2}set HOLDFAST_TOKEN/);
  assert.ok(!bad.note.includes('wrong-but-secret'));
  assert.equal(seen.length, 2);
});

test('the endpoint is found in the documented order', (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'a.yaml');
  writeFileSync(file, minimal({ top: 'admin: { socket: /run/from-file.sock }' }));
  const env = { HOLDFAST_ADMIN: 'unix:/run/from-env.sock' };
  assert.deepEqual(findAdmin({ admin: '/run/a.sock', config: file }, env), {
    kind: 'unix',
    path: '/run/a.sock',
  });
  assert.deepEqual(findAdmin({ config: file }, env), { kind: 'unix', path: '/run/from-env.sock' });
  assert.deepEqual(findAdmin({ config: file }, {}), { kind: 'unix', path: '/run/from-file.sock' });
  assert.deepEqual(findAdmin({ admin: 'http://localhost:99/' }, { HOLDFAST_TOKEN: 't' }), {
    kind: 'tcp',
    host: '127.0.0.1',
    port: 99,
    token: 't',
  });
  writeFileSync(file, minimal({ top: 'admin: { socket: off }' }));
  assert.throws(() => findAdmin({ config: file }, {}), /has no admin endpoint/);
});

test('a file names the TCP endpoint and its token file', (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'token'), `${TOKEN}\n`);
  const file = join(directory, 'a.yaml');
  const top = 'admin: { socket: off, tcp: { bind: "127.0.0.1:9901", tokenFile: token } }';
  writeFileSync(file, minimal({ top }));
  assert.deepEqual(findAdmin({ config: file }, {}), {
    kind: 'tcp',
    host: '127.0.0.1',
    port: 9901,
    token: TOKEN,
  });
});
