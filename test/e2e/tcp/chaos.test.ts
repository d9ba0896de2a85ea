/**
 * Everything at once: many tunnels with random scripts at both ends and too little memory for them.
 *
 * Path: writers of odd pieces, readers with pauses, ends and resets at random moments, beside
 * canaries.
 * Invariant under test: what is received is always the beginning of what was sent; an end without
 * an error means that it was all of it; without a reset on either side, everything arrives. The
 * seed of a failed wave is in its name.
 */
import assert from 'node:assert/strict';
import { before, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createFileOwner } from '../peers/file-owner.ts';
import { type Flow, FlowOrigin } from './flow.ts';
import { checksumOf, Dice, makeBytes } from './pattern.ts';
import { Scene } from './scene.ts';

const TUNNELS = 40;
const SEEDS = [11, 222, 3333, 44_444];
const BYTES_MAX = 3_000_000;
const PIECE_MAX = 150_000;

const file = createFileOwner();
let scene: Scene;
let origin: FlowOrigin;

before(async () => {
  origin = await FlowOrigin.start(file, { isPaused: true });
  scene = await Scene.start(file, {
    limits: { memory: '1MiB', memoryPerShard: '768KiB' },
    listeners: [{ name: 'plain', bind: '127.0.0.1:0', cluster: 'plain' }],
    clusters: [{ name: 'plain', endpoints: [origin.address] }],
  });
});

/** What one end does. */
interface Script {
  readonly flow: Flow;
  readonly bytes: Buffer;
  readonly dice: Dice;
  /** Resets when it has sent this much; never when it is more than all. */
  readonly resetAt: number;
}

/** Whether an end came to its FIN, or left with a reset. */
async function write({ flow, bytes, dice, resetAt }: Script): Promise<'finished' | 'reset'> {
  for (let at = 0; at < bytes.length; ) {
    if (at >= resetAt) {
      flow.reset();
      return 'reset';
    }
    const size = 1 + dice.below(dice.below(4) === 0 ? 100 : PIECE_MAX);
    try {
      await flow.send(bytes.subarray(at, at + size));
    } catch {
      // The other side has reset.
      return 'reset';
    }
    at += size;
    for (let turns = dice.below(4); turns > 0; turns--) {
      await turn();
    }
  }
  flow.finish();
  return 'finished';
}

async function read({ flow, dice }: Script): Promise<void> {
  while (flow.end === null) {
    flow.pause();
    for (let turns = dice.below(30); turns > 0; turns--) {
      await turn();
    }
    flow.resume();
    const wanted = flow.received + 1 + dice.below(2 * PIECE_MAX);
    while (flow.end === null && flow.received < wanted) {
      await turn();
    }
  }
}

function judge(from: Script, to: Script, sent: 'finished' | 'reset'): void {
  const { received, checksum, end } = to.flow;
  assert.equal(checksum, checksumOf(from.bytes.subarray(0, received)), 'not what was sent');
  if (end === 'fin') {
    assert.deepEqual([received, sent], [from.bytes.length, 'finished'], 'a clean end too early');
  }
}

async function play(client: Script, endpoint: Script): Promise<void> {
  const [sentThere, sentBack] = await Promise.all([
    write(client),
    write(endpoint),
    read(client),
    read(endpoint),
  ]);
  judge(client, endpoint, sentThere);
  judge(endpoint, client, sentBack);
  if (client.resetAt > client.bytes.length && endpoint.resetAt > endpoint.bytes.length) {
    assert.deepEqual([client.flow.end, endpoint.flow.end], ['fin', 'fin']);
  }
  const { reason } = (await scene.closed(client.flow)) as { reason: string };
  assert.match(reason, /^(client|endpoint)-(closed|reset)$/);
}

function makeScript(flow: Flow, name: string, dice: Dice): Script {
  const size = dice.below(3) === 0 ? dice.below(2_000) : dice.below(BYTES_MAX);
  const bytes = makeBytes(name, size);
  const resetAt = dice.below(4) === 0 ? dice.below(size + 1) : Number.POSITIVE_INFINITY;
  return { flow, bytes, resetAt, dice };
}

async function wave(t: TestContext, seed: number): Promise<void> {
  const games = [];
  for (let i = 0; i < TUNNELS; i++) {
    const { client, endpoint } = await scene.join(t, origin, {
      port: scene.port('plain'),
      isPaused: true,
    });
    games.push(
      play(
        makeScript(client, `${seed} client ${i}`, new Dice(seed * 1000 + 2 * i)),
        makeScript(endpoint, `${seed} endpoint ${i}`, new Dice(seed * 1000 + 2 * i + 1)),
      ),
    );
  }
  await Promise.all(games);
  await scene.canary.beat();
}

for (const seed of SEEDS) {
  test(`a wave of ${TUNNELS} tunnels, seed ${seed}`, (t) => wave(t, seed));
}

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
