/**
 * PROXY headers before a handshake, and what endpoints are told of a handshake in TLVs.
 *
 * Path: a balancer's header, then TLS -> a listener that accepts headers -> what the endpoint
 * reads.
 * Invariant: the header is read in clear and once; TLVs of TLS come from our own handshake and
 * never from a client's header.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { Origin } from '../peers/origin.ts';
import {
  type ProxyHeader,
  TLV_AUTHORITY,
  TLV_CUSTOM,
  TLV_UNIQUE_ID,
  takeV2,
  v1,
  v2,
} from '../peers/proxy-header.ts';
import { Wire } from '../peers/wire.ts';
import { clientHello } from './hello.ts';
import { RECORDS } from './pki.ts';
import { RecordPeer, singles } from './record-peer.ts';
import { listenerOf, shareScene } from './scene-tls.ts';
import { connectTls, type TlsTarget } from './tls-flow.ts';

const TLV_ALPN = 0x01;
const TLV_SSL = 0x20;
const SUB_VERSION = 0x21;
const SUB_CN = 0x22;
const SUB_CIPHER = 0x23;
const FROM = '198.51.100.7:4711';
const TO = '203.0.113.9:443';

let origin: Origin;
let device: { cert: string; key: string };
// An end that nobody reads would stay half-closed.
after(() => origin.close());
const { scene } = shareScene(async (pki, owner) => {
  origin = await Origin.start(owner);
  const { chain, key } = pki.clients.issue({ name: 'device-7' });
  device = { cert: chain, key };
  const certificates = [pki.pair({ name: 'a.example' })];
  const clientAuth = { mode: 'optional', ca: pki.clientsFile };
  const proxyProtocol = { accept: ['127.0.0.1'] };
  return {
    shards: 1,
    listeners: [
      ...RECORDS.flatMap((records) => {
        const tls = { certificates, records, alpn: ['mqtt'], clientAuth };
        return [
          listenerOf(`after-${records}`, 'v2', tls, { proxyProtocol }),
          listenerOf(`direct-${records}`, 'v2', tls),
          listenerOf(`v1-${records}`, 'v1', tls, { proxyProtocol }),
        ];
      }),
      listenerOf('through', 'v2', { mode: 'passthrough' }, { proxyProtocol }),
    ],
    clusters: [
      { name: 'v2', endpoints: [origin.address], proxyProtocol: 'v2' },
      { name: 'v1', endpoints: [origin.address], proxyProtocol: 'v1' },
    ],
  };
});

/** What a TLV of TLS says (spec 2.2.5). */
function sslOf({ tlvs }: ProxyHeader): Readonly<Record<string, unknown>> {
  const value = tlvs.find(({ type }) => type === TLV_SSL)?.value ?? Buffer.alloc(0);
  const texts = new Map<number, string>();
  for (let at = 5; at < value.length; at += 3 + value.readUInt16BE(at + 1)) {
    const end = at + 3 + value.readUInt16BE(at + 1);
    texts.set(value[at] ?? 0, value.toString('latin1', at + 3, end));
  }
  return {
    client: value[0],
    verify: value.readUInt32BE(1),
    version: texts.get(SUB_VERSION),
    name: texts.get(SUB_CN),
    cipher: texts.get(SUB_CIPHER),
  };
}

function textOf({ tlvs }: ProxyHeader, wanted: number): string | undefined {
  const found = tlvs.filter(({ type }) => type === wanted);
  assert.ok(found.length <= 1, `${found.length} TLVs of type ${wanted}`);
  return found[0]?.value.toString('latin1');
}

for (const records of RECORDS) {
  describe(records, () => {
    const header = async (t: Owner, listener: string, target: TlsTarget): Promise<ProxyHeader> => {
      const { flow } = await connectTls(t, scene().port(`${listener}-${records}`), target);
      const wire = await origin.next();
      await flow.send('x');
      return takeV2(wire);
    };

    test('what was agreed on is told', async (t) => {
      const told = await header(t, 'direct', {
        servername: 'a.example',
        ALPNProtocols: ['mqtt'],
        ...device,
      });
      assert.equal(textOf(told, TLV_ALPN), 'mqtt');
      assert.equal(textOf(told, TLV_AUTHORITY), 'a.example');
      const ssl = sslOf(told);
      assert.deepEqual(
        { ...ssl, cipher: undefined },
        { client: 7, verify: 0, version: 'TLSv1.3', name: 'device-7', cipher: undefined },
      );
      assert.match(String(ssl['cipher']), /^TLS_AES_/);
    });

    test('a client that says little is told of with little', async (t) => {
      const told = await header(t, 'direct', { maxVersion: 'TLSv1.2' });
      assert.equal(textOf(told, TLV_ALPN), undefined);
      assert.equal(textOf(told, TLV_AUTHORITY), undefined);
      const { client, version, name } = sslOf(told);
      assert.deepEqual(
        { client, version, name },
        { client: 1, version: 'TLSv1.2', name: undefined },
      );
    });

    test('a header of version 1 or 2 before the handshake', async (t) => {
      for (const before of [v1(FROM, TO), v2(FROM, TO)]) {
        const told = await header(t, 'after', { before, servername: 'a.example' });
        assert.equal(told.source, FROM);
        assert.equal(told.destination, TO);
        assert.equal(textOf(told, TLV_AUTHORITY), 'a.example');
      }
    });

    test('TLVs of a header are passed on, but those of TLS are ours', async (t) => {
      const lies = [
        { type: TLV_ALPN, value: Buffer.from('h2') },
        { type: TLV_AUTHORITY, value: Buffer.from('evil.example') },
        { type: TLV_SSL, value: Buffer.from([7, 0, 0, 0, 0]) },
        { type: TLV_UNIQUE_ID, value: Buffer.from('id-1') },
        { type: TLV_CUSTOM, value: Buffer.from('kept') },
      ];
      const told = await header(t, 'after', {
        before: v2(FROM, TO, lies),
        servername: 'a.example',
      });
      assert.equal(textOf(told, TLV_ALPN), undefined);
      assert.equal(textOf(told, TLV_AUTHORITY), 'a.example');
      assert.equal(sslOf(told)['client'], 1);
      assert.equal(textOf(told, TLV_UNIQUE_ID), 'id-1');
      assert.equal(textOf(told, TLV_CUSTOM), 'kept');
    });

    test('header and hello in one segment, and each byte by itself', async (t) => {
      const peer = await RecordPeer.connect(t, scene().port(`after-${records}`), {
        servername: 'a.example',
        shape: oneSegment(v2(FROM, TO)),
      });
      const wire = await origin.next();
      assert.equal((await takeV2(wire)).source, FROM);
      await peer.send('hello');
      assert.equal((await wire.take(5)).toString(), 'hello');

      const prefixed = oneSegment(v2(FROM, TO));
      const split = await RecordPeer.connect(t, scene().port(`after-${records}`), {
        servername: 'a.example',
        shape: (bytes) => prefixed(bytes).flatMap(singles),
      });
      const other = await origin.next();
      assert.equal((await takeV2(other)).source, FROM);
      await split.send('hello');
      assert.equal((await other.take(5)).toString(), 'hello');
    });

    test('towards an endpoint that reads version 1', async (t) => {
      const port = scene().port(`v1-${records}`);
      const { flow } = await connectTls(t, port, { before: v1(FROM, TO) });
      const wire = await origin.next();
      await flow.send('x');
      assert.equal(await wire.line(), v1(FROM, TO).toString('latin1').trimEnd().concat('\r'));
      assert.equal((await wire.take(1)).toString(), 'x');
    });

    test('where a header is due, a hello is none', async (t) => {
      const port = scene().port(`after-${records}`);
      await assert.rejects(connectTls(t, port, { servername: 'a.example' }));
    });
  });
}

/** Puts bytes before the first flight, in the same write. */
function oneSegment(first: Buffer): (bytes: Buffer) => Buffer[] {
  let before = first;
  return (bytes) => {
    const all = Buffer.concat([before, bytes]);
    before = Buffer.alloc(0);
    return [all];
  };
}

test('a header before a hello that is passed through', async (t) => {
  const flight = await clientHello(t, { servername: 'a.example', ALPNProtocols: ['mqtt'] });
  const client = await Wire.connect(t, scene().port('through'));
  client.send(Buffer.concat([v2(FROM, TO), flight]));
  const wire = await origin.next();
  const { source } = await takeV2(wire);
  assert.equal(source, FROM);
  assert.deepEqual(await wire.take(flight.length), flight);
});
