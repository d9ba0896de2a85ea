/**
 * Server names and protocols: which certificate answers, which route leads where, who is refused.
 *
 * Path: Node's TLS client -> listeners that terminate -> named origins.
 * Invariant: the decision is made on the canonical name; a protocol that is not spoken is refused
 * with the alert that says so.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { type Origin, startNamed } from '../peers/origin.ts';
import { RECORDS } from './pki.ts';
import { RecordPeer } from './record-peer.ts';
import { listenerOf, shareScene } from './scene-tls.ts';
import { connectTls, refusal, type TlsTarget } from './tls-flow.ts';

const NO_PROTOCOL = 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL';
const UNKNOWN_NAME = 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME';

const { scene } = shareScene(async (pki, owner) => {
  const origins = await startNamed(owner, 3);
  const certificates = [
    { ...pki.pair({ name: 'a.example' }) },
    { ...pki.pair({ name: '*.wild.example' }) },
    { ...pki.pair({ name: 'exact.wild.example' }) },
    { ...pki.pair({ name: 'told', altNames: [] }), names: ['told.example'] },
    { ...pki.pair({ name: 'fallback.example' }), default: true },
  ];
  const routes = [
    { serverNames: ['a.example'], alpn: ['mqtt'], cluster: 'b' },
    { serverNames: ['*.wild.example'], cluster: 'c' },
  ];
  const listeners = RECORDS.flatMap((records) => [
    listenerOf(`names-${records}`, 'a', { certificates, records }),
    listenerOf(`strict-${records}`, 'a', { certificates, records, requireServerName: true }),
    {
      ...listenerOf(`alpn-${records}`, 'a', { certificates, records, alpn: ['mqtt', 'x-bolt'] }),
      routes,
    },
  ]);
  return {
    listeners,
    clusters: ['a', 'b', 'c'].map((name, index) => ({
      name,
      endpoints: [(origins[index] as Origin).address],
    })),
  };
});

/** Common name of the certificate that answers. */
async function answering(t: Owner, port: number, target: TlsTarget): Promise<string> {
  const { tls } = await connectTls(t, port, target);
  return String(tls.getPeerCertificate().subject.CN);
}

/** Which origin a connection leads to, and the protocol that was agreed on. */
async function leadsTo(t: Owner, port: number, target: TlsTarget): Promise<string> {
  const { flow, tls } = await connectTls(t, port, target);
  await flow.heard(2);
  return `${flow.text.trim()} ${tls.alpnProtocol || 'none'}`;
}

/** A ClientHello by Node with other bytes in place of its name, which is as long. */
async function alertFor(t: Owner, port: number, name: Buffer): Promise<string> {
  const stand = 'x'.repeat(name.length);
  try {
    const peer = await RecordPeer.connect(t, port, {
      servername: stand,
      maxVersion: 'TLSv1.2',
      shape: (bytes) => [replaced(bytes, stand, name)],
    });
    return String(peer.tls?.getPeerCertificate().subject.CN);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

function replaced(bytes: Buffer, text: string, by: Buffer): Buffer {
  const at = bytes.indexOf(text, 0, 'latin1');
  return at < 0
    ? bytes
    : Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + text.length)]);
}

for (const records of RECORDS) {
  describe(records, () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      test(`${version}: exact names, wildcards and the default`, async (t) => {
        const port = scene().port(`names-${records}`);
        const at = (servername: string): Promise<string> =>
          answering(t, port, { servername, maxVersion: version, minVersion: version });
        assert.equal(await at('a.example'), 'a.example');
        assert.equal(await at('A.ExAmPlE'), 'a.example');
        assert.equal(await at('any.wild.example'), '*.wild.example');
        assert.equal(await at('exact.wild.example'), 'exact.wild.example');
        assert.equal(await at('two.labels.wild.example'), 'fallback.example');
        assert.equal(await at('wild.example'), 'fallback.example');
        assert.equal(await at('told.example'), 'told');
        assert.equal(await at('unknown.example'), 'fallback.example');
        assert.equal(await answering(t, port, { maxVersion: version }), 'fallback.example');
      });

      test(`${version}: names that nobody has are refused where that is asked for`, async (t) => {
        const port = scene().port(`strict-${records}`);
        const target = { maxVersion: version, minVersion: version };
        assert.equal(
          await refusal(t, port, { ...target, servername: 'unknown.example' }),
          UNKNOWN_NAME,
        );
        assert.equal(await answering(t, port, { ...target, servername: 'a.example' }), 'a.example');
        // The alert is seen before the connection that ends by it is counted.
        await scene().closedUntil(`strict-${records}`, 'handshake-failed', (count) => count > 0);
      });

      test(`${version}: protocols are agreed on, left out, or refused`, async (t) => {
        const port = scene().port(`alpn-${records}`);
        const at = (servername: string, ALPNProtocols?: string[]): TlsTarget => ({
          servername,
          maxVersion: version,
          minVersion: version,
          ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }),
        });
        assert.equal(await leadsTo(t, port, at('a.example', ['x-bolt', 'mqtt'])), 'b mqtt');
        assert.equal(await leadsTo(t, port, at('a.example', ['x-bolt'])), 'a x-bolt');
        assert.equal(await leadsTo(t, port, at('a.example')), 'a none');
        assert.equal(await leadsTo(t, port, at('q.wild.example', ['mqtt'])), 'c mqtt');
        assert.equal(await leadsTo(t, port, at('q.wild.example')), 'c none');
        assert.equal(await refusal(t, port, at('a.example', ['h2', 'http/1.1'])), NO_PROTOCOL);
        assert.equal(await refusal(t, port, at('a.example', ['MQTT'])), NO_PROTOCOL);
        // Without protocols of its own a listener does not speak of them.
        const silent = scene().port(`names-${records}`);
        assert.equal(await leadsTo(t, silent, at('a.example', ['h2'])), 'a none');
      });
    }

    test('names that are none never reach a certificate of somebody else', async (t) => {
      const port = scene().port(`strict-${records}`);
      for (const name of [
        Buffer.from('a.example\0.evil'),
        Buffer.from('a\u3002example', 'utf8'),
        Buffer.from('*.wild.example'),
        Buffer.from('.wild.example'),
        Buffer.from('a.example/../x'),
        Buffer.alloc(250, 'a'),
      ]) {
        const answer = await alertFor(t, port, name);
        assert.match(answer, /^ERR_SSL_/, name.toString('latin1'));
      }
      // A trailing dot is the same name (RFC 6066 3 forbids to send it; canonical all the same).
      const dotted = await alertFor(t, port, Buffer.from('a.example.'));
      assert.match(dotted, /^(a\.example|ERR_SSL_.*)$/);
      await answering(t, port, { servername: 'a.example' });
    });
  });
}
