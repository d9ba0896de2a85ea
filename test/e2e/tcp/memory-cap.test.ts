/**
 * The memory cap: when slow readers hold all that `limits.memory` allows, fast ones go on.
 *
 * Path: more stalled transfers than the smallest memory can buffer, beside canaries that never
 * wait. Invariant under test: at the cap nothing is read that cannot be sent; what is not taken
 * stays with the kernel; nobody is closed for it, and every byte arrives when the readers come
 * back.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Flow, FlowOrigin } from './flow.ts';
import { checksumOf, makeBytes } from './pattern.ts';
import { Scene } from './scene.ts';

const MIB = 1024 * 1024;
const CAP = MIB;
const CHUNK = 4096;
/** One read of each shard may be on its way when the cap is reached. */
const OVERSHOOT = 2 * 128 * 1024;
/** Each would hold 64 KiB and more. */
const SLOW = 24;
const FLOOD = makeBytes('flood', 8 * MIB);

async function crowd(t: TestContext, limits: object): Promise<void> {
  const origin = await FlowOrigin.start(t, { isPaused: true });
  const scene = await Scene.start(t, {
    limits,
    listeners: [{ name: 'plain', bind: '127.0.0.1:0', cluster: 'plain' }],
    clusters: [{ name: 'plain', endpoints: [origin.address] }],
  });
  const pairs: { client: Flow; endpoint: Flow }[] = [];
  for (let i = 0; i < SLOW; i++) {
    pairs.push(await scene.join(t, origin, { port: scene.port('plain'), isPaused: true }));
  }
  // Half of them in each direction.
  const ways = pairs.map(({ client, endpoint }, index) =>
    index % 2 === 0 ? { writer: client, reader: endpoint } : { writer: endpoint, reader: client },
  );
  const sent = Promise.all(ways.map(({ writer }) => writer.send(FLOOD)));

  const before = await scene.counter('unbufferedReads');
  await scene.counterUntil('unbufferedReads', (reads) => reads > before + 20);
  const held = (await scene.counter('pendingChunks')) * CHUNK;
  assert.ok(held > CAP / 4 && held <= CAP + OVERSHOOT, `${held} bytes held`);
  await scene.canary.beat();
  await scene.canary.beat();

  // A fast one that comes at the cap gets through, megabytes and all.
  const fast = await scene.join(t, origin, { port: scene.port('plain') });
  fast.endpoint.resume();
  await Promise.all([fast.client.send(FLOOD), fast.endpoint.heard(FLOOD.length)]);
  assert.equal(fast.endpoint.checksum, checksumOf(FLOOD));

  for (const { reader } of ways) {
    reader.resume();
  }
  await sent;
  for (const { reader, writer } of [...ways, { reader: fast.endpoint, writer: fast.client }]) {
    await reader.heard(FLOOD.length);
    assert.equal(reader.checksum, checksumOf(FLOOD));
    writer.resume();
    writer.finish();
    assert.equal(await reader.ended(), 'fin');
    reader.finish();
  }
  assert.equal(await scene.closedFor('plain', 'shard-limit'), 0);
  await scene.expectNothingLeft();
}

test('the memory of the process, shared by its shards', async (t) => {
  await crowd(t, { memory: '1MiB' });
});

test('shards that may hold more than there is', async (t) => {
  await crowd(t, { memory: '1MiB', memoryPerShard: '1MiB' });
});
