/**
 * What is written down: access records, and the process log.
 *
 * Path: connections that end in every way that a client, an endpoint or the gateway can end them.
 * Invariant under test: one record for each connection, valid JSON whatever is in it, true about
 * who ended it and why; long connections are recorded while they live; logs survive rotation.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { GatewayProcess, makeDirectory, type Owner } from '../harness.ts';
import { Command } from '../peers/cli.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Origin } from '../peers/origin.ts';
import { CTRL_C, Terminal } from '../peers/terminal.ts';
import { Wire } from '../peers/wire.ts';

const HOLDFAST = fileURLToPath(new URL('../../../src/main/cli/holdfast.mjs', import.meta.url));
const FIELDS = {
  time: 'string',
  event: 'string',
  id: 'string',
  listener: 'string',
  client: 'string',
  cluster: 'string',
  endpoint: 'string',
  bytesFromClient: 'number',
  bytesFromEndpoint: 'number',
  durationMs: 'number',
  connectUs: 'number',
};

type Record_ = Readonly<Record<string, unknown>>;

const file = createFileOwner();
let origin: Origin;

before(async () => {
  origin = await Origin.start(file);
});

function yaml(listener = '', top = ''): string {
  return `
shards: 1
${top}
drain: { readinessDelay: 0s, over: 0s, grace: 1s }
listeners: [{ name: front, bind: 127.0.0.1:0, ${listener} cluster: c }]
clusters: [{ name: c, endpoints: [${origin.address}] }]
`;
}

/** A connection and its other end. */
async function pair(owner: Owner, port: number): Promise<{ client: Wire; endpoint: Wire }> {
  const client = await Wire.connect(owner, port);
  const endpoint = await origin.next();
  client.send('12345');
  await endpoint.take(5);
  endpoint.send('1234567');
  await client.take(7);
  return { client, endpoint };
}

const ENDINGS: readonly {
  readonly name: string;
  readonly reason: string;
  readonly closedBy: string;
  readonly end: (wires: { client: Wire; endpoint: Wire }, gateway: GatewayProcess) => unknown;
}[] = [
  {
    name: 'the client ends first',
    reason: 'client-closed',
    closedBy: 'client',
    end: async ({ client, endpoint }) => {
      client.finish();
      await endpoint.ended;
      endpoint.finish();
    },
  },
  {
    name: 'the endpoint ends first',
    reason: 'endpoint-closed',
    closedBy: 'endpoint',
    end: async ({ client, endpoint }) => {
      endpoint.finish();
      await client.ended;
      client.finish();
    },
  },
  {
    name: 'the client resets',
    reason: 'client-reset',
    closedBy: 'client',
    end: ({ client }) => client.reset(),
  },
  {
    name: 'the endpoint resets',
    reason: 'endpoint-reset',
    closedBy: 'endpoint',
    end: ({ endpoint }) => endpoint.reset(),
  },
  {
    name: 'an operator ends it',
    reason: 'killed',
    closedBy: 'gateway',
    end: async (_, gateway) => {
      const { json } = await gateway.admin('GET', '/v1/connections');
      await gateway.admin('DELETE', `/v1/connections/${json.connections[0].id}`);
    },
  },
  {
    name: 'one direction ends and the other falls silent',
    reason: 'half-close-timeout',
    closedBy: 'gateway',
    end: ({ client }) => client.finish(),
  },
];

test('who ended a connection, and why', async (t) => {
  const gateway = await GatewayProcess.start(t, {
    yaml: yaml('timeouts: { halfClose: 1s },'),
  });
  const port = await gateway.port('front');
  for (const { name, reason, closedBy, end } of ENDINGS) {
    const wires = await pair(t, port);
    const client = `127.0.0.1:${wires.client.socket.localPort}`;
    await end(wires, gateway);
    const record = await gateway.accessed((each) => each['client'] === client);
    assert.equal(record['reason'], reason, name);
    assert.equal(record['closedBy'], closedBy, name);
    checkFields(record);
    assert.equal(record['event'], 'close');
    assert.equal(record['listener'], 'front');
    assert.equal(record['cluster'], 'c');
    assert.equal(record['endpoint'], origin.address);
    assert.equal(record['bytesFromClient'], 5);
    assert.equal(record['bytesFromEndpoint'], 7);
  }
  const { json } = await gateway.counted('/v1/stats');
  assert.equal(json.shards[0].counters.accessRecords, ENDINGS.length);
  assert.equal(json.shards[0].counters.accessDropped, 0);
});

/** Every field is there, of its type, and no other. */
function checkFields(record: Record_): void {
  const wanted =
    record['event'] === 'close' ? { ...FIELDS, closedBy: 'string', reason: 'string' } : FIELDS;
  assert.deepEqual(
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, typeof value])),
    wanted,
  );
  assert.match(String(record['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.match(String(record['id']), /^[0-9a-f]+-[0-9a-f]+-[0-9a-f]+$/);
  const ageMs = Date.now() - Date.parse(String(record['time']));
  assert.ok(ageMs > -60_000 && ageMs < 600_000, `written ${ageMs} ms ago`);
}

test('a connection that lives long is recorded while it lives, with what it moved so far', async (t) => {
  const gateway = await GatewayProcess.start(t, {
    yaml: yaml(),
    header: (text) => text.replace('access: stdout', 'access: stdout, accessInterval: 1s'),
  });
  const { client, endpoint } = await pair(t, await gateway.port('front'));
  const first = await gateway.accessed(({ event }) => event === 'interval');
  checkFields(first);
  assert.equal(first['bytesFromClient'], 5);
  client.send('more');
  await endpoint.take(4);
  const later = await gateway.accessed(
    ({ event, bytesFromClient }) => event === 'interval' && bytesFromClient === 9,
  );
  assert.equal(later['id'], first['id']);
  assert.ok(Number(later['durationMs']) > Number(first['durationMs']));
  client.reset();
  const last = await gateway.accessed(({ event }) => event === 'close');
  assert.equal(last['id'], first['id']);
});

test('records of many short connections: one each, none torn', async (t) => {
  const gateway = await GatewayProcess.start(t, {
    yaml: yaml('limits: { connectionsPerAddress: unlimited },').replace('shards: 1', 'shards: 2'),
  });
  const port = await gateway.port('front');
  const echo = await Origin.start(t, { isEcho: true });
  await gateway.admin('PATCH', '/v1/clusters/c/endpoints', {
    add: [{ address: echo.address }],
    remove: [origin.address],
  });
  const ports = new Set<string>();
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        const wire = await Wire.connect(t, port);
        await wire.echo('hello');
        ports.add(`127.0.0.1:${wire.socket.localPort}`);
        wire.finish();
        await wire.ended;
      }),
    );
  }
  await gateway.adminUntil('/v1/status', ({ json }) => json.connections === 0);
  for (const client of ports) {
    const record = await gateway.accessed((each) => each['client'] === client);
    assert.equal(record['bytesFromClient'], 5);
  }
  const { text } = await gateway.counted('/metrics');
  const written = [...text.matchAll(/^holdfast_shard_access_records_total\{.*\} (\d+)$/gm)];
  assert.equal(
    written.reduce((sum, [, count]) => sum + Number(count), 0),
    1_000,
  );
});

test('a listener without records, and a gateway without any', async (t) => {
  const listeners = yaml().replace(
    'listeners: [',
    'listeners: [{ name: quiet, bind: 127.0.0.1:0, accessLog: false, cluster: c }, ',
  );
  const gateway = await GatewayProcess.start(t, { yaml: listeners });
  for (const name of ['quiet', 'front']) {
    const { client } = await pair(t, await gateway.port(name));
    client.reset();
    await gateway.adminUntil('/v1/status', ({ json }) => json.connections === 0);
  }
  // Had the first one a record, it would stand before this one.
  const first = await gateway.accessed(() => true);
  assert.equal(first['listener'], 'front');
  const none = await GatewayProcess.start(t, {
    yaml: listeners,
    header: (text) => text.replace('access: stdout', "access: 'off'"),
  });
  const { client } = await pair(t, await none.port('front'));
  client.reset();
  const { json } = await none.adminUntil('/v1/stats', (answer) => {
    return answer.json.process.connections === 0;
  });
  assert.equal(json.shards[0].counters.accessRecords, 0);
});

test('an access log in a file: rotated on SIGHUP, not a record lost', async (t) => {
  const directory = makeDirectory(t);
  const path = join(directory, 'access.log');
  const gateway = await GatewayProcess.start(t, {
    yaml: yaml(),
    directory,
    header: (text) => text.replace('access: stdout', `access: ${path}`),
  });
  const port = await gateway.port('front');
  const end = async (): Promise<string> => {
    const { client, endpoint } = await pair(t, port);
    const name = `127.0.0.1:${client.socket.localPort}`;
    client.finish();
    await endpoint.ended;
    endpoint.finish();
    await client.ended;
    return name;
  };
  const first = await end();
  await whenFileHas(path, first);
  renameSync(path, `${path}.1`);
  const between = await end();
  await whenFileHas(`${path}.1`, between);
  gateway.signal('SIGHUP');
  await gateway.logged(({ msg }) => msg === 'configuration loaded');
  const last = await end();
  await whenFileHas(path, last);
  assert.doesNotMatch(readFileSync(path, 'utf8'), new RegExp(`${first}"|${between}"`));
  for (const line of readFileSync(`${path}.1`, 'utf8').trimEnd().split('\n')) {
    checkFields(JSON.parse(line) as Record_);
  }
  const beforeEnd = await end();
  gateway.signal('SIGTERM');
  assert.equal((await gateway.exited).code, 0);
  assert.match(readFileSync(path, 'utf8'), new RegExp(`${beforeEnd}"`));
});

/** Waits until a file has the text. */
async function whenFileHas(path: string, text: string): Promise<void> {
  const isThere = (): boolean => existsSync(path) && readFileSync(path, 'utf8').includes(text);
  const seen = Promise.withResolvers<void>();
  const watcher = watch(join(path, '..'), () => {
    if (isThere()) {
      seen.resolve();
    }
  });
  if (!isThere()) {
    await seen.promise;
  }
  watcher.close();
}

test('the process log: JSON lines for programs, text for a terminal', async (t) => {
  const directory = makeDirectory(t);
  const text = `version: 1\nlog: { access: off }\n${yaml()}`;
  writeFileSync(join(directory, 'holdfast.yaml'), text);
  const piped = new Command(t, ['run'], { directory });
  await piped.printed(/"msg":"ready"/);
  piped.signal('SIGTERM');
  const { stderr, stdout, code } = await piped.outcome;
  assert.equal(code, 0);
  assert.equal(stdout, '');
  for (const line of stderr.trimEnd().split('\n')) {
    const { level, time, msg } = JSON.parse(line) as Record_;
    assert.match(String(level), /^(trace|debug|info|warn|error|fatal)$/);
    assert.ok(!Number.isNaN(Date.parse(String(time))), line);
    assert.equal(typeof msg, 'string');
  }
  const terminal = await Terminal.start(t, [process.execPath, HOLDFAST, 'run'], directory);
  await terminal.whenShown(/ready/);
  assert.match(terminal.shown, /INFO/);
  assert.doesNotMatch(terminal.shown, /"msg"/);
  terminal.type(CTRL_C);
  assert.equal(await terminal.outcome, 0);
});
