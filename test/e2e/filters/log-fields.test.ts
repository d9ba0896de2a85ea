/**
 * Fields that filters set for access records, through a gateway.
 *
 * Path: client -> filters of this file and of the core -> records on standard output or in a file.
 * Invariant under test: a record shows what was set for its request, connection or WebSocket, by
 * whichever filter, and of nobody else; no value can forge a line, and limits hold.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EchoClient, GatewayProcess, makeDirectory, type Owner, startEcho } from '../harness.ts';
import { get } from '../http/http-scene.ts';
import { clientFrame, endpointFrame, readFrame, TEXT } from '../websocket/frames.ts';
import { handshake, Sockets } from '../websocket/ws-scene.ts';
import {
  messageFilter,
  networkFilter,
  routesOf,
  shareFilters,
  startFilters,
  streamFilter,
  tryAsk,
  writeFilters,
} from './filter-scene.ts';

const TEXTS = {
  'hello.ts': networkFilter('hello', "onOpen: (connection, { log }) => log('door', 'front')"),
  'tag.ts': streamFilter(
    'tag',
    `needs: { requestHeaders: ['x-tenant'] },
  onRequest({ headers }, { log }) { log('tenant', headers.get('x-tenant') ?? 'none'); },
  onRouted({ route }, scope) { scope.log('seen', route); },
  async onResponse({ status }, scope) {
    scope.log('early', 'yes');
    await pause(5);
    scope.log('status.late', String(status));
    scope.log('seen', 'again');
  }`,
  ),
  'refuse.ts': streamFilter(
    'refuse',
    "onRequest: (request, { log }) => { log('why', 'closed for lunch'); return respond(403); }",
  ),
  'waits.ts': streamFilter(
    'waits',
    `timeout: '30s', setup: ({ log }) => log,
  async onRequest(request, { log, shared, signal }) {
    log('before', 'set');
    shared.info('it waits');
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    log('after', 'never');
  }`,
  ),
  'odd.ts': streamFilter(
    'odd',
    `onRequest(request, { log }) {
    log('quoted', 'say "a\\\\b"');
    log('lines', 'one\\r\\n{"event":"request"}\\u0000\\u007f');
    log('empty', '');
    log('long', 'ä'.repeat(200));
    log('lone', 'x\\ud800y');
  }`,
  ),
  'many.ts': streamFilter(
    'many',
    "onRequest(request, { log }) { for (let i = 0; i < 20; i++) log('f' + i, String(i)); }",
  ),
  'large.ts': streamFilter(
    'large',
    "onRequest(request, { log }) { for (let i = 0; i < 10; i++) log('f' + i, 'x'.repeat(250)); }",
  ),
  'name.ts': streamFilter(
    'name',
    "onRouted(request, { log }) { log('kept', 'yes'); log('No Name', 'x'); }",
  ),
  'ends.ts': streamFilter('ends', "onRequest() {}, onEnd(record, { log }) { log('late', 'x'); }"),
  'talk.ts': messageFilter(
    'talk',
    `needs: { messages: { from: 'both' } }, begin: () => ({ count: 0 }),
  async onOpen(request, { log }) { await pause(5); log('user', request.query('user') ?? ''); },
  onMessage(message, { state, log }) { log('last', message.text + ++state.count); }`,
  ),
};

const FIELDS = {
  tenant: '%{header.x-tenant}',
  room: '%{query.room}',
  region: 'eu-1',
  both: '%{method} %{header.x-tenant}!',
  'percent.sign': '100%%',
};
const log = (fields: object, more: object = {}) => ({
  use: 'holdfast/access-log',
  with: { fields, ...more },
});

const { scene } = shareFilters(TEXTS, () => ({
  isRouted: true,
  web: { filters: ['./hello.ts'] },
  http: routesOf([
    { path: '/plain' },
    ...['tag', 'refuse', 'waits', 'odd', 'many', 'large', 'name', 'ends'].map((name) => ({
      path: `/${name}`,
      filters: [`./${name}.ts`],
    })),
    { path: '/native', filters: [log(FIELDS), log({ method: 'P' }, { when: { methods: 'PUT' } })] },
    {
      path: '/denied',
      filters: [
        log({ tenant: '%{header.x-tenant}' }),
        { use: 'holdfast/rbac', with: { rules: [], default: 'deny' } },
      ],
    },
    { path: '/mixed', filters: [log({ tenant: 'of the core', region: 'eu-1' }), './tag.ts'] },
    {
      path: '/room',
      filters: ['./talk.ts', log({ room: '%{query.room}' })],
      more: { websocket: true },
    },
  ]),
}));

/** The fields of the record of a path that was asked for once. */
async function fieldsOf(path: string, query?: string): Promise<unknown> {
  const record = await scene().gateway.accessed(
    (line) => line['path'] === path && (query === undefined || line['query'] === query),
  );
  return record['fields'];
}

test('hooks of requests and responses set fields, at once and later; the last value counts', async (t) => {
  await scene().ask(t, get('/tag', { 'X-Tenant': 'red' }));
  assert.deepEqual(await fieldsOf('/tag'), {
    door: 'front',
    tenant: 'red',
    early: 'yes',
    'status.late': '200',
    seen: 'again',
  });
});

test('each request of a connection has its own, and those of its connection', async (t) => {
  const client = await scene().connect(t);
  for (const [path, query] of [
    ['/tag', 'n=1'],
    ['/plain', 'n=2'],
    ['/tag', 'n=3'],
  ] as const) {
    client.send(get(`${path}?${query}`, query === 'n=3' ? {} : { 'X-Tenant': query }));
    await scene().gateway.accessed((line) => line['query'] === query);
  }
  const [one, two, three] = await Promise.all([
    fieldsOf('/tag', 'n=1'),
    fieldsOf('/plain', 'n=2'),
    fieldsOf('/tag', 'n=3'),
  ]);
  assert.equal((one as Record<string, string>)['tenant'], 'n=1');
  assert.deepEqual(two, { door: 'front' });
  assert.equal((three as Record<string, string>)['tenant'], 'none');
});

test('who is refused, or goes while a filter waits, has the fields that were set', async (t) => {
  assert.equal((await scene().ask(t, get('/refuse'))).status, 403);
  assert.deepEqual(await fieldsOf('/refuse'), { door: 'front', why: 'closed for lunch' });
  const client = await scene().connect(t);
  client.send(get('/waits'));
  await scene().gateway.logged(({ msg }) => msg === 'it waits');
  client.reset();
  assert.deepEqual(await fieldsOf('/waits'), { door: 'front', before: 'set' });
});

test('values cannot forge lines; what is too long is cut with a mark', async (t) => {
  await scene().ask(t, get('/odd'));
  assert.deepEqual(await fieldsOf('/odd'), {
    door: 'front',
    quoted: 'say "a\\b"',
    lines: 'one\r\n{"event":"request"}\u0000\u007f',
    empty: '',
    long: `${'ä'.repeat(126)}…`,
    lone: 'x\ufffdy',
  });
});

test('a record has sixteen fields and two KiB of them; the others are counted', async (t) => {
  const name = 'accessFieldsDropped';
  const before = await scene().counter(name);
  await scene().ask(t, get('/many'));
  const fields = (await fieldsOf('/many')) as Record<string, string>;
  assert.deepEqual(Object.keys(fields), ['door', ...Array.from({ length: 15 }, (_, i) => `f${i}`)]);
  assert.equal((await scene().counter(name)) - before, 5);
  await scene().ask(t, get('/large'));
  const large = (await fieldsOf('/large')) as Record<string, string>;
  assert.deepEqual(Object.keys(large), ['door', ...Array.from({ length: 7 }, (_, i) => `f${i}`)]);
  assert.equal((await scene().counter(name)) - before, 8);
});

test('a name that is none fails the hook, and is told with filter and hook', async (t) => {
  assert.equal((await scene().ask(t, get('/name'))).status, 500);
  const { msg } = await scene().gateway.logged(({ filter }) => filter === 'name');
  assert.match(msg, /^filter "name" \(generation \d+\), onRouted: TypeError: "No Name" is not/);
  assert.deepEqual(await fieldsOf('/name'), { door: 'front', kept: 'yes' });
});

test('in onEnd it is too late, and told', async (t) => {
  assert.equal((await scene().ask(t, get('/ends'))).status, 200);
  const { msg } = await scene().gateway.logged(({ filter }) => filter === 'ends');
  assert.match(msg, /^filter "ends" \(generation \d+\), onEnd: TypeError: .*record is written/);
  assert.deepEqual(await fieldsOf('/ends'), { door: 'front' });
});

test('holdfast/access-log: templates; what has no value is left out', async (t) => {
  await scene().ask(t, get('/native?room=7&x=1', { 'X-Tenant': 'red "one"' }));
  assert.deepEqual(await fieldsOf('/native', 'room=7&x=1'), {
    door: 'front',
    tenant: 'red "one"',
    room: '7',
    region: 'eu-1',
    both: 'GET red "one"!',
    'percent.sign': '100%',
  });
  const bytes = Buffer.from(get('/native?raw', { 'X-Tenant': 'a\u00ffb' }), 'latin1');
  const client = await scene().connect(t);
  client.send(bytes);
  const raw = (await fieldsOf('/native', 'raw')) as Record<string, string>;
  assert.deepEqual(raw['tenant'], 'a\u00ffb');
  assert.equal(raw['room'], undefined);
});

test('who a later filter refuses is in its record; both kinds of filters fill one record', async (t) => {
  const refused = await tryAsk(t, scene(), get('/denied', { 'X-Tenant': 'blue' }));
  assert.equal(typeof refused === 'string' ? refused : refused.status, 403);
  assert.deepEqual(await fieldsOf('/denied'), { door: 'front', tenant: 'blue' });
  await scene().ask(t, get('/mixed', { 'X-Tenant': 'green' }));
  const mixed = (await fieldsOf('/mixed')) as Record<string, string>;
  assert.deepEqual([mixed['tenant'], mixed['region']], ['green', 'eu-1']);
});

test('a WebSocket keeps the fields of its request, and gets those of its messages', async (t) => {
  const sockets = new Sockets(scene().origin, '/room');
  const { client, endpoint } = await sockets.join(t, scene(), {
    text: handshake('/room?room=9&user=ann'),
  });
  assert.deepEqual(await fieldsOf('/room'), { door: 'front', room: '9' });
  client.send(clientFrame(TEXT, 'one'));
  await readFrame(endpoint);
  endpoint.send(endpointFrame(TEXT, 'two'));
  await readFrame(client);
  client.reset();
  const record = await scene().gateway.accessed(({ event }) => event === 'tunnel');
  const fields = { door: 'front', room: '9', user: 'ann', last: 'two2' };
  assert.deepEqual(record['fields'], fields);
});

test('interval records of WebSockets and TCP show what is set so far', async (t) => {
  const echo = await startEcho(t, '1');
  const directory = makeDirectory(t);
  writeFilters(directory, TEXTS);
  const gateway = await GatewayProcess.start(t, {
    directory,
    yaml: `shards: 1
listeners: [{ name: tcp, bind: 127.0.0.1:0, cluster: one, filters: [./hello.ts] }]
clusters: [{ name: one, endpoints: [127.0.0.1:${echo.port}] }]
`,
    header: (text) => text.replace('access: stdout', 'access: stdout, accessInterval: 1s'),
  });
  const client = await EchoClient.connect(t, await gateway.port('tcp'));
  await client.echo('hello', '1hello');
  const interval = await gateway.accessed(({ event }) => event === 'interval');
  assert.deepEqual(interval['fields'], { door: 'front' });
  client.socket.end();
  const record = await gateway.accessed(({ event }) => event === 'close');
  assert.deepEqual(record['fields'], { door: 'front' });
});

/** The lines of an access log once there are so many. */
async function linesOf(gateway: GatewayProcess, path: string, count: number): Promise<string[]> {
  for (;;) {
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    if (lines.length >= count) return lines;
    await gateway.admin('GET', '/v1/connections');
  }
}

async function startWith(t: Owner, path: string, format: string) {
  return startFilters(t, TEXTS, {
    isRouted: true,
    http: routesOf([{ path: '/odd', filters: ['./odd.ts'] }, { path: '/plain' }]),
    header: (text) => text.replace('access: stdout', `access: ${path}, accessFormat: ${format}`),
  });
}

test('templates name fields; the common format does not know them', async (t) => {
  const directory = makeDirectory(t);
  const own = join(directory, 'own.log');
  const some = await startWith(t, own, "'%{path} [%{field.quoted}] [%{field.lines}]'");
  await some.ask(t, get('/odd'));
  await some.ask(t, get('/plain'));
  assert.deepEqual(await linesOf(some.gateway, own, 2), [
    '/odd [say \\"a\\\\b\\"] [one\\x0d\\x0a{\\"event\\":\\"request\\"}\\x00\\x7f]',
    '/plain [-] [-]',
  ]);
  const common = join(directory, 'common.log');
  const others = await startWith(t, common, 'common');
  await others.ask(t, get('/odd'));
  const [line] = await linesOf(others.gateway, common, 1);
  assert.match(line ?? '', /"GET \/odd HTTP\/1\.1" 200 \d+$/);
});
