/**
 * The admin API from outside: methods, sockets, tokens, and clients that mean no good.
 *
 * Path: HTTP over the Unix socket and over TCP.
 * Invariant under test: no method but the documented one does anything; only the owner of the
 * socket file and the holder of the present token get in; a client that misbehaves is answered or
 * dropped and hurts nobody.
 */
import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type Answer, ask, GatewayProcess, makeDirectory, type Owner } from '../harness.ts';
import { Command, runCommand } from '../peers/cli.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Origin } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'];
/** Every path of the API with the methods that it has. */
const ROUTES: Readonly<Record<string, readonly string[]>> = {
  '/livez': ['GET'],
  '/readyz': ['GET'],
  '/metrics': ['GET'],
  '/v1/status': ['GET'],
  '/v1/stats': ['GET'],
  '/v1/shards': ['GET'],
  '/v1/connections': ['GET'],
  '/v1/clusters': ['GET'],
  '/v1/clusters/c': ['GET'],
  '/v1/log-level': ['GET', 'POST'],
  '/v1/config': ['GET', 'PUT'],
  '/v1/reload': ['POST'],
  '/v1/drain': ['POST'],
  '/v1/undrain': ['POST'],
  '/v1/connections/0-0-1': ['DELETE'],
  '/v1/clusters/c/endpoints': ['PATCH'],
};
const TOKEN = 'a-token-of-sufficient-length';

const file = createFileOwner();
let origin: Origin;
let yaml: string;

before(async () => {
  origin = await Origin.start(file, { isEcho: true });
  yaml = `
shards: 1
listeners: [{ name: front, bind: 127.0.0.1:0, cluster: c }]
clusters: [{ name: c, endpoints: [${origin.address}] }]
`;
});

test('each path answers its own methods, and no other does anything', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml });
  const wire = await Wire.connect(t, await gateway.port('front'));
  await wire.echo('hello');
  const asked = Object.entries(ROUTES).flatMap(([path, methods]) =>
    METHODS.map((method) => {
      const isReading = method === 'GET' || method === 'HEAD';
      const isThere = methods.includes(method === 'HEAD' ? 'GET' : method);
      return { path, method, methods, isReading, isThere };
    }),
  );
  for (const { path, method, methods } of asked.filter(({ isThere }) => !isThere)) {
    const { status, headers } = await gateway.admin(method, path);
    assert.equal(status, 405, `${method} ${path}`);
    assert.equal(headers['allow'], methods.join(', '), `${method} ${path}`);
  }
  const reading = asked.filter(({ isThere, isReading }) => isThere && isReading);
  for (const { path, method } of reading) {
    const { status, headers, text } = await gateway.admin(method, path);
    assert.equal(status, 200, `${method} ${path}`);
    assert.equal(text === '', method === 'HEAD', `${method} ${path}`);
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
  }
  const { json } = await gateway.admin('GET', '/v1/status');
  assert.equal(json.state, 'serving');
  assert.equal(json.generation, 1);
  assert.equal(json.snapshot, 1);
  await wire.echo('unharmed');
});

test('paths and queries that are not quite right', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml });
  for (const path of ['/', '/v1', '/v1/status/', '/V1/status', '/v1/clusters/%zz', '/v1//status']) {
    assert.equal((await gateway.admin('GET', path)).status, 404, path);
  }
  assert.equal((await gateway.admin('GET', '/v1/clusters/no')).status, 404);
  assert.equal((await gateway.admin('DELETE', '/v1/connections/9-0-1')).status, 404);
  for (const [method, path, body] of [
    ['POST', '/v1/drain', { overMs: 'soon' }],
    ['POST', '/v1/drain', { over: '5m' }],
    ['POST', '/v1/drain', { overMs: -1 }],
    ['POST', '/v1/drain', []],
    ['POST', '/v1/log-level', {}],
    ['PUT', '/v1/config?dry_run=maybe', ''],
    ['PUT', '/v1/config?dry=1', ''],
  ] as const) {
    const { status, json } = await gateway.admin(method, path, body);
    assert.equal(status, 400, `${method} ${path} ${JSON.stringify(body)}`);
    assert.equal(json.error.code, 'BAD_REQUEST');
  }
  assert.equal((await gateway.admin('GET', '/v1/status')).json.state, 'serving');
});

test('bytes that are no HTTP, and requests that stop half way', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml });
  const noise = await Wire.connect(t, { path: gateway.socket });
  noise.send(Buffer.from('\u0016\u0003\u0001 this is no HTTP\r\n\r\n'));
  assert.match(await noise.line(), /^HTTP\/1\.1 400 /);
  const huge = await Wire.connect(t, { path: gateway.socket });
  huge.send(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(64 * 1024)}\r\n\r\n`);
  assert.match(await huge.line(), /^HTTP\/1\.1 431 /);
  const smuggler = await Wire.connect(t, { path: gateway.socket });
  smuggler.send(
    'POST /v1/undrain HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  );
  assert.match(await smuggler.line(), /^HTTP\/1\.1 400 /);
  const half = await Wire.connect(t, { path: gateway.socket });
  half.send('PUT /v1/config HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nversion: 1\n');
  half.finish();
  const { json } = await gateway.admin('GET', '/v1/status');
  assert.equal(json.generation, 1);
});

test('the socket file is for its owner, whatever the umask says, and goes with the process', async (t) => {
  const directory = makeDirectory(t);
  writeFileSync(join(directory, 'holdfast.yaml'), `version: 1\nlog: { access: off }\n${yaml}`);
  const command = new Command(t, ['run'], {
    directory,
    under: ['sh', '-c', 'umask 000; exec "$0" "$@"'],
  });
  await command.printed(/"msg":"ready"/);
  const socket = join(directory, 'holdfast.sock');
  assert.equal(statSync(socket).mode & 0o777, 0o600);
  assert.ok(statSync(socket).isSocket());
  command.signal('SIGKILL');
  await command.outcome;
  assert.ok(statSync(socket).isSocket(), 'a killed process leaves its file');
  const unreached = await runCommand(t, ['conns'], { directory });
  assert.equal(unreached.code, 3);
  assert.match(unreached.stderr, /no gateway is running at .*nothing listens there/);
  const second = new Command(t, ['run'], { directory });
  await second.printed(/"msg":"ready"/);
  assert.equal((await runCommand(t, ['conns'], { directory })).code, 0);
});

/** A gateway whose API answers over TCP too. */
async function startTcp(
  owner: Owner,
  tcp: string,
  directory = makeDirectory(owner),
): Promise<{
  readonly gateway: GatewayProcess;
  readonly over: (headers: Readonly<Record<string, string>>, path?: string) => Promise<Answer>;
}> {
  const gateway = await GatewayProcess.start(owner, {
    yaml,
    directory,
    env: { HF_E2E_TOKEN: TOKEN },
    header: (text) => text.replace(/admin: \{/, `admin: { tcp: { bind: "${tcp}" },`),
  });
  const { port, host } = await gateway.logged(({ msg }) => msg.includes('answers over TCP'));
  const to = { host: String(host), port: Number(port) };
  return {
    gateway,
    over: (headers, path = '/v1/status') => ask(to, { method: 'GET', path, headers }),
  };
}

function bearer(token: string): { readonly Authorization: string } {
  return { Authorization: `Bearer ${token}` };
}

test('over TCP: who has the token, from where, and by which name', async (t) => {
  const { over } = await startTcp(t, '127.0.0.1:0", token: "${env:HF_E2E_TOKEN}');
  for (const [headers, path, wanted] of [
    [bearer(TOKEN), '/v1/status', 200],
    [{ Authorization: `bearer  ${TOKEN} ` }, '/v1/status', 200],
    [bearer(`${TOKEN}x`), '/v1/status', 401],
    [bearer(TOKEN.slice(0, -1)), '/v1/status', 401],
    [{ Authorization: `Basic ${TOKEN}` }, '/v1/status', 401],
    [{ Authorization: TOKEN }, '/v1/status', 401],
    [{}, '/metrics', 401],
    [{}, '/v1/nothing', 401],
    [{}, '/livez', 200],
    [{}, '/readyz', 200],
    [{ Host: 'localhost:9901' }, '/livez', 200],
    [{ Host: '[::1]:9901' }, '/livez', 200],
    [{ Host: 'attacker.example' }, '/livez', 403],
    [{ Host: 'localhost.attacker.example' }, '/v1/status', 403],
    [{ Host: '127.0.0.1.attacker.example:9901' }, '/livez', 403],
    // The token counts for more than the name: a scraper may come by any.
    [{ ...bearer(TOKEN), Host: 'gateway.example' }, '/v1/status', 200],
    [{ ...bearer(TOKEN), Origin: 'http://localhost' }, '/v1/status', 403],
    [{ ...bearer(TOKEN), Origin: 'null' }, '/v1/status', 403],
    [{ Origin: 'http://127.0.0.1' }, '/livez', 403],
  ] as const) {
    const { status, headers: answered } = await over({ ...headers }, path);
    assert.equal(status, wanted, `${path} ${JSON.stringify(headers)}`);
    if (status === 401) {
      assert.equal(answered['www-authenticate'], 'Bearer');
    }
  }
});

test('a token that is changed counts after the reload, and is never shown', async (t) => {
  const directory = makeDirectory(t);
  const tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, `${TOKEN}\n`);
  const { gateway, over } = await startTcp(t, `127.0.0.1:0", tokenFile: "${tokenFile}`, directory);
  assert.equal((await over(bearer(TOKEN))).status, 200);
  writeFileSync(tokenFile, 'another-token-of-length\n');
  assert.equal((await over(bearer(TOKEN))).status, 200);
  await gateway.admin('POST', '/v1/reload');
  assert.equal((await over(bearer(TOKEN))).status, 401);
  assert.equal((await over(bearer('another-token-of-length'))).status, 200);
  // A file that cannot be read leaves the token as it is.
  writeFileSync(tokenFile, '\n');
  await gateway.admin('POST', '/v1/reload');
  assert.equal((await over(bearer('another-token-of-length'))).status, 200);
  assert.equal((await over(bearer(''))).status, 401);
  const { text } = await gateway.admin('GET', '/v1/config');
  assert.doesNotMatch(text + gateway.stderr, /another-token|a-token-of/);
});

test('the command line over TCP', async (t) => {
  const { gateway } = await startTcp(t, '127.0.0.1:0", token: "${env:HF_E2E_TOKEN}');
  const { port } = await gateway.logged(({ msg }) => msg.includes('answers over TCP'));
  const conns = (token: string): ReturnType<typeof runCommand> =>
    runCommand(t, ['conns', '--admin', `127.0.0.1:${String(port)}`], {
      directory: gateway.directory,
      env: { HOLDFAST_TOKEN: token },
    });
  const allowed = await conns(TOKEN);
  assert.equal(allowed.code, 0, allowed.stderr);
  const refused = await conns('wrong');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /refuses the token/);
  assert.doesNotMatch(refused.stderr, /wrong/);
});

test('status, shards and clusters say what there is', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml });
  const port = await gateway.port('front');
  const wire = await Wire.connect(t, port);
  await wire.echo('hello');
  const status = (await gateway.admin('GET', '/v1/status')).json;
  assert.equal(status.pid, gateway.pid);
  assert.equal(status.connections, 1);
  assert.deepEqual(status.listeners, [{ name: 'front', address: `127.0.0.1:${port}` }]);
  assert.deepEqual(status.shards, [{ shard: 0, state: 'ready' }]);
  const { shards } = (await gateway.admin('GET', '/v1/shards')).json;
  assert.equal(shards.length, 1);
  assert.equal(shards[0].connections, 1);
  assert.equal(shards[0].restarts, 0);
  assert.ok(shards[0].heartbeats >= 0);
  const { clusters } = (await gateway.admin('GET', '/v1/clusters')).json;
  const [endpoint] = clusters[0].endpoints;
  assert.equal(endpoint.address, origin.address);
  assert.equal(endpoint.connections, 1);
  assert.equal(endpoint.isChecked, false);
  const one = (await gateway.admin('GET', '/v1/clusters/c')).json;
  assert.deepEqual(one, clusters[0]);
  const { config } = (await gateway.admin('GET', '/v1/config')).json;
  assert.equal(config.clusters[0].name, 'c');
});
