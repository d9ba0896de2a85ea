/**
 * TLS connections over their life: what metrics and listings say of them, and how a drain ends
 * them.
 *
 * Path: Node's TLS clients -> a gateway of their own -> an echo; the admin API beside it.
 * Invariant: a drain ends with close_notify behind the last byte; what is counted as in flight or
 * open goes back to zero.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayProcess, startEcho } from '../harness.ts';
import { FlowOrigin } from '../tcp/flow.ts';
import { Pki, RECORDS } from './pki.ts';
import { RecordPeer } from './record-peer.ts';
import { connectTls, refusal } from './tls-flow.ts';

const CLIENTS = 10;

function configOf(tls: object, endpoint: string): string {
  const parts = {
    shards: 2,
    drain: { readinessDelay: '0s', over: '0s', grace: '5s' },
    listeners: [{ name: 'front', bind: '127.0.0.1:0', cluster: 'c', tls }],
    clusters: [{ name: 'c', endpoints: [endpoint] }],
  };
  return Object.entries(parts)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
}

for (const records of RECORDS) {
  test(`${records}: a drain says close_notify to clients, behind every byte`, async (t) => {
    const pki = new Pki(t);
    const origin = await FlowOrigin.start(t);
    const tls = { certificates: [pki.pair({ name: 'a.example' })], records };
    const gateway = await GatewayProcess.start(t, { yaml: configOf(tls, origin.address) });
    const port = await gateway.port('front');
    const pairs = [];
    for (let i = 0; i < CLIENTS; i++) {
      const maxVersion = i % 2 === 0 ? 'TLSv1.2' : 'TLSv1.3';
      const peer = await RecordPeer.connect(t, port, { maxVersion });
      const endpoint = await origin.next();
      await peer.send('before');
      await endpoint.heard(6);
      await endpoint.send('answer');
      pairs.push({ peer, endpoint });
    }
    gateway.signal('SIGTERM');
    for (const { peer, endpoint } of pairs) {
      assert.equal(await peer.outcome(), 'close_notify');
      assert.equal(peer.pending.toString(), 'answer');
      await peer.closeNotify();
      peer.finish();
      assert.equal(await endpoint.ended(), 'fin');
      endpoint.finish();
    }
    assert.deepEqual(await gateway.exited, { code: 0, signal: null });
  });

  test(`${records}: metrics and listings know of TLS`, async (t) => {
    const pki = new Pki(t);
    const { port: echoPort } = await startEcho(t);
    const tls = { certificates: [pki.pair({ name: 'a.example' })], alpn: ['mqtt'], records };
    const endpoint = `127.0.0.1:${echoPort}`;
    const gateway = await GatewayProcess.start(t, { yaml: configOf(tls, endpoint) });
    const port = await gateway.port('front');
    const first = await connectTls(t, port, { servername: 'a.example' });
    await first.flow.send('x');
    await first.flow.heard(1);
    const session = await first.ticket;
    const second = await connectTls(t, port, { servername: 'a.example', session });
    await second.flow.send('x');
    await second.flow.heard(1);
    assert.notEqual(await refusal(t, port, { ALPNProtocols: ['h2'] }), 'connected');
    // The client hears of its refusal before the gateway is done with it.
    const closed = await gateway.accessed(({ reason }) => reason === 'handshake-failed');
    assert.match(String(closed['tlsError']), /protocol/);

    const { json } = await gateway.admin('GET', '/v1/connections');
    assert.deepEqual(
      json.connections.map((each: { tls: string }) => each.tls),
      ['TLSv1.3', 'TLSv1.3'],
    );
    const { text } = await gateway.counted('/metrics');
    const valueOf = (series: string): number =>
      text
        .split('\n')
        .filter((line) => line.startsWith(series))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    for (const result of ['full', 'resumed', 'failed']) {
      const series = `holdfast_tls_handshakes_total{listener="front",result="${result}"}`;
      assert.equal(valueOf(series), 1, `${series}\n${text}`);
    }
    assert.equal(valueOf('holdfast_tls_sockets{'), 2);
    assert.equal(valueOf('holdfast_tls_sockets_on_engine'), records === 'openssl' ? 2 : 0);
    assert.equal(valueOf('holdfast_tls_handshakes_in_flight'), 0);
    assert.ok(valueOf('holdfast_tls_cert_not_after_timestamp_seconds') > Date.now() / 1000);

    for (const { flow } of [first, second]) {
      flow.finish();
      await flow.ended();
    }
    await gateway.adminUntil('/v1/stats', (answer) =>
      answer.json.shards.every(
        (shard: { counters: Record<string, number> }) => shard.counters['tlsConnections'] === 0,
      ),
    );
  });
}
