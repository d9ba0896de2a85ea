/**
 * Bytes that come with something beside them: urgent data on TCP and Unix sockets, descriptors on
 * Unix sockets.
 *
 * Path: peers that mix such bytes into a stream, in one turn of the gateway and over many.
 * Invariant under test: the stream around them arrives whole and in order, nothing waits for a
 * reason to go on, and no shard spins over them. The urgent byte itself is not part of the stream
 * (A18).
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { makeDirectory } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { FlowOrigin } from '../tcp/flow.ts';
import { RawPeer } from '../tcp/raw-peer.ts';
import { Scene } from '../tcp/scene.ts';

const file = createFileOwner();
let scene: Scene;
let origin: FlowOrigin;
let peer: RawPeer;
let unixPath = '';

before(async () => {
  unixPath = join(makeDirectory(file), 'listener');
  origin = await FlowOrigin.start(file);
  peer = RawPeer.start(file);
  scene = await Scene.start(file, {
    listeners: [
      { name: 'tcp', bind: '127.0.0.1:0', cluster: 'plain' },
      { name: 'unix', bind: `unix:${unixPath}`, cluster: 'plain' },
    ],
    clusters: [{ name: 'plain', endpoints: [origin.address] }],
  });
});

/** Fails when the shards take many more events than there are messages. */
async function expectNoSpin(): Promise<void> {
  const [events, messages] = [await scene.counter('events'), await scene.counter('messages')];
  for (let beats = 0; beats < 3; beats++) {
    await scene.canary.beat();
  }
  const eventsMore = (await scene.counter('events')) - events;
  const messagesMore = (await scene.counter('messages')) - messages;
  assert.ok(eventsMore < 200 + 10 * messagesMore, `${eventsMore} for ${messagesMore} messages`);
}

for (const family of ['tcp', 'unix'] as const) {
  test(`urgent bytes over ${family}, all in one turn`, async () => {
    const place = family === 'tcp' ? { port: scene.port('tcp') } : { path: unixPath };
    await peer.connect(family, place);
    const endpoint = await origin.next();
    await scene.freeze();
    await peer.send(family, { text: 'before' });
    await peer.sendUrgent(family, 'X');
    await peer.send(family, { text: 'after' });
    scene.thaw();
    await endpoint.heardAll('beforeafter');
    await expectNoSpin();
    // The stream goes on in both directions.
    await endpoint.send('heard');
    assert.equal((await peer.recv(family, { bytes: 5 })).text, 'heard');
    await peer.send(family, { text: 'more' });
    await endpoint.heardAll('beforeaftermore');
    await peer.finish(family);
    assert.equal(await endpoint.ended(), 'fin');
    endpoint.finish();
    assert.equal((await peer.recv(family)).end, 'fin');
    await peer.close(family);
  });

  test(`urgent bytes over ${family}, again and again`, async () => {
    const place = family === 'tcp' ? { port: scene.port('tcp') } : { path: unixPath };
    await peer.connect(family, place);
    const endpoint = await origin.next();
    let expected = '';
    for (let round = 0; round < 200; round++) {
      const plain = 'abcdefghij'.slice(0, 1 + (round % 10));
      expected += plain;
      await peer.send(family, { text: plain, step: 1 });
      await peer.sendUrgent(family, 'X');
    }
    await peer.send(family, { text: '.' });
    await peer.finish(family);
    assert.equal(await endpoint.ended(), 'fin');
    // An urgent byte that another one overtakes becomes an ordinary one: that is the kernel's rule.
    assert.equal(endpoint.text.replaceAll('X', ''), `${expected}.`);
    await expectNoSpin();
    endpoint.finish();
    await peer.close(family);
  });
}

test('an urgent byte alone, then silence, then the end', async () => {
  await peer.connect('lone', { port: scene.port('tcp') });
  const endpoint = await origin.next();
  await peer.sendUrgent('lone', 'X');
  await expectNoSpin();
  await peer.finish('lone');
  assert.equal(await endpoint.ended(), 'fin');
  assert.equal(endpoint.received, 0);
  endpoint.finish();
  await peer.close('lone');
});

test('descriptors in a Unix stream: the bytes around them go on', async () => {
  await peer.connect('passing', { path: unixPath });
  const endpoint = await origin.next();
  await scene.freeze();
  await peer.send('passing', { text: 'before ' });
  await peer.sendDescriptor('passing', 'beside ');
  await peer.send('passing', { text: 'after' });
  scene.thaw();
  await endpoint.heardAll('before beside after');
  await peer.finish('passing');
  assert.equal(await endpoint.ended(), 'fin');
  endpoint.finish();
  await peer.close('passing');
});

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
