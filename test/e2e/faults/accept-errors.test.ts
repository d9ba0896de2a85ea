/**
 * No descriptor left: accepting backs off, waits and goes on; who is there already notices nothing.
 *
 * Path: the limit of open files of a running gateway is lowered under its feet and raised again.
 * Invariant under test: each failed accept leads to one pause, so that nothing spins; the listening
 * socket stays, and clients that waited in its backlog are served in the end (A15).
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { before, test } from 'node:test';
import { createFileOwner } from '../peers/file-owner.ts';
import { Flow, FlowOrigin } from '../tcp/flow.ts';
import { RawPeer } from '../tcp/raw-peer.ts';
import { Scene } from '../tcp/scene.ts';

/** Below every descriptor that a process has: no new one can be had. */
const NONE = 3;
const WAITING = 50;
/** Pauses while the canary sings ten times; without pauses there would be thousands of tries. */
const BACKOFFS_MAX = 50;

const file = createFileOwner();
/** Kept open, because the admin socket cannot accept either. */
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let scene: Scene;
let origin: FlowOrigin;
let peer: RawPeer;

before(async () => {
  origin = await FlowOrigin.start(file);
  peer = RawPeer.start(file);
  scene = await Scene.start(file, {
    listeners: [{ name: 'plain', bind: '127.0.0.1:0', cluster: 'plain' }],
    clusters: [{ name: 'plain', endpoints: [origin.address] }],
    canary: { isShortToo: false },
  });
  file.after(() => agent.destroy());
});

/** Failed accepts so far, by errno name; `backoffs` counts the pauses. */
function acceptErrors(): Promise<Readonly<Record<string, number>>> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: scene.gateway.socket, path: '/v1/stats', agent }, (got) => {
      const chunks: Buffer[] = [];
      got.on('data', (chunk: Buffer) => chunks.push(chunk));
      got.once('end', () => {
        resolve(JSON.parse(Buffer.concat(chunks).toString()).process.acceptErrors);
      });
    });
    asked.once('error', reject);
    asked.end();
  });
}

/** Talks over a connection to the end. */
async function serve(client: Flow, text: string): Promise<void> {
  await client.send(text);
  client.finish();
  const endpoint = await origin.next();
  assert.equal(await endpoint.ended(), 'fin');
  await endpoint.send(endpoint.text);
  endpoint.finish();
  assert.equal(await client.ended(), 'fin');
}

/** Waits until no descriptor comes or goes; resolves with the lowest that is free. */
async function whenSettled(): Promise<number> {
  const list = (): string => readdirSync(`/proc/${scene.gateway.pid}/fd`).join();
  for (let before = ''; before !== list(); ) {
    before = list();
    await scene.canary.beat();
    await scene.canary.beat();
  }
  const used = new Set(list().split(',').map(Number));
  let free = 0;
  while (used.has(free)) {
    free++;
  }
  return free;
}

test('EMFILE: clients wait, the established go on, and everybody is served later', async (t) => {
  const before = await acceptErrors();
  const soft = await peer.limitDescriptors(scene.gateway.pid, NONE);
  t.after(() => peer.limitDescriptors(scene.gateway.pid, soft));
  const clients = await Promise.all(
    Array.from({ length: WAITING }, () => Flow.connect(t, { port: scene.port('plain') })),
  );
  let errors = await acceptErrors();
  while ((errors['backoffs'] ?? 0) < (before['backoffs'] ?? 0) + 4) {
    await scene.canary.beat();
    errors = await acceptErrors();
  }
  // One failed accept for each pause: nothing tries again in between, and pauses are long by now.
  assert.equal(errors['EMFILE'], errors['backoffs']);
  for (let beats = 0; beats < 10; beats++) {
    await scene.canary.beat();
  }
  const more = ((await acceptErrors())['backoffs'] ?? 0) - (errors['backoffs'] ?? 0);
  assert.ok(more < BACKOFFS_MAX, `${more} more pauses`);
  await peer.limitDescriptors(scene.gateway.pid, soft);
  for (const [index, client] of clients.entries()) {
    await client.send(`client ${index}`);
    client.finish();
  }
  const texts = new Set<string>();
  for (const _ of clients) {
    const endpoint = await origin.next();
    assert.equal(await endpoint.ended(), 'fin');
    texts.add(endpoint.text);
    await endpoint.send(endpoint.text);
    endpoint.finish();
  }
  assert.equal(texts.size, WAITING);
  for (const [index, client] of clients.entries()) {
    assert.equal(await client.ended(), 'fin');
    assert.equal(client.text, `client ${index}`);
  }
  await scene.canary.beat();
});

test('it happens again, and passes again', async (t) => {
  for (let round = 0; round < 3; round++) {
    const before = await acceptErrors();
    const soft = await peer.limitDescriptors(scene.gateway.pid, NONE);
    t.after(() => peer.limitDescriptors(scene.gateway.pid, soft));
    const client = await Flow.connect(t, { port: scene.port('plain') });
    while ((await acceptErrors())['backoffs'] === before['backoffs']) {
      await scene.canary.beat();
    }
    await peer.limitDescriptors(scene.gateway.pid, soft);
    await serve(client, `round ${round}`);
  }
});

test('a descriptor for the client and none for the endpoint: connect-failed', async (t) => {
  await scene.whenIdle();
  const free = await whenSettled();
  await scene.freeze();
  const client = await Flow.connect(t, { port: scene.port('plain') });
  const soft = await peer.limitDescriptors(scene.gateway.pid, free + 1);
  t.after(() => peer.limitDescriptors(scene.gateway.pid, soft));
  scene.thaw();
  assert.equal(await client.ended(), 'ECONNRESET');
  const record = await scene.closed(client);
  assert.deepEqual([record['reason'], record['closedBy']], ['connect-failed', 'gateway']);
  await peer.limitDescriptors(scene.gateway.pid, soft);
  await serve(await Flow.connect(t, { port: scene.port('plain') }), 'later');
});

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
