/**
 * Half-open peers: the cable is pulled, and neither FIN nor RST ever comes.
 *
 * Path: clients and endpoints in a network namespace of their own, whose link goes down for good.
 * Invariant under test: unacknowledged bytes end a connection at `userTimeout`, silence at the
 * keepalive limit, in both directions, under a reason of their own; the side that is still there is
 * reset (A6).
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { suite, test } from 'node:test';
import { createFileOwner } from '../peers/file-owner.ts';
import { type Caller, Flow, FlowOrigin } from '../tcp/flow.ts';
import { RawPeer } from '../tcp/raw-peer.ts';
import { Scene } from '../tcp/scene.ts';

const NEAR = `hf-near-${process.pid}`;
const FAR = `hf-far-${process.pid}`;
const NEAR_IP = '10.77.0.1';
const FAR_IP = '10.77.0.2';
const PORT = 7000;
const CAN_MAKE = makeNamespaces();
const skip = CAN_MAKE ? false : 'needs the right to make network namespaces';

const file = createFileOwner();

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: 'ignore' });
}

/** Two namespaces with a cable between them. */
function makeNamespaces(): boolean {
  try {
    ip('netns', 'add', NEAR);
    ip('netns', 'add', FAR);
    ip('-n', NEAR, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', FAR);
    for (const [name, address] of [
      [NEAR, NEAR_IP],
      [FAR, FAR_IP],
    ] as const) {
      ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'cable');
      ip('-n', name, 'link', 'set', 'cable', 'up');
    }
    return true;
  } catch {
    return false;
  }
}

file.after(() => {
  for (const name of [NEAR, FAR]) {
    try {
      ip('netns', 'delete', name);
    } catch {
      // It was never made.
    }
  }
});

suite('a peer that vanishes', { skip, concurrency: true }, () => {
  const ready = CAN_MAKE ? start() : null;

  async function start(): Promise<{ scene: Scene; origin: FlowOrigin; far: RawPeer; cut: Parts }> {
    const origin = await FlowOrigin.start(file);
    const far = RawPeer.start(file, ['ip', 'netns', 'exec', FAR]);
    await far.listen('origin', { host: FAR_IP, port: PORT });
    const socket = { userTimeout: '1s', keepalive: { idle: '1s', interval: '1s', count: 1 } };
    const scene = await Scene.start(file, {
      listeners: [
        { name: 'far-clients', bind: `${NEAR_IP}:${PORT}`, netns: NEAR, cluster: 'here', socket },
        { name: 'to-far', bind: '127.0.0.1:0', cluster: 'far' },
      ],
      clusters: [
        { name: 'here', endpoints: [origin.address] },
        {
          name: 'far',
          endpoints: [`${FAR_IP}:${PORT}`],
          netns: NEAR,
          socket,
          connect: { timeout: '300ms', retries: 0 },
        },
      ],
    });
    return { scene, origin, far, cut: await establish(scene, origin, far) };
  }

  /** Establishes what the tests need, and pulls the cable. */
  async function establish(scene: Scene, origin: FlowOrigin, far: RawPeer): Promise<Parts> {
    const writing = await far.connect('writing', { host: NEAR_IP, port: PORT });
    const toWriting = await origin.next();
    const silent = await far.connect('silent', { host: NEAR_IP, port: PORT });
    const toSilent = await origin.next();
    const accepted = far.accept('origin', 'endpoint');
    const client = await Flow.connect(file, { port: scene.port('to-far') });
    await accepted;
    await client.send('hello');
    await far.recv('endpoint', { bytes: 5 });
    ip('-n', FAR, 'link', 'set', 'cable', 'down');
    return {
      writing: { client: writing, endpoint: toWriting },
      silent: { client: silent, endpoint: toSilent },
      client,
    };
  }

  test('a client with bytes on their way to it', async () => {
    assert.ok(ready !== null);
    const { scene, cut } = await ready;
    await cut.writing.endpoint.send('into the void');
    assert.equal(await scene.reasonOf(cut.writing.client), 'client-timeout');
    assert.equal(await cut.writing.endpoint.ended(), 'ECONNRESET');
  });

  test('a silent client', async () => {
    assert.ok(ready !== null);
    const { scene, cut } = await ready;
    assert.equal(await scene.reasonOf(cut.silent.client), 'client-timeout');
    assert.equal(await cut.silent.endpoint.ended(), 'ECONNRESET');
  });

  test('an endpoint, and a connect to it', async (t) => {
    assert.ok(ready !== null);
    const { scene, cut } = await ready;
    const late = await Flow.connect(t, { port: scene.port('to-far') });
    assert.equal(await late.ended(), 'ECONNRESET');
    const lateReason = String(await scene.reasonOf(late));
    assert.match(lateReason, /^connect-(timeout|unreachable)$/);
    await cut.client.send('into the void');
    assert.equal(await scene.reasonOf(cut.client), 'endpoint-timeout');
    assert.equal(await cut.client.ended(), 'ECONNRESET');
    await scene.expectNothingLeft();
  });
});

interface Parts {
  readonly writing: { readonly client: Caller; readonly endpoint: Flow };
  readonly silent: { readonly client: Caller; readonly endpoint: Flow };
  readonly client: Flow;
}
