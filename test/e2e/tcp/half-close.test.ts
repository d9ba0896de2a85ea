/**
 * Half-close: each direction of a tunnel ends by itself, once, after its last byte.
 *
 * Path: a client and an endpoint that end their directions one by one, through a gateway.
 * Invariant under test: FIN arrives behind everything sent before it, the other direction goes on,
 * and a direction that never ends is cut at `timeouts.halfClose` and counted (A7 to A10).
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createFileOwner } from '../peers/file-owner.ts';
import { type Flow, FlowOrigin } from './flow.ts';
import { checksumOf, makeBytes } from './pattern.ts';
import { Scene } from './scene.ts';

const MIB = 1024 * 1024;
const ANSWER = makeBytes('answer', 10 * MIB);
/** More than the kernel takes for two sockets whose reader stands still. */
const JAM = makeBytes('jam', 24 * MIB);
/** Far below the high watermark. */
const PIECE = 8 * 1024;

const file = createFileOwner();
let scene: Scene;
let origin: FlowOrigin;
let still: FlowOrigin;

before(async () => {
  origin = await FlowOrigin.start(file);
  still = await FlowOrigin.start(file, { isPaused: true });
  scene = await Scene.start(file, {
    listeners: [
      { name: 'plain', bind: '127.0.0.1:0', cluster: 'plain' },
      { name: 'still', bind: '127.0.0.1:0', cluster: 'still' },
      { name: 'short', bind: '127.0.0.1:0', cluster: 'plain', timeouts: { halfClose: '1s' } },
    ],
    clusters: [
      { name: 'plain', endpoints: [origin.address] },
      { name: 'still', endpoints: [still.address] },
    ],
  });
});

/** Runs a test once for each side that can be the first to end. */
function bothSides(
  name: string,
  run: (parts: { first: Flow; second: Flow; client: Flow; endedBy: string }) => Promise<void>,
): void {
  for (const side of ['client', 'endpoint'] as const) {
    test(`${name}, ${side} first`, async (t) => {
      const pair = await scene.join(t, origin, { port: scene.port('plain') });
      const second = side === 'client' ? pair.endpoint : pair.client;
      await run({ first: pair[side], second, client: pair.client, endedBy: `${side}-closed` });
      await scene.canary.beat();
    });
  }
}

bothSides('an end, then 10 MiB the other way', async ({ first, second, client, endedBy }) => {
  await first.send('that is all');
  first.finish();
  assert.equal(await second.ended(), 'fin');
  assert.equal(second.text, 'that is all');
  await second.send(ANSWER);
  assert.equal(first.end, null);
  second.finish();
  assert.equal(await first.ended(), 'fin');
  assert.equal(first.checksum, checksumOf(ANSWER));
  assert.equal(await scene.reasonOf(client), endedBy);
});

bothSides('talk goes on in the open direction for long', async ({ first, second, client }) => {
  first.finish();
  assert.equal(await second.ended(), 'fin');
  let said = '';
  for (let round = 0; round < 50; round++) {
    said += `round ${round};`;
    await second.send(`round ${round};`);
    await first.heardAll(said);
  }
  second.finish();
  assert.equal(await first.ended(), 'fin');
  const record = await scene.closed(client);
  assert.equal(
    Number(record['bytesFromClient']) + Number(record['bytesFromEndpoint']),
    said.length,
  );
});

bothSides('bytes and both ends at once', async ({ first, second, client, endedBy }) => {
  await scene.freeze();
  await first.send('one');
  first.finish();
  scene.thaw();
  assert.equal(await second.ended(), 'fin');
  second.socket.end('two');
  assert.equal(await first.ended(), 'fin');
  assert.equal(first.text, 'two');
  assert.equal(second.text, 'one');
  assert.equal(await scene.reasonOf(client), endedBy);
});

test('both sides end in the same turn', async (t) => {
  const { client, endpoint } = await scene.join(t, origin, { port: scene.port('plain') });
  await scene.freeze();
  await Promise.all([client.send('from the client'), endpoint.send('from the endpoint')]);
  client.finish();
  endpoint.finish();
  scene.thaw();
  assert.deepEqual([await client.ended(), await endpoint.ended()], ['fin', 'fin']);
  assert.deepEqual([client.text, endpoint.text], ['from the endpoint', 'from the client']);
  assert.match(String(await scene.reasonOf(client)), /^(client|endpoint)-closed$/);
});

test('an end without a byte', async (t) => {
  const { client, endpoint } = await scene.join(t, origin, { port: scene.port('plain') });
  client.finish();
  assert.equal(await endpoint.ended(), 'fin');
  endpoint.finish();
  assert.equal(await client.ended(), 'fin');
  assert.deepEqual([client.received, endpoint.received], [0, 0]);
});

for (const side of ['client', 'endpoint'] as const) {
  test(`FIN of the ${side} waits behind what its reader has not taken`, async (t) => {
    const pair = await scene.join(t, still, { port: scene.port('still'), isPaused: true });
    const writer = pair[side];
    const reader = side === 'client' ? pair.endpoint : pair.client;
    const sent = writer.send(JAM);
    await scene.counterUntil('paused', (paused) => paused > 0);
    writer.finish();
    await scene.canary.beat();
    assert.equal(reader.end, null);
    reader.resume();
    await sent;
    assert.equal(await reader.ended(), 'fin');
    assert.equal(reader.checksum, checksumOf(JAM));
    // The other direction was open all the time.
    await reader.send('still here');
    writer.resume();
    await writer.heardAll('still here');
    reader.finish();
    assert.equal(await writer.ended(), 'fin');
    assert.equal(await scene.reasonOf(pair.client), `${side}-closed`);
  });

  test(`FIN of the ${side} waits behind the last bytes in the gateway`, async (t) => {
    const pair = await scene.join(t, still, { port: scene.port('still'), isPaused: true });
    const writer = pair[side];
    const reader = side === 'client' ? pair.endpoint : pair.client;
    // Small pieces, until the first of them waits in the gateway: then the FIN is read behind it.
    let sent = 0;
    for (let pending = 0; pending === 0; sent += PIECE) {
      await writer.send(JAM.subarray(sent, sent + PIECE));
      const [only] = await scene.connections('still');
      pending = only?.pendingBytes ?? 0;
    }
    writer.finish();
    await scene.canary.beat();
    assert.equal(reader.end, null);
    reader.resume();
    assert.equal(await reader.ended(), 'fin');
    assert.equal(reader.checksum, checksumOf(JAM.subarray(0, sent)));
    reader.finish();
    writer.resume();
    assert.equal(await writer.ended(), 'fin');
  });

  test(`a direction that stays open after the ${side} ended is cut and counted`, async (t) => {
    const pair = await scene.join(t, origin, { port: scene.port('short') });
    const other = side === 'client' ? pair.endpoint : pair.client;
    const before = await scene.closedFor('short', 'half-close-timeout');
    pair[side].finish();
    assert.equal(await other.ended(), 'fin');
    assert.equal(await scene.reasonOf(pair.client), 'half-close-timeout');
    assert.equal(await scene.closedFor('short', 'half-close-timeout'), before + 1);
    // It was cut: neither side may take that for a clean end.
    assert.equal(await pair[side].ended(), 'ECONNRESET');
    await assert.rejects(other.send('too late'), /ECONNRESET|EPIPE/);
  });
}

test('bytes in the open direction put the half-close timeout off', async (t) => {
  const { client, endpoint } = await scene.join(t, origin, { port: scene.port('short') });
  client.finish();
  await endpoint.ended();
  const talk = setInterval(() => endpoint.socket.write('.'), 100);
  t.after(() => clearInterval(talk));
  // Twice the timeout's worth of bytes at ten a second.
  await client.heard(20);
  clearInterval(talk);
  endpoint.finish();
  assert.equal(await client.ended(), 'fin');
  assert.equal(await scene.reasonOf(client), 'client-closed');
});

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
