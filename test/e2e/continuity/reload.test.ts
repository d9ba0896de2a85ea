/**
 * Reloads: by every way to ask for one, with every kind of change, under traffic.
 *
 * Path: a running gateway whose file changes, with clients connected before, during and after.
 * Invariant under test: a wrong file changes nothing and says where it is wrong; an established
 * connection keeps the settings it began with, whatever changes; a new one has the new ones.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { GatewayProcess, makeDirectory, type Owner } from '../harness.ts';
import { Command, runCommand } from '../peers/cli.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Origin } from '../peers/origin.ts';
import { v1 } from '../peers/proxy-header.ts';
import { Wire } from '../peers/wire.ts';

const file = createFileOwner();
let origin: Origin;
let other: Origin;

before(async () => {
  origin = await Origin.start(file, { isEcho: true });
  other = await Origin.start(file, { isEcho: true, name: 'other' });
});

/** One listener to one cluster; `more` goes into the listener. */
function simple(name = 'front', more = ''): string {
  return `
shards: 2
listeners:
  - { name: ${name}, bind: 127.0.0.1:0, ${more} cluster: c }
clusters:
  - { name: c, endpoints: [${origin.address}] }
`;
}

async function whenGeneration(gateway: GatewayProcess, generation: number): Promise<void> {
  await gateway.logged(
    (record) => record.msg === 'configuration loaded' && record['generation'] === generation,
  );
}

test('the file changes: written, renamed over, and swapped as a mounted directory is', async (t) => {
  const directory = makeDirectory(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(), watch: true, directory });
  gateway.write(simple('written'));
  await whenGeneration(gateway, 2);
  const next = join(directory, 'next.yaml');
  writeFileSync(next, gateway.header() + simple('renamed'));
  renameSync(next, gateway.file);
  await whenGeneration(gateway, 3);
  // The form of a Kubernetes volume: file -> ..data/file, ..data -> a directory that is swapped.
  for (const [round, name] of ['mounted', 'swapped'].entries()) {
    const version = join(directory, `..v${round}`);
    mkdirSync(version);
    writeFileSync(join(version, 'gateway.yaml'), gateway.header() + simple(name));
    symlinkSync(`..v${round}`, join(directory, '..fresh'));
    renameSync(join(directory, '..fresh'), join(directory, '..data'));
    if (round === 0) {
      symlinkSync('..data/gateway.yaml', join(directory, 'link'));
      renameSync(join(directory, 'link'), gateway.file);
    }
    await whenGeneration(gateway, 4 + round);
  }
  await (await Wire.connect(t, await gateway.port('swapped'))).echo('hello');
  // A touch is no change: the next generation is the one that says something else.
  utimesSync(gateway.file, new Date(), new Date());
  gateway.write(simple('last'));
  await whenGeneration(gateway, 6);
  assert.equal(gateway.records.filter(({ msg }) => msg === 'configuration loaded').length, 5);
});

test('the file changes in a directory where something is written all the time', async (t) => {
  const directory = makeDirectory(t);
  const gateway = await GatewayProcess.start(t, { yaml: simple(), watch: true, directory });
  const noise = join(directory, 'noise.log');
  const timer = setInterval(() => writeFileSync(noise, String(Date.now())), 20);
  try {
    gateway.write(simple('second'));
    await whenGeneration(gateway, 2);
  } finally {
    clearInterval(timer);
  }
});

interface Finding {
  readonly line: number;
  readonly code: string;
}

test('a wrong file: every way to ask says where it is wrong, and nothing changes', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: simple(), watch: true });
  const wire = await Wire.connect(t, await gateway.port('front'));
  await wire.echo('before');
  const wrong = `${simple().replace('cluster: c', 'cluster: d')}colour: red\n`;
  const lines = (gateway.header() + wrong).split('\n');
  const lineOf = (text: string): number => lines.findIndex((line) => line.includes(text)) + 1;
  gateway.write(wrong);
  const byFile = await gateway.logged(({ msg }) => msg.startsWith('configuration refused'));
  assert.equal(byFile['cause'], 'file');
  const findings = String(byFile['findings']);
  assert.match(findings, new RegExp(`\\b${lineOf('colour')}:1 HF1012`));
  assert.match(findings, new RegExp(`\\b${lineOf('cluster: d')}:\\d+ HF1042`));
  const from = gateway.records.length;
  gateway.signal('SIGHUP');
  const bySignal = await gateway.logged(({ msg }) => msg.startsWith('configuration refused'), from);
  assert.equal(bySignal['cause'], 'SIGHUP');
  assert.deepEqual(bySignal['findings'], byFile['findings']);
  const { json } = await gateway.admin('POST', '/v1/reload');
  assert.deepEqual(
    new Set(json.diagnostics.map((each: Finding) => `${each.line} ${each.code}`)),
    new Set([`${lineOf('cluster: d')} HF1042`, `${lineOf('colour')} HF1012`]),
  );
  const { code, stderr } = await runCommand(t, ['reload', '--admin', gateway.socket], {
    directory: gateway.directory,
  });
  assert.equal(code, 2);
  assert.match(stderr, /HF1012/);
  assert.match(stderr, /HF1042/);
  assert.match(stderr, /colour: red/);
  assert.match(stderr, /the running configuration stays/);
  assert.equal((await gateway.admin('GET', '/v1/status')).json.generation, 1);
  await wire.echo('after');
  await (await Wire.connect(t, await gateway.port('front'))).echo('and new ones');
  const { text } = await gateway.counted('/metrics');
  assert.match(text, /^holdfast_config_reloads_total\{result="invalid"\} 4$/m);
  assert.match(text, /^holdfast_config_generation 1$/m);
});

test('the command line reloads, and says what came of it', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: simple() });
  const reload = (...args: string[]): ReturnType<typeof runCommand> =>
    runCommand(t, ['reload', '--admin', gateway.socket, ...args], { directory: gateway.directory });
  const same = await reload();
  assert.equal(same.code, 0);
  assert.match(same.stdout, /unchanged: generation 1/);
  gateway.write(simple('second'));
  const dry = await reload('--dry-run', gateway.file);
  assert.equal(dry.code, 0, dry.stderr);
  assert.match(dry.stdout, /listener "second" added/);
  assert.equal((await gateway.admin('GET', '/v1/status')).json.generation, 1);
  const applied = await reload();
  assert.equal(applied.code, 0);
  assert.match(applied.stdout, /applied as generation 2/);
  assert.match(applied.stdout, /listener "front" removed/);
  const json = await reload('--json');
  assert.equal(JSON.parse(json.stdout).result, 'unchanged');
});

const CHANGES: readonly (readonly [string, (yaml: string) => string])[] = [
  ['its listener is removed', (yaml) => yaml.replace('name: front', 'name: elsewhere')],
  ['everything is removed', () => 'shards: 2\nlisteners: []\nclusters: []\n'],
  [
    'its cluster is replaced',
    (yaml) =>
      yaml
        .replace('cluster: c', 'cluster: d')
        .replace(
          `{ name: c, endpoints: [${origin.address}] }`,
          `{ name: d, endpoints: [${other.address}] }`,
        ),
  ],
  ['its endpoint is removed', (yaml) => yaml.replace(origin.address, other.address)],
  ['there is no endpoint left', (yaml) => yaml.replace(origin.address, '')],
  [
    'its timeouts are shortened',
    (yaml) =>
      yaml.replace('cluster: c', 'timeouts: { idle: 1s, halfClose: 1s, maxAge: 1s }, cluster: c'),
  ],
  [
    'its listener wants PROXY headers',
    (yaml) => yaml.replace('cluster: c', 'proxyProtocol: { accept: [127.0.0.0/8] }, cluster: c'),
  ],
  [
    'its limits fall below what is there',
    (yaml) =>
      yaml.replace(
        'cluster: c',
        'limits: { connections: 1, buffer: { high: 4KiB, low: 0B } }, cluster: c',
      ),
  ],
  [
    'its cluster balances and connects in another way',
    (yaml) =>
      yaml.replace(
        'endpoints:',
        'balance: maglev, proxyProtocol: v2, connect: { timeout: 10ms, retries: 0 }, slowStart: 1m, endpoints:',
      ),
  ],
  [
    'its endpoint is found dead by a check',
    (yaml) =>
      yaml.replace('endpoints:', 'healthCheck: { interval: 100ms, timeout: 10ms }, endpoints:'),
  ],
  ['its access log ends', (yaml) => yaml.replace('cluster: c', 'accessLog: false, cluster: c')],
];

test('established connections are not touched, whatever changes', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: simple() });
  const port = await gateway.port('front');
  const wires = await Promise.all(Array.from({ length: 8 }, () => Wire.connect(t, port)));
  await Promise.all(wires.map((wire) => wire.echo('before')));
  const { json: former } = await gateway.admin('GET', '/v1/connections');
  for (const [name, change] of CHANGES) {
    gateway.write(change(simple()));
    const { json } = await gateway.admin('POST', '/v1/reload');
    assert.equal(json.result, 'applied', `${name}: ${JSON.stringify(json)}`);
    await Promise.all(wires.map((wire, index) => wire.echo(`${name} ${index}`)));
    gateway.write(simple());
    assert.equal((await gateway.admin('POST', '/v1/reload')).json.result, 'applied', name);
    await Promise.all(wires.map((wire) => wire.echo('and back')));
  }
  const ids = (page: { connections: readonly { id: string }[] }): string[] =>
    page.connections.map(({ id }) => id).toSorted();
  assert.deepEqual(ids((await gateway.admin('GET', '/v1/connections')).json), ids(former));
  wires[0]?.finish();
  assert.equal(await wires[0]?.ended, 'fin');
});

test('timeouts that change count for new connections only', async (t) => {
  const gateway = await GatewayProcess.start(t, {
    yaml: simple('front', 'timeouts: { idle: 1h, halfClose: 1h },'),
  });
  const port = await gateway.port('front');
  const former = await Wire.connect(t, port);
  await former.echo('before');
  gateway.write(simple('front', 'timeouts: { idle: 1s },'));
  assert.equal((await gateway.admin('POST', '/v1/reload')).json.result, 'applied');
  const later = await Wire.connect(t, port);
  await later.echo('after');
  assert.equal(await later.ended, 'fin');
  await gateway.accessed(({ reason }) => reason === 'idle-timeout');
  await former.echo('an hour is not over');
});

test('clients that wait in the queue of an address are served by its next listener', async (t) => {
  const taken = await Origin.start(t);
  taken.stop();
  const yaml = (name: string, limits: string): string =>
    simple(name, limits).replace('127.0.0.1:0', `127.0.0.1:${taken.port}`);
  const gateway = await GatewayProcess.start(t, {
    yaml: yaml('slow', 'limits: { acceptRate: 1/s },'),
  });
  const wires = await Promise.all(Array.from({ length: 20 }, () => Wire.connect(t, taken.port)));
  gateway.write(yaml('quick', ''));
  assert.equal((await gateway.admin('POST', '/v1/reload')).json.result, 'applied');
  await Promise.all(wires.map((wire) => wire.echo('served')));
  const { json } = await gateway.admin('GET', '/v1/connections');
  const listeners = json.connections.map((each: { listener: string }) => each.listener);
  assert.ok(listeners.filter((name: string) => name === 'quick').length >= 10);
});

test('a listener that turns PROXY headers on asks them of new connections only', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: simple() });
  const port = await gateway.port('front');
  const former = await Wire.connect(t, port);
  await former.echo('PROXY TCP4 is only text here');
  gateway.write(simple('front', 'proxyProtocol: { accept: [127.0.0.1] },'));
  assert.equal((await gateway.admin('POST', '/v1/reload')).json.result, 'applied');
  const later = await Wire.connect(t, port);
  later.send(v1('192.0.2.1:1', '192.0.2.2:2'));
  await later.echo('hello');
  await former.echo('PROXY TCP4 still is');
});

test('a removed listener refuses, a listener that is back accepts', async (t) => {
  const taken = await Origin.start(t);
  taken.stop();
  const fixed = simple().replace('127.0.0.1:0', `127.0.0.1:${taken.port}`);
  const gateway = await GatewayProcess.start(t, { yaml: fixed });
  for (let round = 0; round < 3; round++) {
    await (await Wire.connect(t, taken.port)).echo('open');
    gateway.write(simple());
    assert.equal((await gateway.admin('POST', '/v1/reload')).json.result, 'applied');
    await assert.rejects(Wire.connect(t, taken.port), { code: 'ECONNREFUSED' });
    gateway.write(fixed);
    assert.equal((await gateway.admin('POST', '/v1/reload')).json.result, 'applied');
  }
});

test('a listener on several addresses, of both families and a path, gains and loses some', async (t) => {
  const directory = makeDirectory(t);
  const path = join(directory, 'front.sock');
  const probe = await Origin.start(t, { host: '::1' });
  probe.stop();
  const bound = (binds: string): string => simple().replace('127.0.0.1:0', binds);
  const both = `["0.0.0.0:${probe.port}", "[::]:${probe.port}"]`;
  const all = `["0.0.0.0:${probe.port}", "[::]:${probe.port}", { address: "unix:${path}", mode: "0660" }]`;
  const gateway = await GatewayProcess.start(t, { yaml: bound(both) });
  const v4 = await Wire.connect(t, probe.port);
  const v6 = await Wire.connect(t, { host: '::1', port: probe.port });
  await v4.echo('v4');
  await v6.echo('v6');
  const load = async (yaml: string): Promise<void> => {
    gateway.write(yaml);
    const { json } = await gateway.admin('POST', '/v1/reload');
    assert.equal(json.result, 'applied', JSON.stringify(json));
  };
  await load(bound(all));
  assert.equal(statSync(path).mode & 0o777, 0o660);
  const unix = await Wire.connect(t, { path });
  await unix.echo('unix');
  assert.equal((await gateway.admin('GET', '/v1/status')).json.listeners.length, 3);
  await load(bound(`["[::]:${probe.port}"]`));
  assert.equal(existsSync(path), false);
  await assert.rejects(Wire.connect(t, probe.port), { code: 'ECONNREFUSED' });
  await (await Wire.connect(t, { host: '::1', port: probe.port })).echo('v6 again');
  await load(bound(all).replace('name: front', 'name: moved'));
  await (await Wire.connect(t, { path })).echo('unix again');
  for (const wire of [v4, v6, unix]) {
    await wire.echo('never touched');
  }
});

test('an address that is taken fails the reload as a whole', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: simple() });
  const port = await gateway.port('front');
  gateway.write(
    simple('front', 'timeouts: { idle: 1s },').replace(
      'clusters:',
      `  - { name: extra, bind: [127.0.0.1:0, "${other.address}"], cluster: c }\nclusters:`,
    ),
  );
  const { status, json } = await gateway.admin('POST', '/v1/reload');
  assert.equal(status, 409);
  assert.match(json.error.message, /listener "extra" cannot listen on .*the port is in use/);
  const now = await gateway.admin('GET', '/v1/status');
  assert.deepEqual(
    now.json.listeners.map((each: { name: string }) => each.name),
    ['front'],
  );
  assert.equal(now.json.generation, 1);
  await (await Wire.connect(t, port)).echo('hello');
  const { json: config } = await gateway.admin('GET', '/v1/config');
  assert.equal(config.config.listeners[0].timeouts.idleMs, 3_600_000);
});

test('many ask at once: each gets an answer, the last file wins', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: simple() });
  const asked: Promise<{ readonly json: { result: string; generation: number } }>[] = [];
  for (let round = 0; round < 10; round++) {
    const put = gateway.header() + simple(`l${round}`);
    asked.push(gateway.admin('PUT', '/v1/config', put));
    asked.push(gateway.admin('PUT', '/v1/config', 'listeners: 1'));
  }
  const answers = (await Promise.all(asked)).map(({ json }) => json);
  assert.equal(answers.filter(({ result }) => result === 'applied').length, 10);
  assert.equal(answers.filter(({ result }) => result === 'invalid').length, 10);
  const generations = answers.flatMap(({ result, generation }) =>
    result === 'applied' ? [generation] : [],
  );
  assert.deepEqual(
    generations.toSorted((x, y) => x - y),
    Array.from({ length: 10 }, (_, index) => index + 2),
  );
  const { json } = await gateway.admin('GET', '/v1/status');
  assert.equal(json.generation, 11);
  assert.equal(json.listeners.length, 1);
});

/** Sends pieces and checks that the same bytes come back, until told to stop. */
async function stream(wire: Wire, signal: AbortSignal): Promise<number> {
  const sent = createHash('sha256');
  const got = createHash('sha256');
  let bytes = 0;
  const piece = Buffer.alloc(8 * 1024);
  while (!signal.aborted) {
    piece.writeUInt32BE(bytes, 0);
    wire.send(Buffer.from(piece));
    sent.update(piece);
    got.update(await wire.take(piece.length));
    bytes += piece.length;
  }
  assert.equal(got.digest('hex'), sent.digest('hex'));
  return bytes;
}

test('thirty reloads under traffic: not a byte and not a connect is lost', async (t) => {
  const gateway = await GatewayProcess.start(t, { yaml: simple('front', STORM_LIMITS) });
  const port = await gateway.port('front');
  const over = new AbortController();
  const wires = await Promise.all(Array.from({ length: 8 }, () => Wire.connect(t, port)));
  const streams = wires.map((wire) => stream(wire, over.signal));
  const arrivals = arrive(t, port, over.signal);
  try {
    for (let round = 0; round < 30; round++) {
      const idle = `timeouts: { idle: ${1 + (round % 2)}h }, ${STORM_LIMITS}`;
      const extra =
        round % 3 === 0 ? '  - { name: x, bind: 127.0.0.1:0, cluster: c }\nclusters:' : 'clusters:';
      gateway.write(simple('front', idle).replace('clusters:', extra));
      const { json } = await gateway.admin('POST', '/v1/reload');
      assert.equal(json.result, 'applied');
      assert.equal(json.generation, round + 2);
    }
  } finally {
    over.abort();
  }
  assert.ok((await Promise.all(streams)).every((bytes) => bytes > 0));
  assert.ok((await arrivals) > 0);
  const { json } = await gateway.counted('/v1/stats');
  const front = json.listeners.find((each: { name: string }) => each.name === 'front');
  const ends = Object.entries<number>({ ...front.closed, ...front.refused });
  for (const [reason, count] of ends) {
    assert.ok(reason === 'client-closed' || count === 0, `${count} ${reason}`);
  }
});

const STORM_LIMITS = 'limits: { connectionsPerAddress: unlimited },';

/** Connects, talks and leaves, one client after the other. Gives how many there were. */
async function arrive(owner: Owner, port: number, signal: AbortSignal): Promise<number> {
  let count = 0;
  while (!signal.aborted) {
    const wire = await Wire.connect(owner, port);
    await wire.echo(`client ${count}`);
    wire.finish();
    assert.equal(await wire.ended, 'fin');
    count++;
  }
  return count;
}

test('run by the command line, a gateway reloads when its file changes', async (t) => {
  const directory = makeDirectory(t);
  const path = join(directory, 'holdfast.yaml');
  const text = `version: 1\nlog: { level: info, access: off }\n${simple()}`;
  writeFileSync(path, text);
  const command = new Command(t, ['run'], { directory });
  await command.printed(/"msg":"ready"/);
  writeFileSync(path, text.replace('name: front', 'name: changed'));
  const [line] = await command.printed(/^.*"msg":"configuration loaded".*$/m);
  assert.deepEqual(JSON.parse(line).changes, [
    'listener "changed" added',
    'listener "front" removed',
  ]);
  const { code, stdout } = await runCommand(t, ['reload'], { directory });
  assert.equal(code, 0);
  assert.match(stdout, /unchanged/);
});
