/**
 * `holdfast run`, `validate`, `proxy`, `init` and `doctor`, as they are typed.
 *
 * Path: the command in a process of its own, its exit code and what it prints.
 * Invariant under test: what is wrong is told at once and completely, in sentences with a remedy,
 * with the documented exit code; nothing is started then; what is printed can be used again.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { GatewayProcess, makeDirectory, type Owner } from '../harness.ts';
import { Command, type Outcome, runCommand } from '../peers/cli.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Origin, startNamed } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

const file = createFileOwner();
let origin: Origin;

before(async () => {
  origin = await Origin.start(file, { isEcho: true });
});

function run(owner: Owner, directory: string, ...args: string[]): Promise<Outcome> {
  return runCommand(owner, args, { directory });
}

/** Where a started command listens, by what it tells. */
async function addressOf(command: Command): Promise<number> {
  const [, port = ''] = await command.printed(/127\.0\.0\.1:(\d+)/);
  return Number(port);
}

test('a wrong file: every error at once, with its place, exit code 2, nothing started', async (t) => {
  const directory = makeDirectory(t);
  const path = join(directory, 'holdfast.yaml');
  writeFileSync(
    path,
    `version: 1
shard: 2
listeners:
  - name: front
    bind: 127.0.0.1:99999
    clustr: c
    timeouts: { idle: 10 }
    cluster: nowhere
clusters:
  - { name: c, endpoints: [${origin.address}], balance: fair }
`,
  );
  for (const verb of ['run', 'validate']) {
    const { code, stdout, stderr } = await run(t, directory, verb);
    assert.equal(code, 2, verb);
    assert.equal(stdout, '');
    for (const [finding, place] of [
      [/HF1012.*"?shard"?/, ':2:1'],
      [/HF1033/, ':5:'],
      [/HF1012.*"?clustr"?/, ':6:5'],
      [/HF1020/, ':7:'],
      [/HF1042/, ':8:'],
      [/HF1015/, ':10:'],
    ] as const) {
      assert.match(stderr, finding, verb);
      assert.ok(stderr.includes(`holdfast.yaml${place}`), `${place} in\n${stderr}`);
    }
    assert.match(stderr, /did you mean.*shards/);
    assert.match(stderr, /did you mean.*cluster/);
    assert.match(stderr, /6 errors/);
  }
  assert.deepEqual(readdirSync(directory), ['holdfast.yaml']);
  const json = await run(t, directory, 'validate', '--format', 'json', path);
  assert.equal(json.code, 2);
  const { diagnostics } = JSON.parse(json.stdout) as {
    diagnostics: { code: string; severity: string }[];
  };
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  assert.deepEqual(
    new Set(errors.map(({ code }) => code)),
    new Set(['HF1012', 'HF1033', 'HF1020', 'HF1042', 'HF1015']),
  );
  const explained = await run(t, directory, 'explain', 'HF1042');
  assert.equal(explained.code, 0);
  assert.match(explained.stdout, /HF1042/);
});

test('a port that is taken: one sentence with the remedy, exit code 1', async (t) => {
  const directory = makeDirectory(t);
  const { code, stdout, stderr } = await run(
    t,
    directory,
    'proxy',
    '--from',
    origin.address,
    '--to',
    '127.0.0.1:1',
  );
  assert.equal(code, 1);
  assert.equal(stdout, '');
  const lines = stderr.trimEnd().split('\n');
  assert.equal(lines.length, 1, stderr);
  assert.match(
    lines[0] ?? '',
    /^error listener "proxy" cannot listen on .* the port is in use; .*ss -ltnp/,
  );
  assert.deepEqual(readdirSync(directory), []);
});

/** Drops one privilege and stays root otherwise. */
const UNBOUND = [
  'setpriv',
  '--bounding-set',
  '-net_bind_service',
  '--inh-caps',
  '-net_bind_service',
];

const IMPOSSIBLE: readonly {
  readonly name: string;
  readonly change: (yaml: string) => string;
  readonly sentence: RegExp;
  readonly under?: readonly string[];
}[] = [
  {
    name: 'an address of another machine',
    change: (yaml) => yaml.replace('127.0.0.1:0', '192.0.2.1:1883'),
    sentence:
      /listener "front" cannot listen on 192\.0\.2\.1:1883: the address is not on this machine/,
  },
  {
    name: 'an admin socket in a directory that is not there',
    change: (yaml) => yaml.replace('./admin.sock', './no/admin.sock'),
    sentence:
      /the admin API cannot listen on unix:\.\/no\/admin\.sock: the directory does not exist; create it/,
  },
  {
    name: 'a listener in a directory that is not there',
    change: (yaml) => yaml.replace('127.0.0.1:0', 'unix:no/front.sock'),
    sentence:
      /listener "front" cannot listen on unix:no\/front\.sock: the directory does not exist/,
  },
  {
    name: 'an access log that cannot be written',
    change: (yaml) => yaml.replace("access: 'off'", 'access: no/access.log'),
    sentence: /the access log no\/access\.log cannot be written: .*; make it writable/,
  },
  {
    name: 'a token file that is not there',
    change: (yaml) =>
      yaml.replace('./admin.sock', './admin.sock, tcp: { bind: 127.0.0.1:0, tokenFile: ./token }'),
    sentence: /admin\.tcp\.tokenFile: .*; create it/,
  },
  {
    name: 'a port below 1024 without the privilege',
    change: (yaml) => yaml.replace('127.0.0.1:0', '127.0.0.1:81'),
    sentence:
      /cannot listen on 127\.0\.0\.1:81: ports below 1024 need a privilege; grant CAP_NET_BIND_SERVICE/,
    under: UNBOUND,
  },
];

for (const { name, change, sentence, under } of IMPOSSIBLE) {
  test(`told in one sentence, exit code 1: ${name}`, { skip: whyNot(under) }, async (t) => {
    const directory = makeDirectory(t);
    const yaml = `
version: 1
admin: { socket: ./admin.sock }
log: { access: 'off' }
listeners: [{ name: front, bind: "127.0.0.1:0", cluster: c }]
clusters: [{ name: c, endpoints: [${origin.address}] }]
`;
    writeFileSync(join(directory, 'holdfast.yaml'), change(yaml));
    const { code, stderr, stdout } = await runCommand(t, ['run'], {
      directory,
      ...(under === undefined ? {} : { under }),
    });
    assert.equal(code, 1, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, sentence);
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    assert.deepEqual(readdirSync(directory), ['holdfast.yaml']);
  });
}

/** Some machines let everybody bind low ports, and only root can drop a privilege. */
function whyNot(under: readonly string[] | undefined): string | false {
  if (under === undefined) {
    return false;
  }
  const lowest = readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8');
  return process.getuid?.() === 0 && Number(lowest) > 81
    ? false
    : 'privileges of ports cannot be dropped here';
}

test('a file that is not there, a directory without one, a verb that is not one', async (t) => {
  const directory = makeDirectory(t);
  const missing = await run(t, directory, 'run', 'no.yaml');
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /HF1001/);
  const nothing = await run(t, directory, 'run');
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /name a configuration file; there is no holdfast\.yaml here/);
  const wrong = await run(t, directory, 'rnu');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /unknown command 'rnu'/);
  assert.match(wrong.stderr, /run/);
  const help = await run(t, directory, '--help');
  assert.equal(help.code, 0);
  for (const verb of ['run', 'validate', 'proxy', 'reload', 'drain', 'conns', 'kill', 'doctor']) {
    assert.match(help.stdout, new RegExp(`^ +${verb}\\b`, 'm'));
  }
  const without = await run(t, directory, 'conns');
  assert.equal(without.code, 3);
  assert.match(without.stderr, /no gateway is running at/);
});

test('proxy: no file at all, several endpoints, a drain on SIGINT', async (t) => {
  const directory = makeDirectory(t);
  const named = await startNamed(t, 2);
  const to = named.map(({ address }) => address).join(',');
  const command = new Command(
    t,
    ['proxy', '--from', '127.0.0.1:0', '--to', to, '--balance', 'round-robin', '--shards', '1'],
    { directory },
  );
  const port = await addressOf(command);
  const wires = [await Wire.connect(t, port), await Wire.connect(t, port)];
  const names = await Promise.all(wires.map((wire) => wire.line()));
  assert.deepEqual(names.toSorted(), ['a', 'b']);
  const conns = await run(t, directory, 'conns', '--json');
  assert.equal(JSON.parse(conns.stdout).connections.length, 2);
  command.signal('SIGINT');
  for (const wire of wires) {
    assert.equal(await wire.ended, 'fin');
    wire.finish();
  }
  const { code } = await command.outcome;
  assert.equal(code, 0);
  assert.equal(existsSync(join(directory, 'holdfast.sock')), false);
});

test('proxy --print is a file that validates, runs, and prints the same again', async (t) => {
  const directory = makeDirectory(t);
  const options = ['--from', '127.0.0.1:0', '--to', origin.address, '--send-proxy', 'v1'];
  const printed = await run(t, directory, 'proxy', ...options, '--shards', '1', '--print');
  assert.equal(printed.code, 0, printed.stderr);
  assert.deepEqual(readdirSync(directory), [], 'nothing was started');
  writeFileSync(join(directory, 'holdfast.yaml'), printed.stdout);
  const valid = await run(t, directory, 'validate');
  assert.equal(valid.code, 0, valid.stderr);
  assert.match(valid.stdout, /is valid: 1 listener, 1 cluster, 1 endpoint, 1 shard/);
  const command = new Command(t, ['run'], { directory });
  const [line] = await command.printed(/^.*"msg":"ready".*$/m);
  const [listener] = JSON.parse(line).listeners;
  const port = Number(/:(\d+)$/.exec(listener.address)?.[1]);
  const wire = await Wire.connect(t, port);
  assert.match(await wire.line(), /^PROXY TCP4 127\.0\.0\.1 /);
  const wrong = await run(t, directory, 'proxy', '--from', '127.0.0.1:x', '--to', 'y', '--print');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /--from: /);
  assert.match(wrong.stderr, /--to: /);
});

test('init writes a file that validates, and replaces none', async (t) => {
  const directory = makeDirectory(t);
  const first = await run(t, directory, 'init');
  assert.equal(first.code, 0, first.stderr);
  const valid = await run(t, directory, 'validate');
  assert.equal(valid.code, 0, valid.stderr);
  const again = await run(t, directory, 'init');
  assert.notEqual(again.code, 0);
  assert.match(again.stderr, /holdfast\.yaml/);
});

test('validate --deep tries this machine', async (t) => {
  const directory = makeDirectory(t);
  writeFileSync(
    join(directory, 'holdfast.yaml'),
    `
version: 1
listeners:
  - { name: taken, bind: "${origin.address}", cluster: c }
  - { name: free, bind: 127.0.0.1:0, cluster: c }
clusters:
  - { name: c, endpoints: ["127.0.0.1:1"] }
`,
  );
  const plain = await run(t, directory, 'validate');
  assert.equal(plain.code, 0, plain.stderr);
  const deep = await run(t, directory, 'validate', '--deep');
  assert.equal(deep.code, 2);
  assert.match(deep.stderr, /HF1080/);
  assert.match(deep.stderr, /HF1084/);
});

test('doctor: what would stop so many connections here, and how to mend it', async (t) => {
  const directory = makeDirectory(t);
  const few = await run(t, directory, 'doctor', '--connections', '10');
  assert.match(few.stdout, /^10 connections to one endpoint on this machine/);
  for (const subject of [
    'open files',
    'accept queue',
    'local ports',
    'connection tracking',
    'OpenSSL',
    'glibc',
  ]) {
    assert.match(few.stdout, new RegExp(`^(ok|weak|bad|[?]) +${subject} `, 'm'));
  }
  const many = await run(t, directory, 'doctor', '--connections', '900M', '--json');
  assert.equal(many.code, 1);
  const report = JSON.parse(many.stdout) as {
    fine: boolean;
    verdicts: { name: string; state: string; remedy: string[] }[];
  };
  assert.equal(report.fine, false);
  const bad = report.verdicts.filter(({ state }) => state === 'bad');
  assert.ok(bad.length > 0);
  assert.ok(
    bad.every(({ remedy }) => remedy.length > 0),
    JSON.stringify(bad),
  );
  const wrong = await run(t, directory, 'doctor', '--connections', 'many');
  assert.equal(wrong.code, 2);
});

test('what is asked of a gateway is found by file, by variable, by option', async (t) => {
  const gateway = await GatewayProcess.start(t, {
    yaml: `
shards: 1
listeners: [{ name: front, bind: 127.0.0.1:0, cluster: c }]
clusters: [{ name: c, endpoints: [${origin.address}] }]
`,
  });
  const elsewhere = makeDirectory(t);
  const byOption = await run(t, elsewhere, 'clusters', '--admin', gateway.socket);
  assert.equal(byOption.code, 0, byOption.stderr);
  assert.ok(byOption.stdout.includes(origin.address));
  const byFile = await run(t, elsewhere, 'stats', '-c', gateway.file, '--json');
  assert.equal(byFile.code, 0, byFile.stderr);
  assert.equal(JSON.parse(byFile.stdout).listeners[0].name, 'front');
  const byVariable = await runCommand(t, ['log-level', 'warn'], {
    directory: elsewhere,
    env: { HOLDFAST_ADMIN: gateway.socket },
  });
  assert.equal(byVariable.code, 0, byVariable.stderr);
  assert.match(byVariable.stdout, /log level: warn \(was debug\)/);
});

test('completion, version and schema are for programs', async (t) => {
  const directory = makeDirectory(t);
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout, stderr } = await run(t, directory, 'completion', shell);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /holdfast/);
    assert.match(stdout, /validate/);
  }
  const version = await run(t, directory, '--version');
  assert.equal(version.code, 0);
  assert.match(version.stdout, /\d+\.\d+\.\d+/);
  const schema = await run(t, directory, 'schema');
  assert.equal(typeof JSON.parse(schema.stdout).properties.listeners, 'object');
});

test('a reader that goes away is no error', async (t) => {
  const directory = makeDirectory(t);
  const under = ['bash', '-o', 'pipefail', '-c', '"$0" "$@" | head -1 >/dev/null'];
  const { code, stderr } = await runCommand(t, ['schema'], { directory, under });
  assert.equal(code, 0, stderr);
  assert.equal(stderr, '');
});
