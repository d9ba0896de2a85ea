/**
 * Versions, suites and kinds of certificates: what the client offers decides, and bytes come
 * through.
 *
 * Path: Node's TLS client -> a listener with TLS, with detached records and with OpenSSL's -> an
 * echo.
 * Invariant: every suite of both versions is spoken in both ways of keeping records.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startEcho } from '../harness.ts';
import { makeBytes } from '../tcp/pattern.ts';
import { RECORDS } from './pki.ts';
import { listenerOf, shareScene } from './scene-tls.ts';
import { connectTls, refusal } from './tls-flow.ts';

const SUITES_13 = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
] as const;
const SUITES_12 = ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305'] as const;
const KINDS = [
  { kind: 'ECDSA', sigalgs: 'ecdsa_secp256r1_sha256', asn1Curve: 'prime256v1' },
  { kind: 'RSA', sigalgs: 'rsa_pss_rsae_sha256:rsa_pkcs1_sha256', asn1Curve: undefined },
] as const;
const BYTES = 200_000;

const { scene } = shareScene(async (pki, owner) => {
  const echo = await startEcho(owner);
  const certificates = [
    pki.pair({ name: 'a.example', kind: 'ec' }),
    pki.pair({ name: 'a.example', kind: 'rsa' }),
  ];
  return {
    listeners: [
      ...RECORDS.map((records) => listenerOf(records, 'echo', { certificates, records })),
      listenerOf('modern', 'echo', { certificates, policy: 'modern' }),
      listenerOf('ccm', 'echo', { certificates, ciphersTls13: ['TLS_AES_128_CCM_SHA256'] }),
    ],
    clusters: [{ name: 'echo', endpoints: [`127.0.0.1:${echo.port}`] }],
  };
});

for (const records of RECORDS) {
  describe(records, () => {
    for (const { kind, sigalgs, asn1Curve } of KINDS) {
      const offers = [
        ...SUITES_13.map((suite) => ({ suite, version: 'TLSv1.3' as const })),
        ...SUITES_12.map((suite) => ({
          suite: `ECDHE-${kind}-${suite}`,
          version: 'TLSv1.2' as const,
        })),
      ];
      for (const { suite, version } of offers) {
        test(`${version} with ${suite} and a certificate of ${kind}`, async (t) => {
          const { flow, tls } = await connectTls(t, scene().port(records), {
            servername: 'a.example',
            ciphers: suite,
            minVersion: version,
            maxVersion: version,
            sigalgs,
          });
          assert.equal(tls.getProtocol(), version);
          assert.equal(tls.getCipher().name, suite);
          assert.equal(tls.getPeerCertificate().asn1Curve, asn1Curve);
          const bytes = makeBytes(suite, BYTES);
          await flow.send('x');
          await flow.heard(1);
          await flow.send(bytes);
          flow.finish();
          assert.equal(await flow.ended(), 'fin');
          await flow.heardAll(Buffer.concat([Buffer.from('x'), bytes]));
          const record = await scene().closed(flow);
          const { version: recorded } = record['tls'] as { version: string };
          assert.equal(recorded, version);
        });
      }
    }

    test('older versions and suites without forward secrecy are refused', async (t) => {
      const port = scene().port(records);
      const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } as const;
      assert.equal(
        await refusal(t, port, { ...old, ciphers: 'ALL:@SECLEVEL=0' }),
        'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
      );
      for (const ciphers of ['AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA', 'AES128-SHA']) {
        const code = await refusal(t, port, { maxVersion: 'TLSv1.2', ciphers });
        assert.equal(code, 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', ciphers);
      }
    });
  });
}

test('the modern policy refuses TLS 1.2', async (t) => {
  const port = scene().port('modern');
  assert.equal(
    await refusal(t, port, { maxVersion: 'TLSv1.2' }),
    'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  );
  const { tls } = await connectTls(t, port);
  assert.equal(tls.getProtocol(), 'TLSv1.3');
});

test('a suite that records cannot be detached from stays with OpenSSL', async (t) => {
  const suite = 'TLS_AES_128_CCM_SHA256';
  const { flow, tls } = await connectTls(t, scene().port('ccm'), { ciphers: suite });
  assert.equal(tls.getCipher().name, suite);
  const bytes = makeBytes(suite, BYTES);
  await flow.send(bytes);
  flow.finish();
  await flow.ended();
  await flow.heardAll(bytes);
});
