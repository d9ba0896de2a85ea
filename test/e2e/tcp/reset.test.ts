/**
 * RST: relayed as RST, in either direction, behind the bytes that came before it.
 *
 * Path: scripted peers that reset in every state of a tunnel, alone or together with bytes and FIN.
 * Invariant under test: what a peer sent before it reset reaches the other side; an abnormal end is
 * never a clean one; nothing of a connection outlives its two sockets (A11, A12).
 */
import assert from 'node:assert/strict';
import { before, type TestContext, test } from 'node:test';
import { createFileOwner } from '../peers/file-owner.ts';
import type { Caller } from './flow.ts';
import { checksumOf, makeBytes } from './pattern.ts';
import { RawPeer } from './raw-peer.ts';
import { Scene } from './scene.ts';

const MIB = 1024 * 1024;
/** Small, so that bytes wait in the gateway and not with the reader's kernel. */
const RECEIVE_BUFFER = 16 * 1024;
const LATE = 100_000;

const file = createFileOwner();
let peer: RawPeer;
let scene: Scene;
let tunnels = 0;

before(async () => {
  peer = RawPeer.start(file);
  const { port } = await peer.listen('origin', { receiveBuffer: RECEIVE_BUFFER });
  scene = await Scene.start(file, {
    listeners: [{ name: 'plain', bind: '127.0.0.1:0', cluster: 'plain' }],
    clusters: [{ name: 'plain', endpoints: [`127.0.0.1:${port}`], connect: { retries: 0 } }],
  });
});

/** The two ends of a tunnel, as names of the peer's sockets. */
interface Ends {
  readonly first: string;
  readonly second: string;
  readonly client: Caller;
}

async function join(side: 'client' | 'endpoint'): Promise<Ends> {
  const client = `client${tunnels}`;
  const endpoint = `endpoint${tunnels}`;
  tunnels++;
  const accepted = peer.accept('origin', endpoint);
  const place = { port: scene.port('plain'), receiveBuffer: RECEIVE_BUFFER };
  const caller = await peer.connect(client, place);
  await accepted;
  const isClient = side === 'client';
  return {
    first: isClient ? client : endpoint,
    second: isClient ? endpoint : client,
    client: caller,
  };
}

/** Runs a test once for each side that can be the one that resets. */
function bothSides(
  name: string,
  run: (ends: Ends, side: 'client' | 'endpoint', t: TestContext) => Promise<void>,
): void {
  for (const side of ['client', 'endpoint'] as const) {
    test(`${name}, by the ${side}`, async (t) => {
      const ends = await join(side);
      await run(ends, side, t);
      assert.equal(await scene.reasonOf(ends.client), `${side}-reset`);
      await scene.canary.beat();
    });
  }
}

/** Speaks in both directions, so that the tunnel is surely open. */
async function greet({ first, second }: Ends): Promise<void> {
  await peer.send(first, { text: 'hello' });
  assert.equal((await peer.recv(second, { bytes: 5 })).text, 'hello');
  await peer.send(second, { text: 'there' });
  assert.equal((await peer.recv(first, { bytes: 5 })).text, 'there');
}

bothSides('a reset of a silent tunnel', async ({ first, second }) => {
  await peer.reset(first);
  assert.equal((await peer.recv(second)).end, 'ECONNRESET');
});

bothSides('a reset after bytes went both ways', async (ends) => {
  await greet(ends);
  await peer.reset(ends.first);
  assert.equal((await peer.recv(ends.second)).end, 'ECONNRESET');
});

bothSides('a reset with unread bytes of the other side', async (ends) => {
  await greet(ends);
  await peer.send(ends.second, { text: 'never read' });
  await peer.reset(ends.first);
  assert.equal((await peer.recv(ends.second)).end, 'ECONNRESET');
});

bothSides('bytes and RST in one event', async (ends) => {
  await greet(ends);
  await scene.freeze();
  await peer.lastWords(ends.first, 'famous last words', { reset: true });
  scene.thaw();
  const { text, end } = await peer.recv(ends.second);
  assert.deepEqual([text, end], ['famous last words', 'ECONNRESET']);
});

bothSides('bytes, FIN and RST in one event', async (ends) => {
  await greet(ends);
  await scene.freeze();
  await peer.lastWords(ends.first, 'famous last words', { finish: true, reset: true });
  scene.thaw();
  const { text, end } = await peer.recv(ends.second);
  assert.equal(text, 'famous last words');
  // The FIN was real, so it may be read; the reset behind it must follow by itself.
  if (end === 'fin') {
    assert.match(await peer.awaitError(ends.second), /ECONNRESET|EPIPE/);
  } else {
    assert.equal(end, 'ECONNRESET');
  }
});

bothSides('RST while the other direction is half closed', async (ends) => {
  await peer.finish(ends.second);
  assert.equal((await peer.recv(ends.first)).end, 'fin');
  await peer.lastWords(ends.first, 'one more thing', { reset: true });
  const { text, end } = await peer.recv(ends.second);
  assert.deepEqual([text, end], ['one more thing', 'ECONNRESET']);
});

bothSides('RST of a reader with bytes queued for it', async ({ first, second }) => {
  const sent = peer.send(second, { seed: 'flood', bytes: 32 * MIB }).then(
    () => 'taken',
    (error: { code: string }) => error.code,
  );
  await scene.counterUntil('paused', (paused) => paused > 0);
  await peer.reset(first);
  assert.match(await sent, /ECONNRESET|EPIPE/);
});

bothSides('RST behind bytes that its reader has yet to read', async ({ first, second }) => {
  // More than the reader's kernel takes, so that the rest waits with the gateway.
  await peer.send(first, { seed: 'late', bytes: LATE });
  await peer.reset(first);
  await scene.gateway.adminUntil('/v1/connections?listener=plain', ({ json }) =>
    json.connections.some((each: { state: string }) => each.state === 'flushing'),
  );
  const { bytes, checksum, end } = await peer.recv(second);
  assert.deepEqual([bytes, checksum], [LATE, checksumOf(makeBytes('late', LATE))]);
  assert.equal(end, 'ECONNRESET');
});

bothSides('RST of a writer while its reader stands still', async ({ first, second }) => {
  // The reader wakes up long after the reset and must not find a clean end.
  const sent = peer.send(first, { seed: 'flood', bytes: 32 * MIB }).catch(() => {});
  await scene.counterUntil('paused', (paused) => paused > 0);
  await peer.reset(first);
  await sent;
  await scene.counterUntil('paused', (paused) => paused === 0);
  assert.equal((await peer.recv(second)).end, 'ECONNRESET');
});

bothSides('RST while both directions are jammed', async ({ first, second }) => {
  const floods = [first, second].map((end) =>
    peer.send(end, { seed: 'flood', bytes: 32 * MIB }).catch(() => {}),
  );
  await scene.counterUntil('paused', (paused) => paused === 2);
  await peer.reset(first);
  // The other side neither reads nor is let go of by its own writing: only the gateway can end
  // this.
  await Promise.all(floods);
});

test('a client that resets before its endpoint is connected', async () => {
  const caller = await peer.connect('hasty', { port: scene.port('plain') });
  await peer.reset('hasty');
  assert.equal(await scene.reasonOf(caller), 'client-reset');
});

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
