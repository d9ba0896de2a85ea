/**
 * How TLS connections end: close_notify is a half-close, anything else is not a clean end.
 *
 * Path: peers that speak records -> listeners with TLS -> endpoints in clear, and the other way
 * round.
 * Invariant: close_notify of one side is FIN for the other, behind the last byte; FIN without it is
 * an abnormal end for the other side (threats B12, B13); RST is RST.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { type Flow, FlowOrigin } from '../tcp/flow.ts';
import { checksumOf, makeBytes } from '../tcp/pattern.ts';
import { RECORDS } from './pki.ts';
import { RecordPeer } from './record-peer.ts';
import { listenerOf, shareScene } from './scene-tls.ts';
import { connectTls } from './tls-flow.ts';

const MIB = 1024 * 1024;
const LONG = makeBytes('ends', 10 * MIB);
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

let origin: FlowOrigin;
const { scene } = shareScene(async (pki, owner) => {
  origin = await FlowOrigin.start(owner);
  const certificates = [pki.pair({ name: 'a.example' })];
  return {
    listeners: RECORDS.map((records) => listenerOf(records, 'plain', { certificates, records })),
    clusters: [{ name: 'plain', endpoints: [origin.address] }],
  };
});

for (const records of RECORDS) {
  for (const version of VERSIONS) {
    describe(`${records}, ${version}`, () => {
      const only = { minVersion: version, maxVersion: version };
      const meet = async (t: Owner): Promise<{ peer: RecordPeer; endpoint: Flow }> => {
        const peer = await RecordPeer.connect(t, scene().port(records), only);
        const endpoint = await origin.next();
        await peer.send('hello');
        await endpoint.heard(5);
        return { peer, endpoint };
      };

      test('a client says all, and reads ten mebibytes after it', async (t) => {
        const { flow } = await connectTls(t, scene().port(records), only);
        const endpoint = await origin.next();
        await flow.send('last words');
        flow.finish();
        assert.equal(await endpoint.ended(), 'fin');
        assert.equal(endpoint.text, 'last words');
        await endpoint.send(LONG);
        endpoint.finish();
        assert.equal(await flow.ended(), 'fin');
        assert.equal(flow.received, LONG.length);
        assert.equal(flow.checksum, checksumOf(LONG));
        assert.equal(await scene().reasonOf(flow), 'client-closed');
      });

      test('an endpoint says all, and reads ten mebibytes after it', async (t) => {
        const { flow } = await connectTls(t, scene().port(records), only);
        const endpoint = await origin.next();
        await endpoint.send('last words');
        endpoint.finish();
        assert.equal(await flow.ended(), 'fin');
        assert.equal(flow.text, 'last words');
        await flow.send(LONG);
        flow.finish();
        assert.equal(await endpoint.ended(), 'fin');
        assert.equal(endpoint.checksum, checksumOf(LONG));
        assert.equal(await scene().reasonOf(flow), 'endpoint-closed');
      });

      test('close_notify alone, without FIN, is the end of that direction', async (t) => {
        const { peer, endpoint } = await meet(t);
        await peer.closeNotify();
        assert.equal(await endpoint.ended(), 'fin');
        await endpoint.send('still here');
        assert.equal((await peer.take(10)).toString(), 'still here');
        endpoint.finish();
        assert.equal(await peer.outcome(), 'close_notify');
        peer.finish();
        assert.equal(await scene().reasonOf(peer), 'client-closed');
      });

      test('the end of an endpoint is close_notify, then FIN', async (t) => {
        const { peer, endpoint } = await meet(t);
        await endpoint.send('bye');
        endpoint.finish();
        assert.equal((await peer.take(3)).toString(), 'bye');
        assert.equal(await peer.outcome(), 'close_notify');
        await peer.send('and me');
        await endpoint.heard(11);
        await peer.closeNotify();
        peer.finish();
        assert.equal(await endpoint.ended(), 'fin');
      });

      test('FIN without close_notify is an abnormal end for the endpoint', async (t) => {
        const { peer, endpoint } = await meet(t);
        await peer.send('cut');
        peer.finish();
        assert.equal(await endpoint.ended(), 'ECONNRESET');
        assert.equal(await scene().reasonOf(peer), 'client-truncated');
      });

      test('FIN in the middle of a record is one, too', async (t) => {
        const { peer, endpoint } = await meet(t);
        const record = peer.seal(23, 'never whole');
        await peer.sendRaw(record.subarray(0, record.length - 1));
        peer.finish();
        assert.equal(await endpoint.ended(), 'ECONNRESET');
        assert.equal(endpoint.text, 'hello');
        assert.equal(await scene().reasonOf(peer), 'client-truncated');
      });

      test('RST of an endpoint is RST, without close_notify', async (t) => {
        const { peer, endpoint } = await meet(t);
        endpoint.reset();
        assert.equal(await peer.outcome(), 'ECONNRESET');
        assert.equal(await scene().reasonOf(peer), 'endpoint-reset');
      });

      test('RST of a client is RST', async (t) => {
        const { peer, endpoint } = await meet(t);
        peer.socket.resetAndDestroy();
        assert.equal(await endpoint.ended(), 'ECONNRESET');
        assert.equal(await scene().reasonOf(peer), 'client-reset');
      });

      test('RST of a client that close_notify of the endpoint runs into is RST', async (t) => {
        const { peer, endpoint } = await meet(t);
        // Both are there before the gateway looks, the FIN first.
        await scene().freeze();
        t.after(() => scene().thaw());
        endpoint.finish();
        await once(endpoint.socket, 'finish');
        peer.socket.resetAndDestroy();
        await once(peer.socket, 'close');
        scene().thaw();
        assert.equal(await scene().reasonOf(peer), 'client-reset');
        assert.equal(await endpoint.ended(), 'ECONNRESET');
      });

      test('bytes, close_notify and FIN in one segment', async (t) => {
        const { peer, endpoint } = await meet(t);
        const all = [peer.seal(23, ' and all'), peer.seal(21, Buffer.from([1, 0]))];
        await peer.sendRaw(Buffer.concat(all));
        peer.finish();
        assert.equal(await endpoint.ended(), 'fin');
        assert.equal(endpoint.text, 'hello and all');
        endpoint.finish();
        assert.equal(await peer.outcome(), 'close_notify');
      });

      test('what comes behind close_notify is nobody’s', async (t) => {
        const { peer, endpoint } = await meet(t);
        const all = [peer.seal(21, Buffer.from([1, 0])), peer.seal(23, 'ghost')];
        await peer.sendRaw(Buffer.concat(all));
        assert.equal(await endpoint.ended(), 'fin');
        await endpoint.send('alive');
        assert.equal((await peer.take(5)).toString(), 'alive');
        assert.equal(endpoint.text, 'hello');
        endpoint.finish();
        peer.finish();
      });

      test('a fatal alert of the client is an abnormal end', async (t) => {
        const { peer, endpoint } = await meet(t);
        await peer.alert(2, 80);
        assert.equal(await endpoint.ended(), 'ECONNRESET');
        assert.equal(await scene().reasonOf(peer), 'client-tls-violation');
      });
    });
  }
}
