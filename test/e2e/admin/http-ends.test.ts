/**
 * Why requests and WebSockets ended, where deadlines, limits and operators end them.
 *
 * Path: a gateway with short deadlines and small limits; access records and the list of
 * connections.
 * Invariant under test: each end has its own flag, and the status that the client saw.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayProcess } from '../harness.ts';
import { Origin } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';
import { atOrigin, get, openWebSocket, readHead } from './http-wire.ts';

function yaml(origin: Origin): string {
  return `
shards: 1
drain: { readinessDelay: 0s, over: 0s, grace: 1s }
listeners:
  - name: web
    bind: 127.0.0.1:0
    protocol: http
    http:
      timeouts: { head: 10s, body: 1s }
      hosts:
        - routes:
            - name: rooms
              match: { path: /rooms }
              cluster: app
              websocket: { ping: 1s, pong: 2s }
            - { name: tries, match: { path: /tries }, cluster: app, timeouts: { perTry: 1s } }
            - { name: idle, match: { path: /idle }, cluster: app, timeouts: { idle: 1s } }
            - { name: tight, match: { path: /tight }, cluster: tight }
            - { name: nobody, match: { path: /nobody }, cluster: nobody }
            - { name: all, match: { path: /a }, cluster: app }
clusters:
  - { name: app, endpoints: [${origin.address}] }
  - { name: tight, endpoints: [${origin.address}], http: { limits: { requests: 1 } } }
  - { name: nobody, endpoints: [${origin.address}] }
`;
}

/** The flag and the status of the record of a path. */
async function endOf(gateway: GatewayProcess, path: string): Promise<readonly unknown[]> {
  const record = await gateway.accessed((each) => each['path'] === path);
  return [record['flags'], record['status']];
}

test('deadlines of a route, of its tries and of content', async (t) => {
  const origin = await Origin.start(t);
  const gateway = await GatewayProcess.start(t, { yaml: yaml(origin) });
  const port = await gateway.port('web');
  const tried = await Wire.connect(t, port);
  await atOrigin(origin, get('/tries'), tried);
  const silent = await Wire.connect(t, port);
  const endpoint = await atOrigin(origin, get('/idle'), silent);
  endpoint.send('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello');
  const slow = await Wire.connect(t, port);
  slow.send('POST /a/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello');
  assert.deepEqual(await endOf(gateway, '/tries'), ['per-try-timeout', 504]);
  assert.deepEqual(await endOf(gateway, '/idle'), ['idle-timeout', 200]);
  assert.deepEqual(await endOf(gateway, '/a/slow'), ['body-timeout', 408]);
});

test('a limit of a cluster, and a cluster without endpoints', async (t) => {
  const origin = await Origin.start(t);
  const gateway = await GatewayProcess.start(t, { yaml: yaml(origin) });
  const port = await gateway.port('web');
  const first = await Wire.connect(t, port);
  await atOrigin(origin, get('/tight/1'), first);
  const second = await Wire.connect(t, port);
  second.send(get('/tight/2'));
  await readHead(second);
  assert.deepEqual(await endOf(gateway, '/tight/2'), ['over-limit', 503]);
  const { text } = await gateway.counted('/metrics?scope=http');
  assert.match(text, /^holdfast_cluster_refused_total\{cluster="tight",limit="requests"\} 1$/m);
  assert.match(text, /^holdfast_cluster_requests_active\{cluster="tight"\} 1$/m);

  await gateway.admin('PATCH', '/v1/clusters/nobody/endpoints', { remove: [origin.address] });
  const third = await Wire.connect(t, port);
  third.send(get('/nobody'));
  await readHead(third);
  assert.deepEqual(await endOf(gateway, '/nobody'), ['no-endpoint', 503]);
});

test('a request and a WebSocket that an operator ends', async (t) => {
  const origin = await Origin.start(t);
  const gateway = await GatewayProcess.start(t, { yaml: yaml(origin) });
  const port = await gateway.port('web');
  const asking = await Wire.connect(t, port);
  await atOrigin(origin, get('/a/kill'), asking);
  await openWebSocket(t, origin, port);
  const { json } = await gateway.admin('GET', '/v1/connections');
  assert.deepEqual(
    json.connections.map(({ protocol, route }: Record<string, string>) => [protocol, route]),
    [
      ['http', 'all'],
      ['websocket', 'rooms'],
    ],
  );
  for (const { id } of json.connections) {
    assert.equal((await gateway.admin('DELETE', `/v1/connections/${id}`)).status, 200);
  }
  assert.deepEqual(await endOf(gateway, '/a/kill'), ['killed', 0]);
  const record = await gateway.accessed(({ event }) => event === 'tunnel');
  assert.equal(record['flags'], 'killed');
});

test('requests that a drain does not wait for any longer', async (t) => {
  const origin = await Origin.start(t);
  const gateway = await GatewayProcess.start(t, { yaml: yaml(origin) });
  const port = await gateway.port('web');
  const waiting = await Wire.connect(t, port);
  await atOrigin(origin, get('/a/waiting'), waiting);
  const reading = await Wire.connect(t, port);
  const endpoint = await atOrigin(origin, get('/a/reading'), reading);
  endpoint.send('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello');
  await readHead(reading);
  const { client, endpoint: room } = await openWebSocket(t, origin, port);
  // The first half of a message of ten bytes: no close frame can stand inside.
  room.send(Buffer.from('\x82\x0ahello', 'latin1'));
  await client.take(7);
  gateway.signal('SIGTERM');
  const head = await readHead(waiting);
  assert.match(head[0] ?? '', / 503 /);
  assert.ok(head.some((line) => line.toLowerCase() === 'connection: close'));
  assert.equal(await waiting.ended, 'fin');
  waiting.finish();
  assert.equal(await reading.ended, 'ECONNRESET');
  assert.equal(await client.ended, 'ECONNRESET');
  assert.deepEqual(await gateway.exited, { code: 0, signal: null });
  assert.deepEqual(await endOf(gateway, '/a/waiting'), ['drained', 503]);
  assert.deepEqual(await endOf(gateway, '/a/reading'), ['drained', 200]);
  const record = await gateway.accessed(({ event }) => event === 'tunnel');
  assert.equal(record['flags'], 'drained');
});

test('pongs are shown, and a client that sends none is let go', async (t) => {
  const origin = await Origin.start(t);
  const gateway = await GatewayProcess.start(t, { yaml: yaml(origin) });
  const { client } = await openWebSocket(t, origin, await gateway.port('web'));
  const [first = 0, length = 0] = await client.take(2);
  assert.equal(first, 0x89);
  const payload = await client.take(length);
  client.send(Buffer.concat([Buffer.from([0x8a, 0x80 | length, 0, 0, 0, 0]), payload]));
  const { json } = await gateway.adminUntil(
    '/v1/connections',
    (answer) => answer.json.connections[0].lastPongMs > 0,
  );
  assert.equal(json.connections[0].route, 'rooms');
  const record = await gateway.accessed(({ event }) => event === 'tunnel');
  assert.equal(record['flags'], 'pong-timeout');
  const { text } = await gateway.counted('/metrics?scope=http');
  assert.match(text, /^holdfast_websocket_pong_timeouts_total\{listener="web"\} 1$/m);
  assert.match(text, /^holdfast_http_ends_total\{listener="web",flag="pong-timeout"\} 1$/m);
});
