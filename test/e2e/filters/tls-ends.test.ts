/**
 * Ends of TLS connections while filters hold what was sent before.
 *
 * Path: a client that speaks records -> a listener with TLS and a filter of messages that answers
 * when a test says so -> an origin in clear.
 * Invariant: what came before an end passes the filters and reaches the other side before it learns
 * of the end; the end is booked as what it was, whatever the other side sends meanwhile.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeDirectory, type Owner } from '../harness.ts';
import { type Flow, FlowOrigin } from '../tcp/flow.ts';
import { RECORDS } from '../tls/pki.ts';
import { RecordPeer } from '../tls/record-peer.ts';
import { listenerOf, shareScene } from '../tls/scene-tls.ts';
import { DATA } from '../tls/wire-keys.ts';
import { messageFilter, writeFilters } from './filter-scene.ts';

/** Holds the message `held` until some connection says `go`. */
const HOLDS = messageFilter(
  'holds',
  `needs: { messages: { from: 'client', kinds: ['binary'] } }, order: 'serial',
  setup: () => ({ waiting: [] as (() => void)[] }),
  async onMessage({ text }, { shared }) {
    if (text === 'held') await new Promise<void>((resolve) => shared.waiting.push(resolve));
    if (text === 'go') for (const resolve of shared.waiting.splice(0)) resolve();
  }`,
);

let origin: FlowOrigin;
const { scene } = shareScene(async (pki, owner) => {
  origin = await FlowOrigin.start(owner);
  const directory = makeDirectory(owner);
  writeFilters(directory, { 'holds.ts': HOLDS });
  const certificates = [pki.pair({ name: 'a.example' })];
  const more = { filters: ['./holds.ts'] };
  return {
    directory,
    shards: 1,
    listeners: RECORDS.map((records) =>
      listenerOf(records, 'plain', { certificates, records }, more),
    ),
    clusters: [{ name: 'plain', endpoints: [origin.address] }],
  };
});

async function meet(owner: Owner, records: string): Promise<{ peer: RecordPeer; endpoint: Flow }> {
  const peer = await RecordPeer.connect(owner, scene().port(records));
  return { peer, endpoint: await origin.next() };
}

async function release(owner: Owner, records: string): Promise<void> {
  const { peer, endpoint } = await meet(owner, records);
  await peer.send('go');
  await endpoint.heard(2);
  endpoint.finish();
  peer.finish();
}

for (const records of RECORDS) {
  test(`${records}: a record that breaks a rule behind what is held`, async (t) => {
    const { peer, endpoint } = await meet(t, records);
    const held = peer.seal(DATA, 'held');
    const wrong = peer.seal(DATA, 'never to be seen');
    wrong.writeUInt8(wrong.readUInt8(wrong.length - 1) ^ 1, wrong.length - 1);
    await peer.sendRaw(Buffer.concat([held, wrong]));
    assert.equal((await peer.alerted()).description, 20);
    // Nobody takes it any more; it is read before the other connection's message.
    await endpoint.send('late words');
    await release(t, records);
    assert.equal(await endpoint.ended(), 'ECONNRESET');
    assert.equal(endpoint.text, 'held');
    assert.equal(await scene().reasonOf(peer), 'client-tls-violation');
  });

  test(`${records}: close_notify behind what is held`, async (t) => {
    const { peer, endpoint } = await meet(t, records);
    await peer.sendRaw(
      Buffer.concat([peer.seal(DATA, 'held'), peer.seal(21, Buffer.from([1, 0]))]),
    );
    await endpoint.send('late words');
    assert.equal((await peer.take(10)).toString(), 'late words');
    await release(t, records);
    assert.equal(await endpoint.ended(), 'fin');
    assert.equal(endpoint.text, 'held');
    endpoint.finish();
    assert.equal(await peer.outcome(), 'close_notify');
    peer.finish();
    assert.equal(await scene().reasonOf(peer), 'client-closed');
  });
}
