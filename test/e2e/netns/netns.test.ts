/**
 * Listeners and clusters in network namespaces, from one process.
 *
 * Path: real namespaces, made with `ip netns`; clients and origins inside of them.
 * Invariant under test: a socket is in the namespace that the configuration names and nowhere else;
 * no thread stays in a namespace, none is added for one; what is missing is named in one sentence.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { GatewayProcess, makeDirectory } from '../harness.ts';
import { runCommand } from '../peers/cli.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { addNamespace, deleteNamespace, NetnsPeer, whyNoNamespaces } from '../peers/netns.ts';
import { Origin } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

/** Drops the privilege to enter namespaces and stays root otherwise. */
/** Longer than an idle thread that loads configurations lives. */
const LOADER_ENDS_MS = 30_000;
const WITHOUT_PRIVILEGE = ['setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin'];

const file = createFileOwner();
let peer: NetnsPeer;

describe('network namespaces', { skip: whyNoNamespaces() }, () => {
  before(() => {
    peer = new NetnsPeer(file);
  });

  test('a listener in a namespace is reached there and nowhere else', async (t) => {
    const blue = addNamespace(t);
    const origin = await Origin.start(t, { name: 'outside', isEcho: true });
    // The same address and port outside belong to somebody else.
    const other = await Origin.start(t, { name: 'other' });
    const { port } = other;
    const gateway = await GatewayProcess.start(t, {
      yaml: `
shards: 2
listeners: [{ name: in, bind: "${other.address}", netns: ${blue}, cluster: out }]
clusters: [{ name: out, endpoints: [${origin.address}] }]
`,
    });
    const wire = await peer.connect(blue, port);
    assert.equal(await peer.line(wire), 'outside');
    assert.equal(await peer.say(wire, 'hello'), 'hello');
    assert.equal(await (await Wire.connect(t, port)).line(), 'other');
    await peer.close(wire);
    const record = await gateway.accessed(({ event }) => event === 'close');
    assert.match(String(record['client']), /^127\.0\.0\.1:\d+$/);
    assert.equal(record['bytesFromClient'], 6);
    assertAllThreadsAtHome(gateway.pid);
  });

  test('a cluster in a namespace: connects and health checks go there', async (t) => {
    const blue = addNamespace(t);
    const port = await peer.listen(blue, 'inside');
    const gateway = await GatewayProcess.start(t, {
      yaml: `
shards: 2
listeners: [{ name: out, bind: 127.0.0.1:0, cluster: in }]
clusters:
  - name: in
    netns: ${blue}
    endpoints: [127.0.0.1:${port}]
    healthCheck: { interval: 100ms, unhealthyAfter: 1 }
`,
    });
    const page = await gateway.adminUntil('/metrics', ({ text }) =>
      /holdfast_health_checks_total\{cluster="in",result="success"\} [1-9]/.test(text),
    );
    assert.match(page.text, /holdfast_health_checks_total\{cluster="in",result="failure"\} 0/);
    const front = await gateway.port('out');
    const openBefore = (await gateway.counted('/v1/stats')).json.process.openFds;
    for (let index = 0; index < 20; index++) {
      const wire = await Wire.connect(t, front);
      assert.equal(await wire.line(), 'inside');
      await wire.echo('hello');
      wire.finish();
      assert.equal(await wire.ended, 'fin');
    }
    assertAllThreadsAtHome(gateway.pid);
    // Entering and leaving costs no descriptor.
    await gateway.adminUntil('/v1/stats', ({ json }) => json.process.openFds <= openBefore + 2);
  });

  test('from one namespace to another, by a gateway that is in neither', async (t) => {
    const blue = addNamespace(t);
    const green = addNamespace(t);
    const port = await peer.listen(green, 'green');
    const gateway = await GatewayProcess.start(t, {
      yaml: `
shards: 1
listeners: [{ name: in, bind: 127.0.0.1:0, netns: ${blue}, cluster: far }]
clusters: [{ name: far, netns: ${green}, endpoints: [127.0.0.1:${port}] }]
`,
    });
    const wire = await peer.connect(blue, await gateway.port('in'));
    assert.equal(await peer.line(wire), 'green');
    assert.equal(await peer.say(wire, 'hello'), 'hello');
    assertAllThreadsAtHome(gateway.pid);
  });

  test('ten namespaces, one port in each, and not one thread more', async (t) => {
    const count = 10;
    const names = Array.from({ length: count }, () => addNamespace(t));
    const own = await Origin.start(t, { name: 'own', isEcho: true });
    const yaml = `
shards: 2
listeners:
  - { name: own, bind: 127.0.0.1:0, cluster: own }
clusters:
  - { name: own, endpoints: [${own.address}] }
`;
    const gateway = await GatewayProcess.start(t, { yaml });
    const ownPort = await gateway.port('own');
    await (await Wire.connect(t, ownPort)).line();
    const threads = threadsOf(gateway.pid);
    const originPorts = await Promise.all(names.map((name) => peer.listen(name, name)));
    const listeners = names.map(
      (name) =>
        `  - { name: "${name}", netns: "${name}", bind: 127.0.0.1:${ownPort}, cluster: "${name}" }\n`,
    );
    const clusters = names.map(
      (name, index) =>
        `  - { name: "${name}", netns: "${name}", endpoints: [127.0.0.1:${originPorts[index]}] }\n`,
    );
    gateway.write(
      yaml.replace('clusters:', `${listeners.join('')}clusters:\n${clusters.join('')}`),
    );
    const { json } = await gateway.admin('POST', '/v1/reload');
    assert.equal(json.result, 'applied', JSON.stringify(json));
    for (const name of names) {
      const wire = await peer.connect(name, ownPort);
      assert.equal(await peer.line(wire), name);
      assert.equal(await peer.say(wire, 'hello'), 'hello');
    }
    // The thread that loaded the configuration ends when nothing is to be loaded for a while.
    const deadline = performance.now() + LOADER_ENDS_MS;
    // One that ends after the start was counted above may be gone, too.
    while (threadsOf(gateway.pid) > threads && performance.now() < deadline) {
      await delay(100);
    }
    assert.ok(threadsOf(gateway.pid) <= threads, `${threadsOf(gateway.pid)}, not ${threads}`);
    assertAllThreadsAtHome(gateway.pid);
    assert.equal(await (await Wire.connect(t, ownPort)).line(), 'own');
  });

  test('what is missing is named: a listener, a cluster, at start and at a reload', async (t) => {
    const missing = `hf${process.pid}-none`;
    const sentence = new RegExp(
      `cluster "far" cannot use network namespace "${missing}": there is no such namespace; create it with "ip netns add ${missing}"`,
    );
    const yaml = `
shards: 1
listeners: [{ name: own, bind: 127.0.0.1:0, cluster: far }]
clusters: [{ name: far, endpoints: [127.0.0.1:1] }]
`;
    const wrong = yaml.replace('name: far,', `name: far, netns: ${missing},`);
    const launched = GatewayProcess.launch(t, { yaml: wrong });
    assert.equal((await launched.exited).code, 1);
    assert.match(launched.stderr, sentence);
    assert.equal(launched.stderr.trimEnd().split('\n').length, 1);
    const gateway = await GatewayProcess.start(t, { yaml });
    gateway.write(wrong);
    const { status, json } = await gateway.admin('POST', '/v1/reload');
    assert.equal(status, 409);
    assert.match(json.error.message, sentence);
    assert.equal((await gateway.admin('GET', '/v1/status')).json.generation, 1);
  });

  test('a missing privilege is named, with the way to get it', async (t) => {
    const blue = addNamespace(t);
    const directory = makeDirectory(t);
    const place = (netns: string): string => `
version: 1
admin: { socket: off }
log: { access: off }
listeners: [{ name: in, bind: 127.0.0.1:0, ${netns}cluster: c }]
clusters: [{ name: c, endpoints: [127.0.0.1:1] }]
`;
    writeFileSync(join(directory, 'holdfast.yaml'), place(`netns: ${blue}, `));
    const { code, stderr } = await runCommand(t, ['run'], { directory, under: WITHOUT_PRIVILEGE });
    assert.equal(code, 1, stderr);
    assert.match(
      stderr,
      new RegExp(
        `listener "in" cannot use network namespace "${blue}": the privilege is missing; run as root, or grant CAP_SYS_ADMIN`,
      ),
    );
    assert.equal(stderr.trimEnd().split('\n').length, 1);
    const deep = await runCommand(t, ['validate', '--deep'], {
      directory,
      under: WITHOUT_PRIVILEGE,
    });
    assert.equal(deep.code, 2);
    assert.match(deep.stderr, /HF1082/);
    assert.ok(deep.stderr.includes(blue));
  });

  test('a namespace whose name is deleted keeps its listener and its connections', async (t) => {
    const blue = addNamespace(t);
    const port = await peer.listen(blue, 'inside');
    const gateway = await GatewayProcess.start(t, {
      yaml: `
shards: 1
listeners: [{ name: in, bind: 127.0.0.1:0, netns: ${blue}, cluster: in }]
clusters: [{ name: in, netns: ${blue}, endpoints: [127.0.0.1:${port}] }]
`,
    });
    const front = await gateway.port('in');
    const wire = await peer.connect(blue, front);
    assert.equal(await peer.line(wire), 'inside');
    deleteNamespace(blue);
    assert.equal(await peer.say(wire, 'still here'), 'still here');
    const later = await peer.connect(blue, front);
    assert.equal(await peer.line(later), 'inside');
  });

  test('a name that is given to another namespace means that one after a reload', async (t) => {
    const blue = addNamespace(t);
    const gateway = await GatewayProcess.start(t, {
      yaml: `
shards: 1
listeners: [{ name: in, bind: "127.0.0.1:18471", netns: ${blue}, cluster: in }]
clusters: [{ name: in, netns: ${blue}, endpoints: ["127.0.0.1:18472"] }]
`,
    });
    await peer.listen(blue, 'former', 18_472);
    const former = await peer.connect(blue, 18_471);
    assert.equal(await peer.line(former), 'former');
    deleteNamespace(blue);
    const green = addNamespace(t, blue);
    await peer.forget(green);
    await peer.listen(green, 'latter', 18_472);
    await assert.rejects(peer.connect(green, 18_471), /refused/);
    assert.equal((await gateway.admin('POST', '/v1/reload')).status, 200);
    const latter = await peer.connect(green, 18_471);
    assert.equal(await peer.line(latter), 'latter');
    assert.equal(await peer.say(former, 'still in the other one'), 'still in the other one');
  });
});

function threadsOf(pid: number): number {
  return Number(/^Threads:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Every thread of the gateway is in the namespace that this test runs in. */
function assertAllThreadsAtHome(pid: number): void {
  const home = readlinkSync('/proc/self/ns/net');
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    assert.equal(readlinkSync(`/proc/${pid}/task/${thread}/ns/net`), home, `thread ${thread}`);
  }
}
