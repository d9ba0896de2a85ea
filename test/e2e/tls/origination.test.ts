/**
 * TLS towards endpoints: who is believed, what is shown, and what becomes of a handshake that
 * fails.
 *
 * Path: clients in clear -> clusters with `tls` -> endpoints that speak TLS in the ways of a test.
 * Invariant: no byte of a client goes to an endpoint that has not proved who it is; a failed
 * handshake is a failed connect: another endpoint is tried (threats B11, B12).
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { Origin } from '../peers/origin.ts';
import { Flow } from '../tcp/flow.ts';
import { makeBytes } from '../tcp/pattern.ts';
import type { Issued } from './authority.ts';
import { RECORDS } from './pki.ts';
import { RecordPeer, SocketOrigin } from './record-peer.ts';
import { shareScene } from './scene-tls.ts';
import { TlsOrigin } from './tls-flow.ts';
import { DATA, HANDSHAKE } from './wire-keys.ts';

const NAME = 'endpoint.example';
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

const origins = new Map<string, TlsOrigin>();
let raw: SocketOrigin;
let plain: Origin;
let own: Issued;

// An end that nobody reads would stay half-closed.
after(() => raw.cut());
const { scene } = shareScene(async (pki, owner) => {
  own = pki.root.issue({ name: NAME });
  const us = pki.pair({ name: 'gateway-1' }, pki.clients);
  const issued: Readonly<Record<string, Issued>> = {
    good: own,
    address: pki.root.issue({ name: 'address', altNames: ['127.0.0.1'] }),
    wrong: pki.root.issue({ name: 'wrong.example' }),
    stranger: pki.stranger.issue({ name: NAME }),
    expired: pki.root.issue({ name: NAME, fromDays: -9, untilDays: -2 }),
  };
  for (const [name, { chain, key }] of Object.entries(issued)) {
    origins.set(name, await TlsOrigin.start(owner, { cert: chain, key, isEcho: true }));
  }
  for (const maxVersion of VERSIONS) {
    const { chain, key } = own;
    const limits = { minVersion: maxVersion, maxVersion, isEcho: true };
    origins.set(maxVersion, await TlsOrigin.start(owner, { cert: chain, key, ...limits }));
  }
  const asks = { requestCert: true, rejectUnauthorized: true, ca: pki.clients.cert, isEcho: true };
  origins.set('asks', await TlsOrigin.start(owner, { cert: own.chain, key: own.key, ...asks }));
  const alpn = { ALPNProtocols: ['x-bolt'], isEcho: true };
  origins.set('alpn', await TlsOrigin.start(owner, { cert: own.chain, key: own.key, ...alpn }));
  raw = await SocketOrigin.start(owner);
  plain = await Origin.start(owner, { name: 'HTTP/1.1 200 OK' });
  const at = (name: string): string => origins.get(name)?.address ?? '';
  const trust = { ca: pki.rootFile, serverName: NAME };
  const tls: Readonly<Record<string, { endpoints: string[]; tls: object }>> = {
    good: { endpoints: [at('good')], tls: trust },
    tls12: { endpoints: [at('TLSv1.2')], tls: trust },
    tls13: { endpoints: [at('TLSv1.3')], tls: trust },
    address: { endpoints: [at('address')], tls: { ca: pki.rootFile } },
    'no-address': { endpoints: [at('good')], tls: { ca: pki.rootFile } },
    wrong: { endpoints: [at('wrong')], tls: trust },
    stranger: { endpoints: [at('stranger')], tls: trust },
    expired: { endpoints: [at('expired')], tls: trust },
    unchecked: { endpoints: [at('stranger')], tls: { verify: 'off', serverName: NAME } },
    retry: { endpoints: [at('wrong'), at('expired'), at('good')], tls: trust },
    asks: { endpoints: [at('asks')], tls: { ...trust, ...us } },
    'asks-none': { endpoints: [at('asks')], tls: trust },
    alpn: { endpoints: [at('alpn')], tls: { ...trust, alpn: ['mqtt', 'x-bolt'] } },
    forgetful: { endpoints: [at('TLSv1.3')], tls: { ...trust, tickets: false } },
    raw: { endpoints: [raw.address], tls: trust },
    plain: { endpoints: [plain.address], tls: trust },
  };
  const all = RECORDS.flatMap((records) =>
    Object.entries(tls).map(([name, each]) => ({
      name: `${name}-${records}`,
      endpoints: each.endpoints,
      tls: { ...each.tls, records },
      balance: 'round-robin',
      connect: { retries: name === 'retry' ? 2 : 0 },
    })),
  );
  return {
    shards: 1,
    listeners: all.map(({ name }) => ({ name, bind: '127.0.0.1:0', cluster: name })),
    clusters: all,
  };
});

function at(name: string): TlsOrigin {
  const origin = origins.get(name);
  assert.ok(origin);
  return origin;
}

for (const records of RECORDS) {
  describe(records, () => {
    const call = (t: Owner, name: string): Promise<Flow> =>
      Flow.connect(t, { port: scene().port(`${name}-${records}`) });
    const echo = async (t: Owner, name: string): Promise<Flow> => {
      const flow = await call(t, name);
      const bytes = makeBytes(name, 100_000);
      await flow.send(bytes);
      await flow.heardAll(bytes);
      return flow;
    };
    const refused = async (t: Owner, name: string): Promise<unknown> => {
      // The gateway may be done with it before the client knows that it is connected.
      const flow = await scene().arrive(t, { port: scene().port(`${name}-${records}`) });
      await flow.send('secret').catch(() => {});
      await flow.ended();
      assert.equal(flow.received, 0);
      return scene().reasonOf(flow);
    };
    const FAILED = 'endpoint-handshake-failed';

    test('a name that is proved, and an address that is proved', async (t) => {
      await echo(t, 'good');
      const { tls } = await at('good').next();
      assert.equal(tls.servername, NAME);
      await echo(t, 'address');
      // An address is no server name (RFC 6066 3).
      const { tls: unnamed } = await at('address').next();
      assert.equal(unnamed.servername || false, false);
    });

    test('both versions', async (t) => {
      await echo(t, 'tls12');
      await echo(t, 'tls13');
    });

    for (const name of ['wrong', 'stranger', 'expired', 'no-address']) {
      test(`an endpoint that is ${name} gets nothing`, async (t) => {
        assert.equal(await refused(t, name), FAILED);
      });
    }

    test('the endpoint is told why', async (t) => {
      assert.equal(await refused(t, 'stranger'), FAILED);
      assert.match(await at('stranger').failure(), /UNKNOWN_CA/);
    });

    test('any certificate will do where nobody looks', async (t) => {
      await echo(t, 'unchecked');
    });

    test('another endpoint is tried after a handshake that failed', async (t) => {
      for (let round = 0; round < 3; round++) {
        await echo(t, 'retry');
      }
    });

    test('our certificate is shown', async (t) => {
      await echo(t, 'asks');
      const { tls } = await at('asks').next();
      assert.equal(tls.getPeerCertificate().subject.CN, 'gateway-1');
      assert.match(String(await refusedLate(t, 'asks-none')), /^endpoint-/);
    });

    /** In TLS 1.3 the endpoint judges our certificate after our handshake is done. */
    async function refusedLate(t: Owner, name: string): Promise<unknown> {
      const flow = await call(t, name);
      await flow.send('x').catch(() => {});
      assert.notEqual(await flow.ended(), 'fin');
      return scene().reasonOf(flow);
    }

    test('protocols are offered', async (t) => {
      await echo(t, 'alpn');
      const { tls } = await at('alpn').next();
      assert.equal(tls.alpnProtocol, 'x-bolt');
    });

    for (const version of VERSIONS) {
      test(`${version}: the second connection resumes`, async (t) => {
        const name = version === 'TLSv1.2' ? 'tls12' : 'tls13';
        const origin = at(version);
        const first = await echo(t, name);
        first.finish();
        await first.ended();
        await echo(t, name);
        let last = await origin.next();
        while (!last.isReused) {
          last = await origin.next();
        }
      });
    }

    test('no ticket is used where they are off', async (t) => {
      const origin = at('TLSv1.3');
      const before = origin.accepted;
      for (let round = 0; round < 3; round++) {
        const flow = await echo(t, 'forgetful');
        flow.finish();
        await flow.ended();
      }
      assert.equal(origin.accepted, before + 3);
      const seen = origin.drain();
      assert.deepEqual(
        seen.slice(-3).map(({ isReused }) => isReused),
        [false, false, false],
      );
    });

    test('an endpoint that does not speak TLS is never believed', async (t) => {
      assert.equal(await refused(t, 'plain'), FAILED);
    });

    describe('on the level of records', () => {
      const meet = async (t: Owner): Promise<{ client: Flow; peer: RecordPeer }> => {
        const client = await call(t, 'raw');
        const socket = await raw.next();
        const { chain, key } = own;
        const peer = await RecordPeer.answer(t, socket, { cert: chain, key });
        await client.send('hello');
        assert.equal((await peer.take(5)).toString(), 'hello');
        return { client, peer };
      };

      test('KeyUpdates of an endpoint', async (t) => {
        const { client, peer } = await meet(t);
        for (let round = 0; round < 6; round++) {
          await peer.updateKeys(round % 2 === 0);
          await peer.send(`r${round}`);
          await client.heard(2 * (round + 1));
          await client.send(`c${round}`);
          assert.equal((await peer.take(2)).toString(), `c${round}`);
        }
      });

      test('close_notify of an endpoint is a half-close', async (t) => {
        const { client, peer } = await meet(t);
        await peer.send('bye');
        await peer.closeNotify();
        assert.equal(await client.ended(), 'fin');
        await client.send('still here');
        assert.equal((await peer.take(10)).toString(), 'still here');
        client.finish();
        assert.equal(await peer.outcome(), 'close_notify');
        peer.finish();
      });

      test('an endpoint that is cut off is an abnormal end for the client', async (t) => {
        const { client, peer } = await meet(t);
        await peer.send('half an ans');
        await client.heard(11);
        peer.finish();
        assert.equal(await client.ended(), 'ECONNRESET');
        assert.equal(await scene().reasonOf(client), 'endpoint-truncated');
      });

      test('a forged record ends that connection with the right alert', async (t) => {
        const other = await meet(t);
        const { client, peer } = await meet(t);
        const record = peer.seal(DATA, 'forged');
        record[9] = (record[9] ?? 0) ^ 1;
        await peer.sendRaw(record);
        assert.equal(await peer.outcome(), 'alert 20');
        assert.equal(await client.ended(), 'ECONNRESET');
        assert.equal(client.received, 0);
        assert.equal(await scene().reasonOf(client), 'endpoint-tls-violation');
        await other.peer.send('unharmed');
        await other.client.heardAll('unharmed');
      });

      test('a client certificate asked for after the handshake is refused', async (t) => {
        const { client, peer } = await meet(t);
        await peer.sendRaw(peer.seal(HANDSHAKE, Buffer.from([13, 0, 0, 3, 0, 0, 0])));
        assert.equal(await peer.outcome(), 'alert 10');
        assert.equal(await client.ended(), 'ECONNRESET');
      });
    });
  });
}

test('bytes before the ServerHello are no answer', async (t) => {
  const client = await Flow.connect(t, { port: scene().port('raw-detached') });
  const endpoint = await raw.next();
  endpoint.write('HTTP/1.1 200 OK\r\n\r\n');
  await client.ended();
  assert.equal(client.received, 0);
});
