/**
 * What is written down about HTTP: records of requests and of WebSockets, and why they ended.
 *
 * Path: requests that end in every way that a client, an endpoint or the gateway can end them.
 * Invariant under test: one record for each request, with the status that the client saw and the
 * flag that says why; formats are what the configuration says; metrics count the same things.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { GatewayProcess, makeDirectory } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { parseMetrics } from '../peers/metrics-page.ts';
import { Origin } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';
import {
  atOrigin,
  get,
  OK,
  openWebSocket,
  readHead,
  textFrame,
  upgradeFields,
  upgradeKept,
} from './http-wire.ts';

type Record_ = Readonly<Record<string, unknown>>;

const file = createFileOwner();
let origin: Origin;

before(async () => {
  origin = await Origin.start(file);
});

function yaml(more = ''): string {
  return `
shards: 1
${more}
drain: { readinessDelay: 0s, over: 0s, grace: 1s }
listeners:
  - name: web
    bind: 127.0.0.1:0
    protocol: http
    cluster: app
    http:
      timeouts: { head: 1s, body: 1s }
      hosts:
        - routes:
            - { name: rooms, match: { path: /rooms }, cluster: app, websocket: true }
            - { name: hasty, match: { path: /hasty }, cluster: app, timeouts: { request: 1s } }
            - { name: small, match: { path: /small }, cluster: app, body: 10B }
            - { name: moved, match: { path: /moved }, redirect: { to: "https://%{host}/", status: 308 } }
            - { name: gone, match: { path: /gone }, cluster: gone }
            - { name: all, match: { path: /a }, cluster: app }
clusters:
  - { name: app, endpoints: [${origin.address}] }
  - { name: gone, connect: { timeout: 1s, retries: 0 }, endpoints: [127.0.0.1:1] }
`;
}

/** Sends a request, answers it at the origin, and returns what the client got. */
async function serve(client: Wire, request: string, response: string): Promise<string[]> {
  client.send(request);
  const endpoint = await origin.next();
  await readHead(endpoint);
  endpoint.send(response);
  return readHead(client);
}

async function recordOf(gateway: GatewayProcess, path: string): Promise<Record_> {
  return gateway.accessed((record) => record['path'] === path);
}

test('a record says everything about a request', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: yaml() });
  const client = await Wire.connect(t, await gateway.port('web'));
  const fields = 'User-Agent: "x"\\\r\nReferer: https://a.example/\r\nContent-Length: 4\r\n';
  client.send(`POST /a/b?c=d HTTP/1.1\r\nHost: Chat.Example.com:80\r\n${fields}\r\nbody`);
  const endpoint = await origin.next();
  const seen = await readHead(endpoint);
  await endpoint.take(4);
  endpoint.send(OK);
  await readHead(client);
  const record = await recordOf(gateway, '/a/b');
  const { time, id, durationMicros, queueMicros, connectMicros, firstByteMicros, ...rest } = record;
  const requestId = seen.find((line) => /^x-request-id:/i.test(line))?.split(': ')[1];
  assert.deepEqual(rest, {
    event: 'request',
    listener: 'web',
    route: 'all',
    client: `127.0.0.1:${client.socket.localPort}`,
    method: 'POST',
    host: 'chat.example.com',
    path: '/a/b',
    query: 'c=d',
    protocol: 'HTTP/1.1',
    status: 200,
    flags: '-',
    bytesIn: 4,
    bytesOut: 5,
    attempts: 1,
    cluster: 'app',
    endpoint: origin.address,
    requestId,
    userAgent: '"x"\\',
    referer: 'https://a.example/',
  });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.match(String(id), /^0-[0-9a-f]+-[0-9a-f]+$/);
  assert.ok(Number(queueMicros) >= 0 && Number(connectMicros) > 0);
  assert.ok(Number(firstByteMicros) >= Number(connectMicros));
  assert.ok(Number(durationMicros) >= Number(firstByteMicros));

  // The connection to the endpoint is there for the next request.
  client.send(get('/a/again'));
  await readHead(endpoint);
  endpoint.send(OK);
  const again = await recordOf(gateway, '/a/again');
  assert.equal(again['id'], id);
  assert.equal(again['connectMicros'], 0);
  assert.equal(again['query'], undefined);
});

interface Ending {
  readonly flags: string;
  readonly status: number;
  readonly path: string;
  readonly violation?: string;
  readonly end: (client: Wire, path: string) => Promise<void>;
}

/** The gateway answers by itself. */
async function answered(client: Wire, path: string): Promise<void> {
  client.send(get(path));
  await readHead(client);
}

const ENDINGS: readonly Ending[] = [
  { flags: 'direct', status: 308, path: '/moved', end: answered },
  { flags: 'no-route', status: 404, path: '/nowhere', end: answered },
  { flags: 'connect-failed', status: 503, path: '/gone', end: answered },
  {
    flags: 'upgrade-refused',
    status: 403,
    path: '/a/ws',
    end: async (client, path) => {
      client.send(get(path, upgradeFields()));
      await readHead(client);
    },
  },
  {
    flags: 'body-too-long',
    status: 413,
    path: '/small',
    violation: 'body-too-long',
    end: async (client, path) => {
      client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n`);
      await readHead(client);
    },
  },
  {
    flags: 'request-timeout',
    status: 504,
    path: '/hasty',
    end: async (client, path) => {
      await atOrigin(origin, get(path), client);
      await readHead(client);
    },
  },
  {
    flags: 'endpoint-reset',
    status: 502,
    path: '/a/reset',
    end: async (client, path) => {
      const endpoint = await atOrigin(
        origin,
        `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`,
        client,
      );
      endpoint.reset();
      await readHead(client);
    },
  },
  {
    flags: 'endpoint-invalid',
    status: 502,
    path: '/a/bad',
    violation: 'length-and-encoding',
    end: async (client, path) => {
      const endpoint = await atOrigin(origin, get(path), client);
      endpoint.send(
        'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello',
      );
      await readHead(client);
    },
  },
  {
    flags: 'truncated',
    status: 200,
    path: '/a/short',
    end: async (client, path) => {
      const endpoint = await atOrigin(origin, get(path), client);
      endpoint.send('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello');
      await readHead(client);
      await client.take(5);
      endpoint.finish();
      await client.ended;
    },
  },
  {
    flags: 'client-abort',
    status: 0,
    path: '/a/abort',
    end: async (client, path) => {
      const endpoint = await atOrigin(origin, get(path), client);
      client.reset();
      await endpoint.ended;
    },
  },
];

test('a record says why a request ended, and the counters agree', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: yaml() });
  const port = await gateway.port('web');
  for (const { flags, status, path, violation, end } of ENDINGS) {
    const client = await Wire.connect(t, port);
    await end(client, path);
    const record = await recordOf(gateway, path);
    assert.deepEqual(
      { flags: record['flags'], status: record['status'], violation: record['violation'] },
      { flags, status, violation },
      path,
    );
    client.socket.destroy();
  }
  const { text } = await gateway.counted('/metrics?scope=http');
  const ends = parseMetrics(text).get('holdfast_http_ends_total')?.samples;
  for (const { flags } of ENDINGS) {
    assert.equal(ends?.get(`holdfast_http_ends_total{listener="web",flag="${flags}"}`), 1, flags);
  }
});

test('bytes that are no request have a record, and their rule is counted', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: yaml() });
  const client = await Wire.connect(t, await gateway.port('web'));
  client.send('GET /a HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n');
  assert.match((await readHead(client))[0] ?? '', / 400 /);
  const record = await gateway.accessed(({ flags }) => flags === 'request-invalid');
  assert.equal(record['violation'], 'field-name');
  assert.equal(record['status'], 400);
  assert.equal(record['route'], null);
  const { text } = await gateway.counted('/metrics?scope=http');
  assert.match(
    text,
    /^holdfast_http_violations_total\{listener="web",from="client",rule="field-name"\} 1$/m,
  );
  const { json } = await gateway.counted('/v1/stats');
  assert.deepEqual(json.http[0].violations.client, { 'field-name': 1 });
});

test('a head that does not come in time', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: yaml() });
  const client = await Wire.connect(t, await gateway.port('web'));
  client.send('GET /a HTTP/1.1\r\n');
  assert.match((await readHead(client))[0] ?? '', / 408 /);
  const record = await gateway.accessed(({ flags }) => flags === 'head-timeout');
  assert.equal(record['status'], 408);
});

test('a WebSocket on kept connections: its record counts its own bytes', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: yaml() });
  const client = await Wire.connect(t, await gateway.port('web'));
  const endpoint = await atOrigin(origin, get('/a/before'), client);
  endpoint.send(OK);
  await readHead(client);
  await client.take(5);
  await upgradeKept(client, endpoint);
  const up = textFrame('hello', 'masked');
  const down = textFrame('to you', 'plain');
  client.send(up);
  endpoint.send(down);
  await endpoint.take(up.length);
  await client.take(down.length);
  client.finish();
  endpoint.finish();
  const record = await gateway.accessed(({ event }) => event === 'tunnel');
  assert.deepEqual([record['bytesIn'], record['bytesOut']], [up.length, down.length]);
});

test('a WebSocket: in the list while it lives, two records at its end', async (t) => {
  const gateway = await GatewayProcess.start(t, {
    yaml: yaml(),
    header: (text) => text.replace('access: stdout', 'access: stdout, accessInterval: 1s'),
  });
  const { client, endpoint } = await openWebSocket(t, origin, await gateway.port('web'));
  const upgraded = await recordOf(gateway, '/rooms/7');
  assert.deepEqual(
    [upgraded['event'], upgraded['status'], upgraded['flags'], upgraded['route']],
    ['request', 101, 'upgraded', 'rooms'],
  );
  client.send(textFrame('one', 'masked'));
  client.send(textFrame('two', 'masked'));
  await endpoint.take(2 * 9);
  endpoint.send(textFrame('three', 'plain'));
  await client.take(7);
  const { json } = await gateway.admin('GET', '/v1/connections');
  const [shown] = json.connections;
  assert.equal(shown.id, upgraded['id']);
  assert.deepEqual(
    {
      protocol: shown.protocol,
      state: shown.state,
      route: shown.route,
      messages: [shown.messagesFromClient, shown.messagesFromEndpoint],
      lastPongMs: shown.lastPongMs,
    },
    { protocol: 'websocket', state: 'open', route: 'rooms', messages: [2, 1], lastPongMs: 0 },
  );
  const interval = await gateway.accessed(({ event }) => event === 'interval');
  assert.equal(interval['messagesIn'], 2);
  assert.equal(interval['flags'], undefined);

  client.send(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]));
  await endpoint.take(8);
  endpoint.send(Buffer.from([0x88, 0x02, 0x03, 0xe8]));
  endpoint.finish();
  await client.take(4);
  client.finish();
  const record = await gateway.accessed(({ event }) => event === 'tunnel');
  assert.deepEqual(
    {
      id: record['id'],
      route: record['route'],
      cluster: record['cluster'],
      endpoint: record['endpoint'],
      flags: record['flags'],
      messages: [record['messagesIn'], record['messagesOut']],
      closeCode: record['closeCode'],
    },
    {
      id: upgraded['id'],
      route: 'rooms',
      cluster: 'app',
      endpoint: origin.address,
      flags: 'closed',
      messages: [2, 1],
      closeCode: 1000,
    },
  );
  const { text } = await gateway.counted('/metrics?scope=http');
  for (const line of [
    'holdfast_websockets_opened_total{listener="web"} 1',
    'holdfast_websockets_active{listener="web"} 0',
    'holdfast_websockets_closed_total{listener="web"} 1',
    'holdfast_websocket_messages_total{listener="web",direction="from_client"} 2',
    'holdfast_websocket_messages_total{listener="web",direction="from_endpoint"} 1',
    'holdfast_requests_total{listener="web",route="rooms",code_class="1xx"} 1',
    'holdfast_route_websockets_active{listener="web",route="rooms"} 0',
  ]) {
    assert.ok(text.includes(`\n${line}\n`), `${line} in\n${text}`);
  }
});

test('a frame that breaks a rule is named by the record and counted', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: yaml() });
  const { client, endpoint } = await openWebSocket(t, origin, await gateway.port('web'));
  // A length with its highest bit set cannot be followed.
  client.send(Buffer.from([0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  endpoint.socket.resume();
  await client.ended;
  client.finish();
  endpoint.finish();
  const record = await gateway.accessed(({ event }) => event === 'tunnel');
  assert.deepEqual(
    [record['flags'], record['violation'], record['closeCode']],
    ['frame-invalid', 'length-sign', 1002],
  );
  const { text } = await gateway.counted('/metrics?scope=http');
  assert.match(
    text,
    /^holdfast_websocket_violations_total\{listener="web",from="client",rule="length-sign"\} 1$/m,
  );
});

/** Waits until a file has a line that is as wanted. */
async function whenLine(path: string, pattern: RegExp): Promise<string> {
  const find = (): string | undefined =>
    existsSync(path)
      ? readFileSync(path, 'utf8')
          .split('\n')
          .find((line) => pattern.test(line))
      : undefined;
  const found = Promise.withResolvers<string>();
  const look = (): void => {
    const line = find();
    if (line !== undefined) found.resolve(line);
  };
  const watcher = watch(join(path, '..'), look);
  look();
  const line = await found.promise;
  watcher.close();
  return line;
}

test('records in the common format, and by a template', async (t) => {
  const cases = [
    {
      format: 'common',
      line: /^127\.0\.0\.1 - - \[\S+ \+0000\] "GET \/a\/x\?y=1 HTTP\/1\.1" 200 5$/,
    },
    {
      format: '"%{client.address} %{method} %{target} %{status} %{flags} [%{header.user-agent}]"',
      line: /^127\.0\.0\.1 GET \/a\/x\?y=1 200 - \[\\"quoted\\"\]$/,
    },
  ];
  for (const { format, line } of cases) {
    const directory = makeDirectory(t);
    const path = join(directory, 'access.log');
    const gateway = await GatewayProcess.start(t, {
      yaml: yaml(),
      directory,
      header: (text) => text.replace('access: stdout', `access: ${path}, accessFormat: ${format}`),
    });
    const client = await Wire.connect(t, await gateway.port('web'));
    await serve(client, get('/a/x?y=1', 'User-Agent: "quoted"\r\n'), OK);
    assert.match(await whenLine(path, /\/a\/x/), line);
  }
});

test('texts that are too long are cut with a mark, and nothing is forged', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: yaml() });
  const client = await Wire.connect(t, await gateway.port('web'));
  const path = `/a/${'x'.repeat(5000)}`;
  await serve(client, get(path, `User-Agent: ${'\u00e4"'.repeat(1000)}\r\n`), OK);
  const record = await gateway.accessed(({ event }) => event === 'request');
  assert.equal(record['path'], `${path.slice(0, 2048 - 3)}\u2026`);
  assert.match(String(record['userAgent']), /^(?:\u00e4"|\u00c3\u00a4")+\u00e4?\u2026$/);
});

test('metrics after known traffic: classes, histograms, connections to endpoints', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: yaml() });
  const client = await Wire.connect(t, await gateway.port('web'));
  const endpoint = await atOrigin(origin, get('/a/1'), client);
  endpoint.send(OK);
  await readHead(client);
  await client.take(5);
  for (const status of ['404 Not Found', '500 No']) {
    client.send(get('/a/2'));
    await readHead(endpoint);
    endpoint.send(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
    await readHead(client);
  }
  const { text } = await gateway.adminUntil('/metrics?scope=http', (answer) =>
    answer.text.includes('holdfast_requests_active{listener="web"} 0'),
  );
  const page = parseMetrics(text);
  const value = (family: string, labels: string, suffix = ''): number | undefined =>
    page.get(family)?.samples.get(`${family}${suffix}{${labels}}`);
  const route = 'listener="web",route="all"';
  for (const [code, count] of [
    ['2xx', 1],
    ['4xx', 1],
    ['5xx', 1],
    ['none', 0],
  ]) {
    assert.equal(value('holdfast_requests_total', `${route},code_class="${code}"`), count);
  }
  assert.equal(value('holdfast_http_requests_total', 'listener="web"'), 3);
  const duration = 'holdfast_request_duration_seconds';
  assert.equal(value(duration, route, '_count'), 3);
  assert.equal(value(duration, `${route},le="+Inf"`, '_bucket'), 3);
  assert.equal(value(duration, `${route},le="300"`, '_bucket'), 3);
  assert.ok((value(duration, route, '_sum') ?? 0) > 0);
  const cluster = 'cluster="app"';
  assert.equal(value('holdfast_upstream_response_seconds', cluster, '_count'), 3);
  assert.equal(value('holdfast_cluster_requests_total', cluster), 3);
  assert.equal(value('holdfast_cluster_connections_opened_total', cluster), 1);
  assert.equal(value('holdfast_cluster_connections_reused_total', cluster), 2);
  assert.equal(value('holdfast_cluster_connections_idle', cluster), 1);
  assert.equal(value('holdfast_cluster_responses_total', `${cluster},code_class="5xx"`), 1);
  const { json } = await gateway.counted('/v1/stats');
  const all = json.routes.find(({ name }: { name: string }) => name === 'all');
  assert.equal(all.counters.requests, 3);
  assert.equal(all.latency.count, 3);
  assert.ok(all.latency.p99Micros >= all.latency.p50Micros && all.latency.p50Micros > 0);
});
