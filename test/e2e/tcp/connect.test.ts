/**
 * Connecting to endpoints: every outcome has its reason, and the next endpoint gets its chance.
 *
 * Path: endpoints that refuse, do not answer, cannot be reached, or accept and leave.
 * Invariant under test: a client that no endpoint takes is reset, never cleanly ended; the access
 * record and the counters say why; what the client sent meanwhile reaches the endpoint that took it
 * (A13).
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { makeDirectory } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Flow, FlowOrigin } from './flow.ts';
import { RawPeer } from './raw-peer.ts';
import { type AccessRecord, Scene } from './scene.ts';

/** A namespace with nothing but an unreachable route; null where this process may not make one. */
const NETNS = makeNamespace();

const file = createFileOwner();
let scene: Scene;
let peer: RawPeer;
let alive: FlowOrigin;
let refused = '';

function makeNamespace(): string | null {
  const name = `hf-void-${process.pid}`;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' });
    const inside = ['-n', name];
    execFileSync('ip', [...inside, 'link', 'set', 'lo', 'up'], { stdio: 'ignore' });
    const route = ['route', 'add', 'unreachable', '198.51.100.0/24'];
    execFileSync('ip', [...inside, ...route], { stdio: 'ignore' });
    return name;
  } catch {
    return null;
  }
}

before(async () => {
  file.after(() => {
    if (NETNS !== null) {
      execFileSync('ip', ['netns', 'delete', NETNS], { stdio: 'ignore' });
    }
  });
  const directory = makeDirectory(file);
  alive = await FlowOrigin.start(file);
  peer = RawPeer.start(file);
  // A port that was just free, held by nobody.
  const { port: free } = await peer.listen('free');
  await peer.close('free');
  refused = `127.0.0.1:${free}`;
  const { port: full } = await peer.listen('full', { backlog: 0 });
  await peer.fillBacklog('full');
  const late = new Map<string, number>();
  for (const name of ['late', 'late-curt', 'late-mute']) {
    const { port } = await peer.listen(name, { backlog: 0 });
    await peer.fillBacklog(name);
    late.set(name, port);
  }
  const { port: moody } = await peer.listen('moody');
  await peer.listen('full-unix', { path: join(directory, 'full'), backlog: 0 });
  await peer.fillBacklog('full-unix');
  writeFileSync(join(directory, 'no-socket'), '');
  const clusters = {
    refused: [refused],
    absent: [`unix:${join(directory, 'absent')}`],
    'no-socket': [`unix:${join(directory, 'no-socket')}`],
    'full-unix': [`unix:${join(directory, 'full')}`],
    full: [`127.0.0.1:${full}`],
    ...Object.fromEntries([...late].map(([name, port]) => [name, [`127.0.0.1:${port}`]])),
    moody: [`127.0.0.1:${moody}`],
    'refused-alive': [{ address: refused, weight: 100 }, alive.address],
    'full-alive': [{ address: `127.0.0.1:${full}`, weight: 100 }, alive.address],
    'full-unix-alive': [{ address: `unix:${join(directory, 'full')}`, weight: 100 }, alive.address],
    nobody: [],
    'one-only': [{ address: alive.address, connections: 1 }],
    unrouted: ['192.0.2.1:9'],
    unreachable: ['198.51.100.1:9'],
  };
  scene = await Scene.start(file, {
    shards: 1,
    listeners: Object.keys(clusters).map((name) => ({
      name,
      bind: '127.0.0.1:0',
      cluster: name,
    })),
    clusters: Object.entries(clusters).map(([name, endpoints]) => ({
      name,
      endpoints,
      connect: {
        timeout: name.startsWith('late') ? '20s' : '150ms',
        retries: name.endsWith('-alive') ? 1 : 0,
      },
      ejection: { afterFailures: 'off' },
      ...(name.startsWith('unr') && NETNS !== null ? { netns: NETNS } : {}),
    })),
  });
});

/** What became of one client that says hello. */
async function knock(
  owner: { after(clean: () => void): void },
  listener: string,
): Promise<{ end: string; record: AccessRecord }> {
  const client = await scene.arrive(owner, { port: scene.port(listener) });
  client.socket.write('hello');
  const end = await client.ended();
  return { end, record: await scene.closed(client) };
}

async function whenConnecting(listener: string): Promise<void> {
  await scene.gateway.adminUntil(`/v1/connections?listener=${listener}`, ({ json }) =>
    json.connections.some((each: { state: string }) => each.state === 'connecting'),
  );
}

for (const [listener, reason] of [
  ['refused', 'connect-refused'],
  ['absent', 'connect-refused'],
  ['no-socket', 'connect-refused'],
  ['full-unix', 'connect-refused'],
  ['full', 'connect-timeout'],
  ['nobody', 'no-endpoint'],
] as const) {
  test(`${listener}: ${reason}`, async (t) => {
    const failures = await scene.counter('connectFailures');
    const { end, record } = await knock(t, listener);
    assert.equal(end, 'ECONNRESET');
    assert.deepEqual([record['reason'], record['closedBy']], [reason, 'gateway']);
    assert.equal(record['connectUs'], 0);
    assert.equal(record['endpoint'] === null, reason === 'no-endpoint');
    const tried = reason === 'no-endpoint' ? 0 : 1;
    assert.equal(await scene.counter('connectFailures'), failures + tried);
    assert.equal(await scene.closedFor(listener, reason), 1);
    await scene.canary.beat();
  });
}

for (const [listener, error] of [
  ['unrouted', 'ENETUNREACH'],
  ['unreachable', 'EHOSTUNREACH'],
] as const) {
  const skip = NETNS === null ? 'needs the right to make network namespaces' : false;
  test(`${error}: connect-unreachable`, { skip }, async (t) => {
    const { end, record } = await knock(t, listener);
    assert.equal(end, 'ECONNRESET');
    assert.equal(record['reason'], 'connect-unreachable');
  });
}

for (const listener of ['refused-alive', 'full-alive', 'full-unix-alive']) {
  test(`${listener}: the next endpoint gets what the client sent`, async (t) => {
    // The heavy endpoint is always the first choice, and would be again if it were not avoided.
    const retries = await scene.counter('connectRetries');
    for (const text of ['first', 'second']) {
      const client = await Flow.connect(t, { port: scene.port(listener) });
      client.socket.end(text);
      const endpoint = await alive.next();
      assert.equal(await endpoint.ended(), 'fin');
      assert.equal(endpoint.text, text);
      endpoint.finish();
      assert.equal(await client.ended(), 'fin');
      const record = await scene.closed(client);
      assert.deepEqual([record['reason'], record['endpoint']], ['client-closed', alive.address]);
    }
    assert.equal(await scene.counter('connectRetries'), retries + 2);
  });
}

test('an endpoint that answers late gets bytes and FIN in order', async (t) => {
  const client = await Flow.connect(t, { port: scene.port('late') });
  client.socket.end('patience');
  await whenConnecting('late');
  // Room in the queue; the kernel repeats its SYN.
  await peer.accept('late', 'filler');
  await peer.accept('late', 'patient');
  const { text, end } = await peer.recv('patient');
  assert.deepEqual([text, end], ['patience', 'fin']);
  await peer.send('patient', { text: 'rewarded' });
  await peer.close('patient');
  assert.equal(await client.ended(), 'fin');
  assert.equal(client.text, 'rewarded');
});

test('a client that leaves while its endpoint is connected to', async () => {
  await scene.freeze();
  const caller = await peer.connect('hasty', { port: scene.port('full') });
  await peer.reset('hasty');
  scene.thaw();
  assert.equal(await scene.reasonOf(caller), 'client-reset');
});

test('an endpoint that accepts and resets at once', async (t) => {
  const answered = peer.answerOnce('moody', '', { reset: true });
  const { end, record } = await knock(t, 'moody');
  await answered;
  assert.equal(end, 'ECONNRESET');
  // Whichever the gateway saw first.
  assert.match(String(record['reason']), /^(endpoint-reset|connect-refused)$/);
});

for (const [listener, text, reason] of [
  ['late-curt', 'busy', 'endpoint-reset'],
  ['late-mute', '', 'connect-refused'],
] as const) {
  test(`accepted, "${text}" and RST in one event: ${reason}`, async (t) => {
    const client = await Flow.connect(t, { port: scene.port(listener) });
    await whenConnecting(listener);
    await scene.freeze();
    // Room in the queue: the kernel repeats its SYN while the gateway sees nothing of it.
    await peer.accept(listener, `${listener}-filler`);
    await peer.answerOnce(listener, text, { reset: true });
    scene.thaw();
    assert.equal(await client.ended(), 'ECONNRESET');
    assert.equal(client.text, text);
    assert.equal(await scene.reasonOf(client), reason);
  });
}

test('an endpoint that speaks and resets at once is heard', async (t) => {
  for (let round = 0; round < 20; round++) {
    const answered = peer.answerOnce('moody', 'busy', { reset: true });
    const client = await scene.arrive(t, { port: scene.port('moody') });
    assert.equal(await client.ended(), 'ECONNRESET');
    assert.equal(client.text, 'busy');
    assert.equal(await scene.reasonOf(client), 'endpoint-reset');
    await answered;
  }
});

test('an endpoint that speaks and ends at once is heard', async (t) => {
  const answered = peer.answerOnce('moody', 'bye', { finish: true });
  const client = await Flow.connect(t, { port: scene.port('moody') });
  assert.equal(await client.ended(), 'fin');
  assert.equal(client.text, 'bye');
  await answered;
  client.finish();
  assert.equal((await peer.recv('answered')).end, 'fin');
  assert.equal(await scene.reasonOf(client), 'endpoint-closed');
});

test('a full endpoint refuses the next, and takes it when there is room', async (t) => {
  const pair = await scene.join(t, alive, { port: scene.port('one-only') });
  const { end, record } = await knock(t, 'one-only');
  assert.deepEqual([end, record['reason']], ['ECONNRESET', 'endpoint-limit']);
  pair.client.finish();
  pair.endpoint.finish();
  await pair.client.ended();
  await scene.closed(pair.client);
  const next = await scene.join(t, alive, { port: scene.port('one-only') });
  await next.client.send('room');
  await next.endpoint.heardAll('room');
  next.client.finish();
  next.endpoint.finish();
});

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
