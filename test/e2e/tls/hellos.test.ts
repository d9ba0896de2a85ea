/**
 * The first flight of a client, in every form: split, oversized, never ending, or something else.
 *
 * Path: Node's ClientHello, re-cut by a test, and bytes that are none -> listeners that terminate
 * and listeners that pass through.
 * Invariant: how a hello is split changes nothing (threats B1); what is none ends its connection
 * only, in bounded memory (B2, B3), and a stalled one at its deadline (A2).
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { type Origin, startNamed } from '../peers/origin.ts';
import { Flow } from '../tcp/flow.ts';
import { makeBytes } from '../tcp/pattern.ts';
import { clientHello, recut } from './hello.ts';
import { RECORDS } from './pki.ts';
import { RecordPeer, type Shape, singles } from './record-peer.ts';
import { listenerOf, shareScene } from './scene-tls.ts';
import { connectTls, TlsOrigin } from './tls-flow.ts';
import { HANDSHAKE, plainRecord, RecordReader } from './wire-keys.ts';

const HELLO_MAX = 16_384;
/** Far below the deadline that bytes must not move. */
const DRIP_MS = 50;
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

const { scene } = shareScene(async (pki, owner) => {
  const [plain] = (await startNamed(owner, 1)) as [Origin];
  const a = pki.pair({ name: 'a.example' });
  const certificates = [a, pki.pair({ name: 'b.example' })];
  const origins = new Map<string, TlsOrigin>();
  for (const name of ['a', 'b']) {
    const { chain, key } = pki.root.issue({ name: `${name}.example` });
    const alpn = { ALPNProtocols: ['mqtt', 'x-bolt'] };
    origins.set(name, await TlsOrigin.start(owner, { cert: chain, key, isEcho: true, ...alpn }));
  }
  return {
    listeners: [
      ...RECORDS.map((records) => listenerOf(records, 'plain', { certificates, records })),
      listenerOf('hasty', 'plain', { certificates, handshakeTimeout: '300ms' }),
      listenerOf(
        'through',
        'a',
        { mode: 'passthrough', handshakeTimeout: '10s' },
        {
          routes: [
            { serverNames: ['b.example'], alpn: ['mqtt'], cluster: 'b' },
            { serverNames: ['*.b.example'], cluster: 'b' },
            { serverNames: ['only.b.example'], cluster: 'a' },
          ],
        },
      ),
      listenerOf('hasty-through', 'a', { mode: 'passthrough', handshakeTimeout: '300ms' }),
    ],
    clusters: [
      { name: 'plain', endpoints: [plain.address] },
      ...['a', 'b'].map((name) => ({ name, endpoints: [origins.get(name)?.address ?? ''] })),
    ],
  };
});

/** Ways to send the same bytes. */
const SPLITS: Readonly<Record<string, Shape>> = {
  'one byte for each segment': singles,
  'records of one byte': (bytes) => [recut(bytes, 1)],
  'records of one byte, one byte for each segment': (bytes) => singles(recut(bytes, 1)),
  'records of seven bytes': (bytes) => [recut(bytes, 7)],
  'two segments': (bytes) => [bytes.subarray(0, 300), bytes.subarray(300)],
  'the header by itself': (bytes) => [bytes.subarray(0, 5), bytes.subarray(5)],
};

for (const [name, shape] of Object.entries(SPLITS)) {
  for (const version of VERSIONS) {
    const only = { minVersion: version, maxVersion: version };
    for (const records of RECORDS) {
      test(`${records}, ${version}: a hello in ${name}`, async (t) => {
        for (const servername of ['a.example', 'b.example']) {
          const peer = await RecordPeer.connect(t, scene().port(records), {
            ...only,
            servername,
            shape,
          });
          assert.equal(peer.tls?.getPeerCertificate().subject.CN, servername);
          assert.equal((await peer.take(2)).toString(), 'a\n');
          await peer.echo('hello');
          await peer.closeNotify();
          peer.finish();
        }
      });
    }

    test(`passthrough, ${version}: a hello in ${name}`, async (t) => {
      const port = scene().port('through');
      const leads = async (servername: string, ...ALPNProtocols: string[]): Promise<string> => {
        const alpn = ALPNProtocols.length > 0 ? { ALPNProtocols } : {};
        const peer = await RecordPeer.connect(t, port, { ...only, servername, shape, ...alpn });
        await peer.echo('through and through');
        await peer.closeNotify();
        peer.finish();
        return String(peer.tls?.getPeerCertificate().subject.CN);
      };
      assert.equal(await leads('a.example'), 'a.example');
      assert.equal(await leads('b.example', 'mqtt'), 'b.example');
      assert.equal(await leads('b.example', 'x-bolt', 'mqtt'), 'b.example');
      assert.equal(await leads('B.Example', 'mqtt'), 'b.example');
      assert.equal(await leads('b.example', 'x-bolt'), 'a.example');
      assert.equal(await leads('b.example'), 'a.example');
      assert.equal(await leads('c.b.example', 'x-bolt'), 'b.example');
      assert.equal(await leads('only.b.example'), 'a.example');
      assert.equal(await leads('x.y.b.example'), 'a.example');
    });
  }
}

/** What no ClientHello begins with. */
const GARBAGE: Readonly<Record<string, Buffer>> = {
  HTTP: Buffer.from('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'),
  SSH: Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
  'SSL 2': Buffer.concat([Buffer.from('802e010002001500000010', 'hex'), Buffer.alloc(37, 1)]),
  'SSL 3': plainRecord(HANDSHAKE, Buffer.from([1, 0, 0, 2, 3, 0]), 0x0300),
  zeros: Buffer.alloc(600),
  noise: makeBytes('noise', 4000),
  'an alert': plainRecord(21, Buffer.from([2, 40])),
  'application data': plainRecord(23, Buffer.alloc(100)),
  'a ServerHello': plainRecord(HANDSHAKE, Buffer.from([2, 0, 0, 3, 3, 3, 0])),
  'a record of 65,535 bytes': Buffer.concat([
    Buffer.from('160301ffff', 'hex'),
    Buffer.alloc(65_535),
  ]),
  'records without contents': Buffer.from('1603010000'.repeat(40), 'hex'),
};

async function expectRefused(t: Owner, listener: string, bytes: Buffer): Promise<unknown> {
  const client = await Flow.connect(t, { port: scene().port(listener) });
  await client.send(bytes).catch(() => {});
  await client.ended();
  const reason = await scene().reasonOf(client);
  // Nothing of the endpoint: it says its name first.
  assert.doesNotMatch(client.text, /^a\n/);
  client.socket.destroy();
  return reason;
}

for (const listener of [...RECORDS, 'through']) {
  const wanted = listener === 'through' ? 'hello-invalid' : 'handshake-failed';
  describe(`${listener}: what is no hello`, () => {
    for (const [name, bytes] of Object.entries(GARBAGE)) {
      test(name, async (t) => {
        assert.equal(await expectRefused(t, listener, bytes), wanted);
        await scene().canary.beat();
      });
    }

    test('a hello longer than 16 KiB', async (t) => {
      const hello = await clientHello(t, { servername: 'a.example' });
      for (const length of [HELLO_MAX + 1, 4 * HELLO_MAX]) {
        const message = Buffer.concat([hello.subarray(5), Buffer.alloc(length)]).subarray(
          0,
          length,
        );
        message.writeUIntBE(length - 4, 1, 3);
        const pieces: Buffer[] = [];
        for (let at = 0; at < message.length; at += 4096) {
          pieces.push(plainRecord(HANDSHAKE, message.subarray(at, at + 4096), 0x0301));
        }
        assert.equal(await expectRefused(t, listener, Buffer.concat(pieces)), wanted);
      }
    });

    test('FIN in the middle of a hello', async (t) => {
      const hello = await clientHello(t, { servername: 'a.example' });
      for (const cut of [1, 5, 100, hello.length - 1]) {
        const client = await Flow.connect(t, { port: scene().port(listener) });
        await client.send(hello.subarray(0, cut));
        client.finish();
        await client.ended();
        assert.equal(await scene().reasonOf(client), wanted, `after ${cut}`);
      }
    });

    test('a connection without a byte is no failure', async (t) => {
      const client = await Flow.connect(t, { port: scene().port(listener) });
      client.finish();
      assert.equal(await client.ended(), 'fin');
      assert.equal(await scene().reasonOf(client), 'client-closed');
    });
  });
}

test('stalled hellos end at their deadline, which bytes do not move', async (t) => {
  const hello = await clientHello(t, { servername: 'a.example' });
  for (const listener of ['hasty', 'hasty-through']) {
    for (const bytes of [0, 1, 5, 200]) {
      const client = await Flow.connect(t, { port: scene().port(listener) });
      await client.send(hello.subarray(0, bytes));
      let dripped = bytes;
      const drip = setInterval(() => {
        client.socket.write(hello.subarray(dripped, ++dripped));
      }, DRIP_MS);
      t.after(() => clearInterval(drip));
      await client.ended();
      clearInterval(drip);
      assert.equal(await scene().reasonOf(client), 'handshake-timeout', `${listener} ${bytes}`);
    }
  }
  // After the ServerHello: the client never answers.
  const client = await Flow.connect(t, { port: scene().port('hasty') });
  await client.send(hello);
  await client.ended();
  assert.ok(client.received > 500);
  assert.equal(await scene().reasonOf(client), 'handshake-timeout');
});

test('two thousand handshakes that are broken off', async (t) => {
  const hello = await clientHello(t, { servername: 'a.example' });
  const [first] = new RecordReader().push(hello);
  const whole = first?.raw ?? hello;
  for (const records of RECORDS) {
    const failures = await scene().closedFor(records, 'handshake-failed');
    for (let round = 0; round < 10; round++) {
      const flows = await Promise.all(
        Array.from({ length: 100 }, () => Flow.connect(t, { port: scene().port(records) })),
      );
      await Promise.all(
        flows.map(async (flow, index) => {
          await flow.send(whole.subarray(0, index % 3 === 0 ? whole.length : 1 + index * 3));
          flow.reset();
        }),
      );
    }
    await scene().gateway.adminUntil('/v1/stats', ({ json }) => {
      const found = json.listeners.find((each: { name: string }) => each.name === records);
      return found.connections === 0;
    });
    assert.ok((await scene().closedFor(records, 'handshake-failed')) > failures);
    const { flow } = await connectTls(t, scene().port(records));
    await flow.send('alive');
    await flow.heard(7);
    flow.finish();
    await flow.ended();
  }
  await scene().counterUntil('tlsInFlight', (value) => value === 0);
  await scene().canary.beat();
});
