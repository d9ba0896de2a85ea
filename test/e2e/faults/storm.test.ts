/**
 * Many at once: thousands of connections that come, go, die together and return together.
 *
 * Path: fleets in processes of their own, killed whole, so that the kernel closes all sockets in
 * one go. Invariant under test: the canary loses nothing; everybody who returns is served;
 * afterwards the gateway has the descriptors and records that it had before (A14, A16, A19).
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { before, beforeEach, test } from 'node:test';
import { startEcho } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Flow } from '../tcp/flow.ts';
import { Dice, makeBytes } from '../tcp/pattern.ts';
import { RawPeer } from '../tcp/raw-peer.ts';
import { Scene } from '../tcp/scene.ts';

const FLEET = 2_000;
const WORKERS = 24;
const ROUNDS = 50;

const file = createFileOwner();
let scene: Scene;
let clients: RawPeer;
let mortal: RawPeer;
let descriptors = 0;

before(async () => {
  const echo = await startEcho(file);
  clients = RawPeer.start(file);
  mortal = RawPeer.start(file);
  const { port } = await mortal.echo('echo');
  const limits = { connectionsPerAddress: 'unlimited' };
  // The queue of an endpoint on a busy machine may be full for longer than a connect usually takes.
  const connect = { timeout: '30s' };
  scene = await Scene.start(file, {
    listeners: [
      { name: 'echo', bind: '127.0.0.1:0', cluster: 'echo', limits },
      {
        name: 'paced',
        bind: '127.0.0.1:0',
        cluster: 'echo',
        limits: { ...limits, acceptRate: '1k/s' },
      },
      { name: 'fleet', bind: '127.0.0.1:0', cluster: 'fleet', limits },
    ],
    clusters: [
      { name: 'echo', endpoints: [`127.0.0.1:${echo.port}`], connect },
      { name: 'fleet', endpoints: [`127.0.0.1:${port}`], connect },
    ],
    canary: { isShortToo: false },
  });
});

beforeEach(async () => {
  await scene.whenIdle();
  descriptors = openDescriptors();
});

function openDescriptors(): number {
  return readdirSync(`/proc/${scene.gateway.pid}/fd`).length;
}

/** Waits until the gateway is as it was before the test. */
async function whenClean(): Promise<void> {
  await scene.whenIdle();
  await scene.counterUntil('tunnels', (tunnels) => tunnels === scene.canary.size);
  await scene.counterUntil('pendingChunks', (chunks) => chunks === 0);
  while (openDescriptors() > descriptors) {
    await scene.canary.beat();
  }
  await scene.canary.beat();
}

/** Opens, echoes and ends one connection in one of the ways in which that can be done. */
async function visit(
  t: { after(clean: () => void): void },
  dice: Dice,
  name: string,
): Promise<void> {
  const flow = await Flow.connect(t, { port: scene.port('echo') });
  const bytes = makeBytes(name, 1 + dice.below(20_000));
  const way = dice.below(4);
  if (way === 0) {
    flow.reset();
    return;
  }
  await flow.send(bytes);
  if (way === 1) {
    flow.finish();
  }
  await flow.heardAll(bytes);
  if (way === 2) {
    flow.reset();
  } else if (way === 3) {
    flow.finish();
  }
  if (way !== 2) {
    assert.equal(await flow.ended(), 'fin');
  }
}

test('churn: descriptors are used again at once, and no byte goes astray', async (t) => {
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      const dice = new Dice(worker + 1);
      for (let round = 0; round < ROUNDS; round++) {
        await visit(t, dice, `worker ${worker} round ${round}`);
      }
    }),
  );
  await whenClean();
});

test('hundreds die in one turn while others wait to be accepted', async (t) => {
  const place = { port: scene.port('echo') };
  await clients.connectFleet('dying', { ...place, count: 400 });
  await scene.freeze();
  await clients.closeFleet('dying', { reset: true });
  const arriving = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const flow = await Flow.connect(t, place);
      await flow.send(`number ${index}`);
      return flow;
    }),
  );
  scene.thaw();
  for (const [index, flow] of arriving.entries()) {
    await flow.heardAll(`number ${index}`);
    flow.finish();
    assert.equal(await flow.ended(), 'fin');
  }
  await whenClean();
});

test('a fleet of clients dies in one go', async (t) => {
  const fleet = RawPeer.start(t);
  const { wrong } = await fleet.connectFleet('all', { port: scene.port('echo'), count: FLEET });
  assert.equal(wrong, 0);
  fleet.kill();
  await whenClean();
});

test('an endpoint with a fleet of connections dies in one go', async () => {
  const place = { port: scene.port('fleet'), count: FLEET };
  assert.equal((await clients.connectFleet('orphans', place)).wrong, 0);
  mortal.kill();
  // The ends are relayed as ends; the clients answer them all at once too.
  await scene.canary.beat();
  await clients.closeFleet('orphans');
  await whenClean();
});

for (const listener of ['echo', 'paced'] as const) {
  test(`reconnect storm: everybody drops and returns at once, ${listener}`, async (t) => {
    const place = { port: scene.port(listener), count: FLEET / 2 };
    const [first, second] = [0, 1].map(() => [RawPeer.start(t), RawPeer.start(t)]);
    assert.ok(first !== undefined && second !== undefined);
    await Promise.all(first.map((fleet) => fleet.connectFleet('all', place)));
    await Promise.all(second.map((fleet) => fleet.listen('warm')));
    for (const fleet of first) {
      fleet.kill();
    }
    const returned = second.map((fleet) => fleet.connectFleet('all', place));
    await scene.canary.beat();
    for (const { wrong } of await Promise.all(returned)) {
      assert.equal(wrong, 0);
    }
    for (const fleet of second) {
      fleet.kill();
    }
    await whenClean();
  });
}

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
