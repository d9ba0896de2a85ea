/**
 * Many bytes, slow readers and little memory, with TLS on either side.
 *
 * Path: Node's TLS client -> listeners with TLS -> origins in clear and with TLS.
 * Invariant: every byte arrives, in order; a reader that stops stops the other side's reading; the
 * memory cap holds and closes nobody (threats A4, A5, A17).
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { Flow, FlowOrigin } from '../tcp/flow.ts';
import { checksumOf, makeBytes } from '../tcp/pattern.ts';
import { Scene } from '../tcp/scene.ts';
import { Pki, RECORDS } from './pki.ts';
import { listenerOf, shareScene } from './scene-tls.ts';
import { connectTls, TlsOrigin } from './tls-flow.ts';

const MIB = 1024 * 1024;
const BULK = makeBytes('bulk', 64 * MIB);
const BULK_SUM = checksumOf(BULK);
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
/** High watermarks both ways, what the kernel takes, and a read of each. */
const HELD_MAX = MIB;
const CAP = MIB;
const CHUNK = 4096;
const OVERSHOOT = 2 * 128 * 1024;
const SLOW = 16;

let origin: FlowOrigin;
let secure: TlsOrigin;
const { scene } = shareScene(async (pki, owner) => {
  origin = await FlowOrigin.start(owner);
  const { chain, key } = pki.root.issue({ name: 'endpoint.example' });
  secure = await TlsOrigin.start(owner, { cert: chain, key });
  const certificates = [pki.pair({ name: 'a.example' })];
  const tls = { ca: pki.rootFile, serverName: 'endpoint.example' };
  return {
    listeners: RECORDS.flatMap((records) => [
      listenerOf(`plain-${records}`, 'plain', { certificates, records }),
      listenerOf(`both-${records}`, `secure-${records}`, { certificates, records }),
      { name: `out-${records}`, bind: '127.0.0.1:0', cluster: `secure-${records}` },
    ]),
    clusters: [
      { name: 'plain', endpoints: [origin.address] },
      ...RECORDS.map((records) => ({
        name: `secure-${records}`,
        endpoints: [secure.address],
        tls: { ...tls, records },
      })),
    ],
  };
});

/** Bytes that are read elsewhere, so that only the sums count. */
async function bothWays(client: Flow, endpoint: Flow): Promise<void> {
  await Promise.all([client.send(BULK), endpoint.send(BULK)]);
  await Promise.all([client.heard(BULK.length), endpoint.heard(BULK.length)]);
  assert.equal(client.checksum, BULK_SUM);
  assert.equal(endpoint.checksum, BULK_SUM);
  client.finish();
  assert.equal(await endpoint.ended(), 'fin');
  endpoint.finish();
  assert.equal(await client.ended(), 'fin');
}

for (const records of RECORDS) {
  describe(records, () => {
    for (const version of VERSIONS) {
      const only = { minVersion: version, maxVersion: version };

      test(`${version}: 64 MiB both ways at once`, async (t) => {
        const { flow } = await connectTls(t, scene().port(`plain-${records}`), only);
        await bothWays(flow, await origin.next());
      });

      test(`${version}: 64 MiB both ways at once, with TLS on both sides`, async (t) => {
        const { flow } = await connectTls(t, scene().port(`both-${records}`), only);
        await bothWays(flow, (await secure.next()).flow);
      });
    }

    test('64 MiB both ways at once, with TLS to the endpoint only', async (t) => {
      const port = scene().port(`out-${records}`);
      const { client, endpoint } = await joinOut(t, port);
      await bothWays(client, endpoint);
    });

    test('a reader that stops stops the other side, and loses nothing', async (t) => {
      const listener = `both-${records}`;
      const { flow } = await connectTls(t, scene().port(listener), { isPaused: true });
      const { flow: endpoint } = await secure.next();
      const sending = endpoint.send(BULK);
      await scene().counterUntil('paused', (value) => value > 0);
      // It settles: what is held stays below the watermarks, while the canary goes on.
      for (let beat = 0; beat < 5; beat++) {
        await scene().canary.beat();
        const held = (await scene().counter('pendingChunks')) * CHUNK;
        assert.ok(held <= HELD_MAX, `${held} bytes held`);
      }
      flow.resume();
      await sending;
      await flow.heard(BULK.length);
      assert.equal(flow.checksum, BULK_SUM);
      endpoint.finish();
      flow.finish();
      await flow.ended();
    });

    test('who speaks first does not matter', async (t) => {
      const { flow } = await connectTls(t, scene().port(`both-${records}`));
      const { flow: endpoint } = await secure.next();
      await endpoint.send('220 ready');
      await flow.heardAll('220 ready');
      await flow.send('HELO');
      await endpoint.heardAll('HELO');
    });

    test('the memory cap holds with TLS, and closes nobody', async (t) => {
      await crowd(t, records);
    });
  });
}

async function joinOut(t: Owner, port: number): Promise<{ client: Flow; endpoint: Flow }> {
  const client = await Flow.connect(t, { port });
  return { client, endpoint: (await secure.next()).flow };
}

/** More stalled transfers than the smallest memory can buffer. */
async function crowd(t: Owner, records: string): Promise<void> {
  const flood = BULK.subarray(0, 8 * MIB);
  const pki = new Pki(t);
  const stalled = await FlowOrigin.start(t, { isPaused: true });
  const small = await Scene.start(t, {
    limits: { memory: '1MiB' },
    listeners: [
      listenerOf('tls', 'plain', { certificates: [pki.pair({ name: 'a.example' })], records }),
    ],
    clusters: [{ name: 'plain', endpoints: [stalled.address] }],
  });
  const pairs: { client: Flow; endpoint: Flow }[] = [];
  for (let i = 0; i < SLOW; i++) {
    const { flow } = await connectTls(t, small.port('tls'), { isPaused: true });
    pairs.push({ client: flow, endpoint: await stalled.next() });
  }
  const ways = pairs.map(({ client, endpoint }, index) =>
    index % 2 === 0 ? { writer: client, reader: endpoint } : { writer: endpoint, reader: client },
  );
  const sent = Promise.all(ways.map(({ writer }) => writer.send(flood)));
  await small.counterUntil('pendingChunks', (chunks) => chunks * CHUNK > CAP / 4);
  for (let beat = 0; beat < 5; beat++) {
    await small.canary.beat();
    const held = (await small.counter('pendingChunks')) * CHUNK;
    assert.ok(held <= CAP + OVERSHOOT, `${held} bytes held`);
  }
  // One that comes at the cap shakes hands and is served.
  const { flow: late } = await connectTls(t, small.port('tls'));
  const lateEnd = await stalled.next();
  lateEnd.resume();
  await late.send('served');
  await lateEnd.heardAll('served');
  for (const { reader } of ways) {
    reader.resume();
  }
  await sent;
  for (const { reader } of ways) {
    await reader.heard(flood.length);
    assert.equal(reader.checksum, checksumOf(flood));
  }
  assert.equal(await small.closedFor('tls', 'shard-limit'), 0);
  for (const { client, endpoint } of [...pairs, { client: late, endpoint: lateEnd }]) {
    client.resume();
    endpoint.resume();
    client.finish();
    endpoint.finish();
  }
  await small.expectNothingLeft();
}

test('a process that moved all this holds on to little of it', () => {
  const status = readFileSync(`/proc/${scene().gateway.pid}/status`, 'latin1');
  const kib = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
  assert.ok(kib < 400 * 1024, `${kib} KiB at most`);
});
