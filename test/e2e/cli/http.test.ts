/**
 * HTTP from the command line: a gateway without a file, routes that a reload changes, and what is
 * wrong with routes.
 *
 * Path: `holdfast proxy`, `run`, `validate` and `reload` in processes of their own, requests through
 * real sockets.
 * Invariant under test: what the words of the configuration say is what requests meet; a reload
 * that is refused changes no route.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { GatewayProcess, makeDirectory, type Owner } from '../harness.ts';
import { Command, runCommand } from '../peers/cli.ts';

/** An origin that says which one it is and what it was asked; upgrades are answered by a word. */
async function startOrigin(owner: Owner, name: string): Promise<string> {
  const origin = createServer(({ url, headers }, response) => {
    response.setHeader('x-origin', name);
    response.end(JSON.stringify({ url, headers }));
  });
  origin.on('upgrade', ({ headers }, socket) => {
    socket.end(`HTTP/1.1 400 Bad Request\r\nx-upgrade: ${headers.upgrade}\r\n\r\n`);
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  owner.after(() => {
    origin.closeAllConnections();
    origin.close();
  });
  return `127.0.0.1:${(origin.address() as AddressInfo).port}`;
}

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

/** One request on a connection of its own. */
async function ask(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const call = request({ host: '127.0.0.1', port, path, headers, agent: false });
  call.end();
  const [response] = await once(call, 'response');
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece;
  return { status: response.statusCode, headers: response.headers, text };
}

test('proxy with HTTP: requests reach the origin, who the client is is told, upgrades pass', async (t) => {
  const directory = makeDirectory(t);
  const origin = await startOrigin(t, 'a');
  const args = ['--from', '127.0.0.1:0', '--to', origin, '--protocol', 'http', '--shards', '1'];
  const command = new Command(t, ['proxy', ...args], { directory });
  const [, port = ''] = await command.printed(/127\.0\.0\.1:(\d+) -> /);
  const { status, headers, text } = await ask(Number(port), '/x?y=1', {
    'x-forwarded-for': '6.6.6.6',
  });
  assert.deepEqual([status, headers['x-origin']], [200, 'a']);
  const seen = JSON.parse(text) as { url: string; headers: Record<string, string> };
  assert.equal(seen.url, '/x?y=1');
  assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1');
  const upgrade = await ask(Number(port), '/chat', {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  });
  assert.deepEqual([upgrade.status, upgrade.headers['x-upgrade']], [400, 'websocket']);
  await command.printed(/"event":"request".*"route":"all"/);
  command.signal('SIGTERM');
  assert.equal((await command.outcome).code, 0);
});

test('routes are what the file says, and what a reload makes of them', async (t) => {
  const [a, b] = [await startOrigin(t, 'a'), await startOrigin(t, 'b')];
  const yaml = (routes: string): string => `
listeners:
  - name: web
    bind: 127.0.0.1:0
    protocol: http
    http:
      hosts:
        - names: "*"
          routes:
${routes}
clusters:
  - { name: a, endpoints: [${a}] }
  - { name: b, endpoints: [${b}] }
`;
  const first = `
            - name: health
              match: { path: { exact: /health } }
              respond: { status: 200, body: "ok\\n" }
            - name: old
              match: /old
              redirect: { to: "http://new.example%{target}", status: 301 }
              responseHeaders: { set: { cache-control: "max-age=60" } }
            - name: api
              match: /api
              cluster: a
              rewrite: { prefix: /v1 }
              requestHeaders: { set: { x-path: "%{path}" }, remove: [x-debug] }
              responseHeaders: { set: { x-route: "%{route}" } }
            - { name: rest, match: { headers: [{ name: x-env, exact: b }] }, cluster: b }`;
  const gateway = await GatewayProcess.start(t, { yaml: yaml(first) });
  const port = await gateway.port('web');
  const health = await ask(port, '/health');
  assert.deepEqual([health.status, health.text], [200, 'ok\n']);
  const old = await ask(port, '/old/page?x=1');
  assert.deepEqual([old.status, old.headers['location']], [301, 'http://new.example/old/page?x=1']);
  assert.deepEqual([old.headers['cache-control'], old.text], ['max-age=60', '']);
  const api = await ask(port, '/api/users', { 'x-debug': '1' });
  assert.deepEqual([api.headers['x-origin'], api.headers['x-route']], ['a', 'api']);
  const seen = JSON.parse(api.text) as { url: string; headers: Record<string, string> };
  assert.deepEqual(
    [seen.url, seen.headers['x-path'], seen.headers['x-debug']],
    ['/v1/users', '/api/users', undefined],
  );
  assert.equal((await ask(port, '/other', { 'x-env': 'b' })).headers['x-origin'], 'b');
  assert.equal((await ask(port, '/other')).status, 404);

  const reload = (): ReturnType<typeof runCommand> =>
    runCommand(t, ['reload', '--admin', gateway.socket], { directory: gateway.directory });
  gateway.write(yaml(first.replace('match: /api', 'match: { path: { regex: "/api/(" } }')));
  const refused = await reload();
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /HF1039.*regex: a \( that is not closed/s);
  assert.equal((await ask(port, '/api/users')).headers['x-origin'], 'a');

  const without = first.replace(/ {12}- name: old[^]*?(?= {12}- name: api)/, '');
  gateway.write(yaml(without.replace('cluster: a', 'cluster: b')));
  const applied = await reload();
  assert.equal(applied.code, 0, applied.stderr);
  assert.match(applied.stdout, /listener "web" changed: route "api" changed, route "old" removed/);
  assert.equal((await ask(port, '/api/users')).headers['x-origin'], 'b');
  assert.equal((await ask(port, '/old/page')).status, 404);
});

test('what is wrong with routes: every error at once, each with its place', async (t) => {
  const directory = makeDirectory(t);
  writeFileSync(
    join(directory, 'holdfast.yaml'),
    `version: 1
listeners:
  - name: web
    bind: 127.0.0.1:8080
    protocol: http
    http:
      hosts:
        - routes:
            - { match: { path: { regex: '/u/(?=x)' } }, cluster: app }
            - { name: b, match: /b, redirect: 'https://%{hots}/' }
            - { name: b, match: /c, cluster: nobody, respond: 404 }
            - { match: /d, cluster: app, requestHeaders: { set: { host: x } } }
clusters:
  - { name: app, endpoints: [127.0.0.1:3000] }
`,
  );
  const { code, stderr } = await runCommand(t, ['validate'], { directory });
  assert.equal(code, 2);
  for (const [finding, place] of [
    [/HF1039/, ':9:45'],
    [/HF1053/, ':10:56'],
    [/HF1055/, ':11:23'],
    [/HF1054/, ':11:63'],
    [/HF1042/, ':11:46'],
    [/HF1038/, ':12:73'],
  ] as const) {
    assert.match(stderr, finding);
    assert.ok(stderr.includes(`holdfast.yaml${place}`), `${place} in\n${stderr}`);
  }
  assert.match(stderr, /did you mean "%\{host\}"\?/);
  assert.match(stderr, /6 errors/);
});
