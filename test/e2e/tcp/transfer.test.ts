/**
 * Bulk: megabytes of random bytes in both directions at once, written in odd pieces and read with
 * pauses.
 *
 * Path: several transfers side by side through both shards, so that buffers fill and drain all the
 * time. Invariant under test: 64-bit checksums agree on both sides and the counters agree with what
 * was sent; when it is over, the gateway holds nothing.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createFileOwner } from '../peers/file-owner.ts';
import { type Flow, FlowOrigin } from './flow.ts';
import { checksumOf, Dice, makeBytes } from './pattern.ts';
import { Scene } from './scene.ts';

const BYTES = 12 * 1024 * 1024 + 4321;
const PIECE_MAX = 200_000;
const TRANSFERS = 3;
/** The same every time, so that a failure comes back. */
const SEED = 20_260;

const file = createFileOwner();
let scene: Scene;
let origin: FlowOrigin;

before(async () => {
  origin = await FlowOrigin.start(file);
  scene = await Scene.start(file, {
    listeners: [
      { name: 'plain', bind: '127.0.0.1:0', cluster: 'plain' },
      {
        name: 'narrow',
        bind: '127.0.0.1:0',
        cluster: 'plain',
        limits: { buffer: { high: '4KiB', low: '0' } },
      },
    ],
    clusters: [{ name: 'plain', endpoints: [origin.address] }],
  });
});

async function write(flow: Flow, bytes: Buffer, dice: Dice): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + dice.below(PIECE_MAX);
    await flow.send(bytes.subarray(at, at + size));
    at += size;
  }
  flow.finish();
}

/** Stops reading for some turns of the loop, again and again. */
async function dawdle(flow: Flow, dice: Dice): Promise<void> {
  while (flow.end === null) {
    flow.pause();
    for (let turns = dice.below(20); turns > 0; turns--) {
      await turn();
    }
    flow.resume();
    const wanted = flow.received + 1 + dice.below(3 * PIECE_MAX);
    while (flow.end === null && flow.received < wanted) {
      await turn();
    }
  }
}

async function exchange(client: Flow, endpoint: Flow, seed: number): Promise<void> {
  const there = makeBytes(`there ${seed}`, BYTES);
  const back = makeBytes(`back ${seed}`, BYTES);
  await Promise.all([
    write(client, there, new Dice(seed)),
    write(endpoint, back, new Dice(seed + 1)),
    dawdle(client, new Dice(seed + 2)),
    dawdle(endpoint, new Dice(seed + 3)),
  ]);
  assert.deepEqual([client.end, endpoint.end], ['fin', 'fin']);
  assert.equal(endpoint.checksum, checksumOf(there));
  assert.equal(client.checksum, checksumOf(back));
  const record = await scene.closed(client);
  assert.deepEqual([record['bytesFromClient'], record['bytesFromEndpoint']], [BYTES, BYTES]);
}

for (const listener of ['plain', 'narrow']) {
  test(`both directions at once, with pauses, ${listener} buffers`, async (t) => {
    const pairs = [];
    for (let i = 0; i < TRANSFERS; i++) {
      pairs.push(await scene.join(t, origin, { port: scene.port(listener) }));
    }
    await Promise.all(
      pairs.map(({ client, endpoint }, index) => exchange(client, endpoint, SEED + 10 * index)),
    );
    await scene.canary.beat();
  });
}

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
