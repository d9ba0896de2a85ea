/**
 * Back-pressure: a reader that does not read stops its writer, and costs a bounded amount.
 *
 * Path: readers that stand still, read byte by byte or shut their window, on either side.
 * Invariant under test: one connection holds at most `limits.buffer.high` and one read for each
 * direction; the writer stands still meanwhile; every byte arrives in the end, or the connection is
 * closed and counted when the kernel gives the reader up (A4, A5).
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createFileOwner } from '../peers/file-owner.ts';
import { FlowOrigin } from './flow.ts';
import { checksumOf, makeBytes } from './pattern.ts';
import { RawPeer } from './raw-peer.ts';
import { Scene } from './scene.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const FLOOD = makeBytes('flood', 32 * MIB);
const HIGH = 64 * KIB;
/** The most that one read takes. */
const READ = 128 * KIB;

const file = createFileOwner();
let scene: Scene;
let origin: FlowOrigin;
let peer: RawPeer;

before(async () => {
  origin = await FlowOrigin.start(file, { isPaused: true });
  peer = RawPeer.start(file);
  const { port } = await peer.listen('origin');
  scene = await Scene.start(file, {
    listeners: [
      { name: 'plain', bind: '127.0.0.1:0', cluster: 'plain' },
      { name: 'scripted', bind: '127.0.0.1:0', cluster: 'scripted' },
      {
        name: 'hasty',
        bind: '127.0.0.1:0',
        cluster: 'scripted',
        socket: { userTimeout: '1s' },
      },
    ],
    clusters: [
      { name: 'plain', endpoints: [origin.address] },
      { name: 'scripted', endpoints: [`127.0.0.1:${port}`] },
    ],
  });
});

async function pendingOf(listener: string): Promise<number> {
  const [only] = await scene.connections(listener);
  return only?.pendingBytes ?? Number.NaN;
}

for (const side of ['client', 'endpoint'] as const) {
  test(`the ${side} writes 32 MiB to a reader that stands still`, async (t) => {
    const pair = await scene.join(t, origin, { port: scene.port('plain'), isPaused: true });
    const writer = pair[side];
    const reader = side === 'client' ? pair.endpoint : pair.client;
    let isSent = false;
    const sent = writer.send(FLOOD).then(() => {
      isSent = true;
    });
    await scene.counterUntil('paused', (paused) => paused === 1);
    await scene.canary.beat();
    const pending = await pendingOf('plain');
    assert.ok(pending >= HIGH && pending <= HIGH + READ, `${pending} bytes pending`);
    assert.equal(isSent, false);
    const chunks = await scene.counter('pendingChunks');
    assert.ok(chunks * 4 * KIB <= HIGH + READ + 8 * KIB, `${chunks} chunks`);
    reader.resume();
    await sent;
    await reader.heard(FLOOD.length);
    assert.equal(reader.checksum, checksumOf(FLOOD));
    await scene.counterUntil('pendingChunks', (count) => count === 0);
    assert.equal(await scene.counter('paused'), 0);
    writer.resume();
    writer.finish();
    reader.finish();
    assert.deepEqual([await reader.ended(), await writer.ended()], ['fin', 'fin']);
  });
}

test('both directions stand still, and both go on', async (t) => {
  const { client, endpoint } = await scene.join(t, origin, {
    port: scene.port('plain'),
    isPaused: true,
  });
  const sent = Promise.all([client.send(FLOOD), endpoint.send(FLOOD)]);
  await scene.counterUntil('paused', (paused) => paused === 2);
  const pending = await pendingOf('plain');
  assert.ok(pending <= 2 * (HIGH + READ), `${pending} bytes pending`);
  // One direction alone drains first: the other must not depend on it.
  endpoint.resume();
  await endpoint.heard(FLOOD.length);
  assert.equal(await scene.counter('paused'), 1);
  client.resume();
  await sent;
  await client.heard(FLOOD.length);
  assert.deepEqual([client.checksum, endpoint.checksum], [checksumOf(FLOOD), checksumOf(FLOOD)]);
  client.finish();
  endpoint.finish();
  await scene.whenIdle();
});

for (const side of ['client', 'endpoint'] as const) {
  test(`the ${side} reads a byte at a time through the smallest window`, async () => {
    const accepted = peer.accept('origin', 'endpoint');
    await peer.connect('client', { port: scene.port('scripted'), receiveBuffer: 1 });
    await accepted;
    const reader = side;
    const writer = side === 'client' ? 'endpoint' : 'client';
    const bytes = 3 * MIB;
    const sent = peer.send(writer, { seed: 'drip', bytes });
    const before = await peer.recv(reader, { bytes: 2000, step: 1 });
    assert.equal(before.bytes, 2000);
    const rest = peer.recv(reader, { bytes: bytes - 2000 });
    await sent;
    assert.equal((await rest).checksum, checksumOf(makeBytes('drip', bytes).subarray(2000)));
    await peer.close('client');
    await peer.close('endpoint');
    await scene.whenIdle();
  });
}

test('a window that stays shut ends the connection and is counted', async () => {
  const accepted = peer.accept('origin', 'endpoint');
  const caller = await peer.connect('client', { port: scene.port('hasty') });
  await accepted;
  const sent = peer.send('endpoint', { seed: 'wall', bytes: 32 * MIB }).then(
    () => 'taken',
    ({ code }: { code: string }) => code,
  );
  const record = await scene.closed(caller);
  assert.deepEqual([record['reason'], record['closedBy']], ['client-timeout', 'client']);
  assert.match(await sent, /ECONNRESET|EPIPE/);
  // The reader who comes back finds what the kernel had, and no clean end behind it.
  assert.equal((await peer.recv('client')).end, 'ECONNRESET');
});

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
