/**
 * The admin API: connections, kill, metrics, configuration, and who is kept out.
 *
 * Path: HTTP over the Unix socket and over TCP, to a gateway in a process of its own.
 * Invariant under test: nothing changes by GET, nothing is told without the token, and no client of
 * the API can hurt the gateway.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask, EchoClient, GatewayProcess, makeDirectory, startEcho } from './harness.ts';

function simple(port: number): string {
  return `
shards: 2
drain: { over: 0s, readinessDelay: 0s, grace: 1s }
listeners:
  - { name: echo, bind: 127.0.0.1:0, cluster: origin }
clusters:
  - { name: origin, endpoints: [127.0.0.1:${port}] }
`;
}

test('connections: pages, filters, sorting, and killing one', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const port = await gateway.port('echo');
  const clients = await Promise.all(Array.from({ length: 25 }, () => EchoClient.connect(t, port)));
  for (const [index, client] of clients.entries()) {
    await client.echo('x'.repeat(index + 1));
  }
  const seen = new Set<string>();
  let path = '/v1/connections?limit=10';
  for (;;) {
    const { json } = await gateway.admin('GET', path);
    assert.ok(json.connections.length <= 10);
    for (const { id } of json.connections) {
      assert.equal(seen.has(id), false);
      seen.add(id);
    }
    if (json.next === null) {
      break;
    }
    path = `/v1/connections?limit=10&cursor=${json.next}`;
  }
  assert.equal(seen.size, 25);

  const sorted = await gateway.admin('GET', '/v1/connections?sort=bytes&limit=3');
  assert.deepEqual(
    sorted.json.connections.map((each: { bytesFromClient: number }) => each.bytesFromClient),
    [25, 24, 23],
  );
  const none = await gateway.admin('GET', '/v1/connections?older=1h');
  assert.deepEqual(none.json, { connections: [], next: null });
  const all = await gateway.admin(
    'GET',
    `/v1/connections?listener=echo&cluster=origin&client=127.0.0.1&endpoint=127.0.0.1:${origin.port}`,
  );
  assert.equal(all.json.connections.length, 25);
  assert.deepEqual(
    (await gateway.admin('GET', '/v1/connections?listener=no')).json.connections,
    [],
  );

  const { id } = sorted.json.connections[0];
  assert.equal((await gateway.admin('DELETE', `/v1/connections/${id}`)).status, 200);
  assert.notEqual(await clients[24]?.ended, undefined);
  assert.equal((await gateway.admin('DELETE', `/v1/connections/${id}`)).status, 404);
  const record = await gateway.accessed((each) => each['id'] === id);
  assert.equal(record['reason'], 'killed');
  await clients[0]?.echo('the others go on');
});

test('what cannot be read is refused with what to write instead', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  for (const [path, wanted] of [
    ['/v1/connections?limt=1', /no parameter "limt"/],
    ['/v1/connections?limit=0', /"limit" is a whole number from 1 to 1000/],
    ['/v1/connections?older=soon', /"older" is no duration/],
    ['/v1/connections?sort=size', /cannot sort by "size"/],
    ['/v1/connections?cursor=x', /"cursor" is not one/],
    ['/v1/connections?client=nobody', /"client" is no IP address/],
    ['/metrics?scope=world', /unknown part/],
  ] as const) {
    const { status, json } = await gateway.admin('GET', path);
    assert.equal(status, 400, path);
    assert.equal(json.error.code, 'BAD_REQUEST');
    assert.match(json.error.message, wanted);
  }
  assert.equal((await gateway.admin('GET', '/v1/nothing')).status, 404);
  assert.equal((await gateway.admin('DELETE', '/v1/connections/abc')).status, 400);
  const notJson = await gateway.admin('POST', '/v1/log-level', '{');
  assert.equal(notJson.status, 400);
});

test('nothing changes by GET', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  for (const [path, allow] of [
    ['/v1/reload', 'POST'],
    ['/v1/drain', 'POST'],
    ['/v1/undrain', 'POST'],
    ['/v1/connections/0-0-1', 'DELETE'],
    ['/v1/clusters/origin/endpoints', 'PATCH'],
  ] as const) {
    const answer = await gateway.admin('GET', path);
    assert.equal(answer.status, 405, path);
    assert.equal(answer.headers['allow'], allow);
  }
  assert.equal((await gateway.admin('GET', '/v1/status')).json.state, 'serving');
});

test('configuration: shown, tried, put, and guarded by its generation', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const shown = await gateway.admin('GET', '/v1/config');
  assert.equal(shown.headers['etag'], '"1"');
  assert.equal(shown.json.config.listeners[0].name, 'echo');
  const next = gateway.header() + simple(origin.port).replace('name: echo', 'name: other');
  const tried = await gateway.admin('PUT', '/v1/config?dry_run=1', next);
  assert.equal(tried.json.result, 'valid');
  assert.deepEqual(tried.json.changes, ['listener "other" added', 'listener "echo" removed']);
  assert.equal((await gateway.admin('GET', '/v1/status')).json.generation, 1);
  const put = await gateway.admin('PUT', '/v1/config', next);
  assert.equal(put.json.result, 'applied');
  assert.equal(put.json.generation, 2);
  const stale = await ask(
    { socketPath: gateway.socket },
    { method: 'PUT', path: '/v1/config', body: next, headers: { 'If-Match': '"1"' } },
  );
  assert.equal(stale.status, 412);
  const restart = await gateway.admin('PUT', '/v1/config', next.replace('shards: 2', 'shards: 3'));
  assert.match(restart.json.warnings.join(), /shards changed; it needs a restart/);
  assert.equal((await gateway.admin('GET', '/v1/shards')).json.shards.length, 2);
  const huge = await gateway.admin('PUT', '/v1/config', `#${'x'.repeat(5 * 1024 * 1024)}`);
  assert.equal(huge.status, 413);
});

test('metrics are valid exposition text and count what happened', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const client = await EchoClient.connect(t, await gateway.port('echo'));
  await client.echo('12345');
  const { text, headers } = await gateway.counted('/metrics');
  assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
  const samples = new Map<string, number>();
  const heads = new Set<string>();
  for (const line of text.trimEnd().split('\n')) {
    const head = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (head !== null) {
      assert.equal(heads.has(`${head[1]} ${head[2]}`), false, `${line} occurs once`);
      heads.add(`${head[1]} ${head[2]}`);
      continue;
    }
    const sample = /^([a-z_]+)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? (\S+)$/.exec(line);
    assert.ok(sample !== null, line);
    assert.ok(heads.has(`TYPE ${sample[1]}`), line);
    samples.set(`${sample[1]}${sample[2] ?? ''}`, Number(sample[3]));
  }
  assert.equal(samples.get('holdfast_connections_opened_total{listener="echo"}'), 1);
  assert.equal(samples.get('holdfast_connections_active{listener="echo"}'), 1);
  const endpoint = `{cluster="origin",endpoint="127.0.0.1:${origin.port}"}`;
  assert.equal(samples.get(`holdfast_upstream_connections_active${endpoint}`), 1);
  assert.equal(samples.get(`holdfast_upstream_endpoint_healthy${endpoint}`), 1);
  assert.equal(samples.get('holdfast_config_generation'), 1);
  assert.equal(samples.get('holdfast_shard_up{shard="1"}'), 1);
  assert.ok((samples.get('holdfast_open_fds') ?? 0) > 0);
  const one = await gateway.counted('/metrics?scope=shard');
  assert.match(one.text, /holdfast_shard_up/);
  assert.doesNotMatch(one.text, /holdfast_build_info/);
});

test('docs/metrics.md names every metric and every reason, and no others', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const described = new Set(
    [...page.matchAll(/^\| `([a-z_-]+)` \| /gm)]
      .map(([, name]) => String(name))
      // Those of filters are shown where a configuration has some.
      .filter((name) => !/^holdfast_(?:filter|offload|steering)_/.test(name)),
  );
  const { text } = await gateway.counted('/metrics');
  const shown = new Set([
    ...[...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => String(name)),
    ...[...text.matchAll(/reason="([^"]+)"/g)].map(([, name]) => String(name)),
  ]);
  assert.deepEqual([...described].toSorted(), [...shown].toSorted());
});

test('the log level changes at run time', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const { json } = await gateway.admin('POST', '/v1/log-level', { level: 'warn' });
  assert.deepEqual(json, { level: 'warn', former: 'debug' });
  assert.equal((await gateway.admin('POST', '/v1/log-level', { level: 'loud' })).status, 400);
  assert.equal((await gateway.admin('GET', '/v1/log-level')).json.level, 'warn');
});

test('over TCP: no token, no answer; no page of a browser; probes are free', async (t) => {
  const origin = await startEcho(t);
  const directory = makeDirectory(t);
  writeFileSync(join(directory, 'token'), 'open-sesame-0123456789\n');
  const gateway = GatewayProcess.launch(t, { yaml: simple(origin.port), directory });
  await gateway.logged(({ msg }) => msg === 'ready');
  gateway.signal('SIGKILL');
  await gateway.exited;
  // The socket file of the killed process is stale; the next gateway takes its place.
  const header = (value: string): string =>
    value.replace(
      /admin: .*/,
      `admin: { socket: ${gateway.socket}, tcp: { bind: 127.0.0.1:0, tokenFile: ${directory}/token } }`,
    );
  const second = await GatewayProcess.start(t, {
    yaml: simple(origin.port),
    directory,
    header,
  });
  const { port } = await second.logged(({ msg }) => msg === 'the admin API answers over TCP');
  const over = (path: string, headers: Record<string, string> = {}): ReturnType<typeof ask> =>
    ask({ host: '127.0.0.1', port: Number(port) }, { method: 'GET', path, headers });
  const bearer = { Authorization: 'Bearer open-sesame-0123456789' };
  assert.equal((await over('/v1/status')).status, 401);
  assert.equal((await over('/v1/status', { Authorization: 'Bearer wrong' })).status, 401);
  assert.equal((await over('/v1/unknown')).status, 401);
  assert.equal((await over('/v1/status', bearer)).status, 200);
  assert.equal((await over('/v1/status', { ...bearer, Origin: 'http://127.0.0.1' })).status, 403);
  assert.equal((await over('/livez')).status, 200);
  assert.equal((await over('/readyz')).status, 200);
  assert.equal((await over('/livez', { Host: 'rebound.example' })).status, 403);
  const { text } = await over('/v1/config', bearer);
  assert.doesNotMatch(text, /open-sesame/);
});

test('a socket at which another gateway answers is left alone', async (t) => {
  const origin = await startEcho(t);
  const first = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const second = GatewayProcess.launch(t, {
    yaml: simple(origin.port),
    directory: first.directory,
  });
  assert.equal((await second.exited).code, 1);
  assert.match(
    second.stderr,
    /the admin API cannot listen on unix:.*another process answers there/,
  );
  assert.equal((await first.admin('GET', '/livez')).status, 200);
});

test('a client that never reads is bounded, and so are many of them', async (t) => {
  const origin = await startEcho(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(origin.port) });
  const client = await EchoClient.connect(t, await gateway.port('echo'));
  const mute = createConnection(gateway.socket);
  t.after(() => mute.destroy());
  // On a busy machine this takes so long that the gateway gives such a client up.
  mute.on('error', () => {});
  mute.pause();
  // More requests than answers fit: the gateway stops reading them.
  const flood = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2_000);
  mute.write(flood);
  await client.echo('traffic goes on');
  assert.equal((await gateway.admin('GET', '/livez')).status, 200);
  const crowd = Array.from({ length: 100 }, () => createConnection(gateway.socket));
  t.after(() => {
    for (const socket of crowd) {
      socket.destroy();
    }
  });
  const dropped = Promise.withResolvers<void>();
  for (const socket of crowd) {
    socket.on('error', () => {});
    socket.on('close', () => dropped.resolve());
  }
  await dropped.promise;
  await client.echo('still');
});

test('a file that is no socket is not removed', async (t) => {
  const directory = makeDirectory(t);
  writeFileSync(join(directory, 'admin.sock'), 'precious');
  const gateway = GatewayProcess.launch(t, { yaml: simple(1), directory });
  assert.equal((await gateway.exited).code, 1);
  assert.match(gateway.stderr, /there is a file of another kind at this path/);
});
