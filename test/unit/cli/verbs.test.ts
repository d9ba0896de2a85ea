/**
 * Verbs that need no running gateway: help, wrong command lines, validate, proxy, run, init,
 * schema.
 *
 * Path: src/main/cli/run-cli.ts and the verbs.
 * Invariant under test: exit codes, results on stdout and remarks on stderr, nothing started on a
 * fault.
 */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commandName } from '../../../src/main/cli/next-steps.ts';
import { loadConfigText } from '../../../src/main/config/load.ts';
import { GatewayStartError } from '../../../src/main/gateway-options.ts';
import { minimal } from '../config/world.ts';
import { run, temporaryDirectory } from './cli.ts';

test('help is a result, and has examples and exit codes', async () => {
  const { out, note, code } = await run(['--help']);
  assert.equal(code, 0);
  assert.equal(note, '');
  assert.match(out, /holdfast proxy --from 8080 --to 3000/);
  assert.match(out, /Exit codes: 0 done, 1 failed, 2 wrong/);
});

test('every verb has a help with a description', async () => {
  const { out } = await run(['--help']);
  const verbs = [...out.matchAll(/^ {2}([a-z-]+) (?:\[|<| )/gm)].map(([, verb]) => `${verb}`);
  const own = verbs.filter((verb) => verb !== 'holdfast' && verb !== 'help');
  assert.ok(own.length >= 17, own.join());
  for (const verb of own) {
    const help = await run([verb, '--help']);
    assert.equal(help.code, 0, verb);
    assert.match(help.out, /\n\n[A-Z][^\n]+/, verb);
  }
});

test('a wrong verb exits with 2 and is guessed', async () => {
  const { out, note, code } = await run(['vaildate']);
  assert.deepEqual([out, code], ['', 2]);
  assert.match(note, /unknown command 'vaildate'\n\(Did you mean validate\?\)/);
});

test('a wrong option, a missing one and a wrong choice exit with 2', async () => {
  for (const args of [
    ['conns', '--lmit', '5'],
    ['proxy', '--from', '1'],
    ['conns', '--sort', 'size'],
    ['completion', 'tcsh'],
    ['doctor', '--connections', 'many'],
    ['log-level', 'a', 'b'],
    [],
  ]) {
    const { note, code } = await run(args);
    assert.equal(code, 2, args.join(' '));
    assert.notEqual(note, '');
  }
});

test('version says what runs', async () => {
  const { out } = await run(['version', '--json']);
  const { holdfast, node } = JSON.parse(out) as { holdfast: string; node: string };
  assert.match(holdfast, /^\d+\.\d+\.\d+/);
  assert.equal(node, process.versions.node);
  assert.equal((await run(['--version'])).out, `${holdfast}\n`);
});

test('validate says yes on stdout', async (t) => {
  const file = join(temporaryDirectory(t), 'good.yaml');
  writeFileSync(file, minimal({ top: 'shards: 2' }));
  const { out, note, code } = await run(['validate', file]);
  assert.deepEqual([note, code], ['', 0]);
  assert.equal(out, `${file} is valid: 1 listener, 1 cluster, 1 endpoint, 2 shards\n`);
});

test('validate shows routes', async (t) => {
  const file = join(temporaryDirectory(t), 'routes.yaml');
  writeFileSync(
    file,
    `version: 1
shards: 2
listeners:
  - name: web
    bind: 127.0.0.1:8080
    protocol: http
    filters: [{ use: holdfast/headers, with: { request: { remove: x } } }]
    http:
      hosts:
        - names: [a.example, "*.a.example"]
          routes:
            - name: one
              match: { path: /api, methods: [GET, POST] }
              cluster: a
              websocket: true
            - match: { path: { regex: '/u/[0-9]+' }, headers: [{ name: x, exact: y }] }
              split: [{ cluster: a, weight: 1 }, { cluster: b, weight: 199 }]
        - order: listed
          routes:
            - name: three
              redirect: "https://%{host}/"
              filters:
                - { use: holdfast/rbac, with: { default: deny } }
                - { use: holdfast/fault, with: { close: { percent: 1% } } }
clusters:
  - { name: a, endpoints: [127.0.0.1:1] }
  - { name: b, endpoints: [127.0.0.1:2] }
`,
  );
  const { out, note, code } = await run(['validate', file]);
  assert.deepEqual([note, code], ['', 0]);
  assert.deepEqual(out.split('\n'), [
    `${file} is valid: 1 listener, 3 routes, 2 clusters, 2 endpoints, 2 shards`,
    '',
    'listener web, filters: holdfast/headers',
    '  a.example, *.a.example',
    '    one                  /api/**, GET or POST      -> a + WebSocket',
    '    a.example:/u/[0-9]+  ~ /u/[0-9]+, 1 condition  -> a 0.5%, b 99.5%',
    '  * (in this order)',
    '    three  /**  -> 308 to https://%{host}/, filters: holdfast/rbac, holdfast/fault',
    '',
  ]);
});

test('validate shows findings on stderr and exits with 2', async (t) => {
  const file = join(temporaryDirectory(t), 'bad.yaml');
  writeFileSync(file, minimal({ top: 'shards: 100', listener: 'protocl: tcp' }));
  const { out, note, code } = await run(['validate', file]);
  assert.deepEqual([out, code], ['', 2]);
  assert.match(note, /error\[HF1027\] shards: "?100"? is above the limit of 64/);
  assert.match(note, /\^{7} did you mean "protocol"\?/);
  assert.match(note, /bad\.yaml: 2 errors\n/);
});

test('validate prints JSON and annotations on stdout', async (t) => {
  const file = join(temporaryDirectory(t), 'bad.yaml');
  writeFileSync(file, minimal({ top: 'shards: 100' }));
  const json = await run(['validate', '--format', 'json', file]);
  assert.equal(json.code, 2);
  assert.equal((JSON.parse(json.out) as { valid: boolean }).valid, false);
  const github = await run(['validate', '--format', 'github', file]);
  assert.match(github.out, /^::error file=.*bad\.yaml,line=2,col=9,title=HF1027::shards: /);
});

test('a file that is not there is a finding', async () => {
  const { note, code } = await run(['validate', '/nonexistent/x.yaml']);
  assert.equal(code, 2);
  assert.match(note, /^error\[HF1001\] \/nonexistent\/x\.yaml does not exist\n/);
});

test('explain says what a code means', async () => {
  const { out, code } = await run(['explain', 'hf1012']);
  assert.equal(code, 0);
  assert.match(out, /^HF1012 \(error\) {2}A key is not known here\.\n/);
  assert.equal((await run(['explain', 'HF9999'])).code, 2);
});

test('schema is JSON', async () => {
  const { out } = await run(['schema']);
  assert.equal((JSON.parse(out) as { title: string }).title, 'Holdfast configuration');
});

test('proxy prints the configuration it would run', async () => {
  const { out, started, code } = await run([
    'proxy',
    '--from',
    '8080',
    '--from',
    ':8443',
    '--to',
    '3000,broker.internal:1883',
    '--shards',
    '3',
    '--balance',
    'maglev',
    '--send-proxy',
    'v2',
    '--admin',
    'off',
    '--print',
  ]);
  assert.deepEqual([code, started], [0, null]);
  const { config } = loadConfigText(out, null);
  assert.equal(config?.shards, 3);
  assert.equal(config.admin.socket, null);
  assert.deepEqual(config.listeners[0]?.bind, [
    { ip: '127.0.0.1', port: 8080 },
    { ip: '0.0.0.0', port: 8443 },
  ]);
  assert.equal(config.clusters[0]?.balance, 'maglev');
  assert.equal(config.clusters[0].proxyProtocol, 2);
  assert.equal(config.clusters[0].endpoints.length, 2);
});

test('proxy limits clients of one address only when they come from elsewhere', async () => {
  const limitOf = async (from: string): Promise<number | undefined> => {
    const { out } = await run(['proxy', '--from', from, '--to', '3000', '--print']);
    return loadConfigText(out, null).config?.listeners[0]?.limits.connectionsPerAddress;
  };
  assert.equal(await limitOf('8080'), 0);
  assert.equal(await limitOf(':8080'), 1000);
});

test('proxy runs what it prints', async () => {
  const args = ['proxy', '--from', 'localhost:8080', '--to', 'localhost:3000'];
  const { note, started, code } = await run(args);
  const printed = loadConfigText((await run([...args, '--print'])).out, null);
  assert.deepEqual(started?.config, printed.config);
  assert.equal(code, 0);
  assert.match(note, /127\.0\.0\.1:8080 -> 127\.0\.0\.1:3000/);
});

test('proxy with HTTP sends every request, and takes WebSockets, without a time limit', async () => {
  const { out } = await run([
    'proxy',
    '--from',
    '8080',
    '--to',
    '3000',
    '--protocol',
    'http',
    '--print',
  ]);
  const { config, diagnostics } = loadConfigText(out, null);
  assert.deepEqual(diagnostics, []);
  const [listener] = config?.listeners ?? [];
  assert.deepEqual([listener?.protocol, listener?.cluster], ['http', null]);
  const [route] = listener?.http?.hosts[0]?.routes ?? [];
  assert.deepEqual([route?.requestMs, route?.idleMs, route?.webSocket.isAllowed], [0, 0, true]);
  const wrong = await run(['proxy', '--from', '8080', '--to', '3000', '--protocol', 'udp']);
  assert.match(wrong.note, /Allowed choices are tcp, http/);
});

test('faults of proxy are told in the words of its options', async () => {
  const { note, started, code } = await run([
    'proxy',
    '--from',
    'example.com:80',
    '--to',
    '10.0.0.1',
    '--balance',
    'leastconn',
  ]);
  assert.deepEqual([code, started], [2, null]);
  assert.match(note, /^error --from: "example\.com" is a name/m);
  assert.match(note, /^error --to: "10\.0\.0\.1" has no port \(write "10\.0\.0\.1:PORT"\)/m);
  assert.match(note, /^error --balance: .*did you mean "least-connections"\?/m);
});

test('run starts a gateway that loads its file again', async (t) => {
  const file = join(temporaryDirectory(t), 'a.yaml');
  writeFileSync(file, minimal());
  const { started, code, out, note } = await run(['run', file]);
  assert.deepEqual([code, out, note], [0, '', '']);
  assert.equal(started?.source, file);
  assert.equal(started.watchFile, file);
  writeFileSync(file, minimal({ top: 'shards: 7' }));
  assert.equal((await started.reloadConfig?.())?.config?.shards, 7);
  assert.equal((await started.parseConfig?.('version: 2'))?.config, null);
  assert.equal((await run(['run', '-c', file, '--no-watch'])).started?.watchFile, null);
});

test('run starts nothing from a wrong file', async (t) => {
  const file = join(temporaryDirectory(t), 'a.yaml');
  writeFileSync(file, minimal({ top: 'shards: x' }));
  const { started, code, note } = await run(['run', file]);
  assert.deepEqual([started, code], [null, 2]);
  assert.match(note, /1 error; nothing was started\n {2}"holdfast explain HF1022" says more/);
});

test('a gateway that cannot start is one sentence and exit code 1', async (t) => {
  const file = join(temporaryDirectory(t), 'a.yaml');
  writeFileSync(file, minimal());
  const { code, note } = await run(['run', file], {
    startGateway: () => Promise.reject(new GatewayStartError('port 80 needs a privilege')),
  });
  assert.deepEqual([code, note], [1, 'error port 80 needs a privilege\n']);
});

test('the exit code of a gateway is that of the verb', async (t) => {
  const file = join(temporaryDirectory(t), 'a.yaml');
  writeFileSync(file, minimal());
  const { code } = await run(['run', file], {
    startGateway: () =>
      Promise.resolve({
        closed: Promise.resolve(4),
        listeners: [],
        adminSocket: null,
        close: () => Promise.resolve(4),
      }),
  });
  assert.equal(code, 4);
});

test('init writes a valid file, and replaces none', async (t) => {
  const file = join(temporaryDirectory(t), 'holdfast.yaml');
  const first = await run(['init', file]);
  assert.equal(first.code, 0);
  const text = readFileSync(file, 'utf8');
  assert.match(text, /^# yaml-language-server: \$schema=.*config\.schema\.json\n/);
  assert.deepEqual(loadConfigText(text, file).diagnostics, []);
  const second = await run(['init', file]);
  assert.equal(second.code, 1);
  assert.match(second.note, /exists\n {2}name another file, or replace it with --force/);
  assert.equal((await run(['init', file, '--force'])).code, 0);
  assert.equal((await run(['init', '/nonexistent/x.yaml'])).code, 1);
});

test('what the comments of init propose is valid too', async (t) => {
  const file = join(temporaryDirectory(t), 'holdfast.yaml');
  await run(['init', file]);
  const text = readFileSync(file, 'utf8').replaceAll(/^( +)# (\w+:)/gm, '$1$2');
  const { diagnostics } = loadConfigText(text, file);
  assert.deepEqual(
    diagnostics.filter(({ severity }) => severity === 'error'),
    [],
  );
  assert.ok(text.includes('\n    limits: {'));
});

test('a proposed command works where it is proposed', () => {
  assert.equal(commandName('/a/b/src/main/cli/holdfast.mjs', '/a/b'), 'npx holdfast');
  assert.equal(
    commandName('/a/b/src/main/cli/holdfast.mjs', '/a/b/src'),
    './main/cli/holdfast.mjs',
  );
  assert.equal(commandName('/a/src/main/cli/holdfast.mjs', '/c'), '/a/src/main/cli/holdfast.mjs');
  assert.equal(commandName('/usr/local/bin/holdfast', '/c'), 'holdfast');
});

test('the launcher is executable', () => {
  const launcher = new URL('../../../src/main/cli/holdfast.mjs', import.meta.url);
  assert.ok(existsSync(launcher));
  chmodSync(launcher, 0o755);
  assert.match(readFileSync(launcher, 'utf8'), /^#!\/usr\/bin\/env node\n/);
});
