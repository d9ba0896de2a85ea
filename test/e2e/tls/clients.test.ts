/**
 * Client certificates: who is asked, who is let in, and what becomes known of them.
 *
 * Path: Node's TLS client with and without a certificate -> listeners that ask, or not.
 * Invariant: nobody is let in whom `clientAuth` refuses, in either version and either way of
 * keeping records; no byte of a refused client reaches an endpoint.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { Origin } from '../peers/origin.ts';
import type { Issued } from './authority.ts';
import { type Pki, RECORDS } from './pki.ts';
import { listenerOf, shareScene } from './scene-tls.ts';
import { connectTls, refusal, type TlsTarget } from './tls-flow.ts';

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
/** Of three certificates each: more than a megabyte. */
const CHAIN_COPIES = 1000;

let origin: Origin;
let clients: Readonly<Record<string, Issued>>;

function makeClients(pki: Pki): Record<string, Issued> {
  const good = pki.clients.issue({ name: 'device-7', altNames: ['device-7.iot.example'] });
  const revoked = pki.clients.issue({ name: 'revoked' });
  pki.clients.revoke(revoked);
  // The root does not count; three intermediate ones are one too many for a depth of 2.
  const first = pki.clients.intermediate('first');
  const second = first.intermediate('second');
  const third = second.intermediate('third');
  return {
    good,
    revoked,
    rsa: pki.clients.issue({ name: 'rsa', kind: 'rsa' }),
    ed25519: pki.clients.issue({ name: 'ed', kind: 'ed25519' }),
    expired: pki.clients.issue({ name: 'expired', fromDays: -9, untilDays: -2 }),
    future: pki.clients.issue({ name: 'future', fromDays: 2, untilDays: 9 }),
    stranger: pki.stranger.issue({ name: 'device-7' }),
    server: pki.root.issue({ name: 'device-7' }),
    deepest: second.issue({ name: 'deepest' }),
    tooDeep: third.issue({ name: 'too deep' }),
    nul: pki.clients.issue({
      name: 'nul',
      altNames: [],
      rawNames: [Buffer.from('good.example\0.evil.example')],
    }),
  };
}

const { scene } = shareScene(async (pki, owner) => {
  clients = makeClients(pki);
  origin = await Origin.start(owner, { isEcho: true });
  const crl = pki.file('revoked.pem', pki.clients.crl());
  const ca = pki.clientsFile;
  const certificates = [pki.pair({ name: 'a.example' })];
  const open = { ...pki.pair({ name: 'open.example' }), clientAuth: { mode: 'off' } };
  const modes = {
    optional: { certificates, clientAuth: { mode: 'optional', ca } },
    required: { certificates, clientAuth: { ca, depth: 2 } },
    crl: { certificates, clientAuth: { ca, crl } },
    named: { certificates: [...certificates, open], clientAuth: { ca } },
  };
  return {
    listeners: RECORDS.flatMap((records) =>
      Object.entries(modes).map(([mode, tls]) =>
        listenerOf(`${mode}-${records}`, 'echo', { ...tls, records }),
      ),
    ),
    clusters: [{ name: 'echo', endpoints: [origin.address] }],
  };
});

function by(issued: Issued | undefined): TlsTarget {
  return issued === undefined ? {} : { cert: issued.chain, key: issued.key };
}

for (const records of RECORDS) {
  for (const version of VERSIONS) {
    describe(`${records}, ${version}`, () => {
      const target = { minVersion: version, maxVersion: version, servername: 'a.example' };
      const outcome = async (t: Owner, mode: string, who?: string): Promise<string> =>
        refusal(t, scene().port(`${mode}-${records}`), {
          ...target,
          ...by(who === undefined ? undefined : clients[who]),
        });

      test('required: good ones come in, nobody else', async (t) => {
        for (const who of ['good', 'rsa', 'ed25519', 'deepest']) {
          assert.equal(await outcome(t, 'required', who), 'connected', who);
        }
        const accepted = origin.accepted;
        const none = await outcome(t, 'required');
        assert.match(none, version === 'TLSv1.3' ? /CERTIFICATE_REQUIRED/ : /HANDSHAKE_FAILURE/);
        const wanted: Readonly<Record<string, RegExp>> = {
          expired: /CERTIFICATE_EXPIRED/,
          future: /CERTIFICATE_EXPIRED|BAD_CERTIFICATE/,
          stranger: /UNKNOWN_CA/,
          server: /UNKNOWN_CA/,
          tooDeep: /UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN/,
        };
        for (const [who, pattern] of Object.entries(wanted)) {
          assert.match(await outcome(t, 'required', who), pattern, who);
        }
        assert.equal(origin.accepted, accepted);
      });

      test('optional: without one, or with a good one', async (t) => {
        assert.equal(await outcome(t, 'optional'), 'connected');
        assert.equal(await outcome(t, 'optional', 'good'), 'connected');
        assert.match(await outcome(t, 'optional', 'stranger'), /UNKNOWN_CA/);
        assert.match(await outcome(t, 'optional', 'expired'), /CERTIFICATE_EXPIRED/);
      });

      test('revoked ones are refused', async (t) => {
        assert.equal(await outcome(t, 'crl', 'good'), 'connected');
        assert.match(await outcome(t, 'crl', 'revoked'), /CERTIFICATE_REVOKED/);
      });

      test('a name can go without', async (t) => {
        const port = scene().port(`named-${records}`);
        const open = await connectTls(t, port, { ...target, servername: 'open.example' });
        await open.flow.send('x');
        await open.flow.heard(1);
        assert.notEqual(await outcome(t, 'named'), 'connected');
      });

      test('who it was stands in the access record', async (t) => {
        const port = scene().port(`required-${records}`);
        const { flow } = await connectTls(t, port, { ...target, ...by(clients['good']) });
        await flow.send('x');
        await flow.heard(1);
        flow.finish();
        const { tls } = await scene().closed(flow);
        const { subject, altNames, serverName } = tls as Record<string, string>;
        assert.equal(subject, 'CN=device-7');
        assert.equal(altNames, 'DNS:device-7.iot.example');
        assert.equal(serverName, 'a.example');
      });

      test('a chain of a megabyte is not read', async (t) => {
        const accepted = origin.accepted;
        const { chain = '', key = '' } = clients['good'] ?? {};
        const cert = chain + (clients['deepest']?.chain ?? '').repeat(CHAIN_COPIES);
        const port = scene().port(`required-${records}`);
        assert.notEqual(await refusal(t, port, { ...target, cert, key }), 'connected');
        assert.equal(origin.accepted, accepted);
        assert.equal(await outcome(t, 'required', 'good'), 'connected');
      });

      test('a name with NUL is never shown as the name before it', async (t) => {
        const port = scene().port(`required-${records}`);
        const { flow } = await connectTls(t, port, { ...target, ...by(clients['nul']) });
        await flow.send('x');
        await flow.heard(1);
        flow.finish();
        const { tls } = await scene().closed(flow);
        const { altNames } = tls as Record<string, string>;
        assert.equal(altNames, 'DNS:good.example\\x00.evil.example');
      });
    });
  }
}
