/**
 * Tickets: clients come back on any shard, and only where they were trusted before.
 *
 * Path: Node's TLS client with tickets it got -> listeners that share keys and differ in trust.
 * Invariant: a ticket of one trust configuration is worth nothing in another (threats B7); a ticket
 * can be used on all shards and after a reload.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Owner, startEcho } from '../harness.ts';
import { type Pki, RECORDS } from './pki.ts';
import { listenerOf, shareScene } from './scene-tls.ts';
import { connectTls, refusal, type TlsClient, type TlsTarget } from './tls-flow.ts';

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
/** Enough that each of four shards is met. */
const RETURNS = 24;

let pki: Pki;

const { scene } = shareScene(async (made, owner) => {
  pki = made;
  const echo = await startEcho(owner);
  const ca = pki.clientsFile;
  const otherCa = pki.file('stranger.pem', pki.stranger.cert);
  const a = pki.pair({ name: 'a.example' });
  const b = { ...pki.pair({ name: 'b.example' }), clientAuth: { ca } };
  const c = { ...pki.pair({ name: 'c.example' }), clientAuth: { ca: otherCa } };
  const listeners = RECORDS.flatMap((records) => [
    listenerOf(`names-${records}`, 'echo', { certificates: [a, b, c], records }),
    listenerOf(`other-${records}`, 'echo', { certificates: [a], records }),
    listenerOf(`asks-${records}`, 'echo', { certificates: [a], clientAuth: { ca }, records }),
    listenerOf(`off-${records}`, 'echo', { certificates: [a], tickets: 'off', records }),
    listenerOf(`four-${records}`, 'echo', { certificates: [a], tickets: 4, records }),
  ]);
  return {
    shards: 4,
    listeners,
    clusters: [{ name: 'echo', endpoints: [`127.0.0.1:${echo.port}`] }],
  };
});

/** Comes once, and has the ticket. */
async function ticketOf(t: Owner, port: number, target: TlsTarget): Promise<Buffer> {
  const client = await connectTls(t, port, target);
  await use(client);
  const ticket = await client.ticket;
  client.flow.finish();
  await client.flow.ended();
  return ticket;
}

async function use({ flow }: TlsClient): Promise<void> {
  await flow.send('x');
  await flow.heard(1);
}

for (const records of RECORDS) {
  for (const version of VERSIONS) {
    describe(`${records}, ${version}`, () => {
      const target = { minVersion: version, maxVersion: version, servername: 'a.example' };

      test('a ticket is good on every shard', async (t) => {
        const port = scene().port(`names-${records}`);
        const session = await ticketOf(t, port, target);
        const clients = await Promise.all(
          Array.from({ length: RETURNS }, () => connectTls(t, port, { ...target, session })),
        );
        for (const client of clients) {
          await use(client);
          assert.equal(client.tls.isSessionReused(), true);
        }
        const shards = new Set<unknown>();
        for (const { flow } of clients) {
          flow.finish();
          const record = await scene().closed(flow);
          shards.add(String(record['id']).split('-')[0]);
          assert.equal((record['tls'] as { resumed: boolean }).resumed, true);
        }
        assert.equal(shards.size, 4);
      });

      test('a reload leaves tickets good', async (t) => {
        const port = scene().port(`names-${records}`);
        const session = await ticketOf(t, port, target);
        const before = scene().gateway.records.length;
        scene().gateway.signal('SIGHUP');
        await scene().gateway.logged(({ msg }) => msg === 'configuration loaded', before);
        const client = await connectTls(t, port, { ...target, session });
        await use(client);
        assert.equal(client.tls.isSessionReused(), true);
      });

      test('a ticket is refused by another listener, and by names that trust others', async (t) => {
        const port = scene().port(`names-${records}`);
        const session = await ticketOf(t, port, target);
        const other = await connectTls(t, scene().port(`other-${records}`), { ...target, session });
        await use(other);
        assert.equal(other.tls.isSessionReused(), false);
        const asks = scene().port(`asks-${records}`);
        assert.notEqual(await refusal(t, asks, { ...target, session }), 'connected');
        for (const servername of ['b.example', 'c.example']) {
          const code = await refusal(t, port, { ...target, servername, session });
          assert.notEqual(code, 'connected', servername);
        }
      });

      test('a ticket of a client that was let in is no way past another authority', async (t) => {
        const port = scene().port(`names-${records}`);
        const { chain, key } = pki.clients.issue({ name: 'device' });
        const session = await ticketOf(t, port, {
          ...target,
          servername: 'b.example',
          cert: chain,
          key,
        });
        const again = await connectTls(t, port, { ...target, servername: 'b.example', session });
        await use(again);
        assert.equal(again.tls.isSessionReused(), true);
        again.flow.finish();
        const { tls } = await scene().closed(again.flow);
        assert.equal((tls as { subject: string }).subject, 'CN=device');
        const code = await refusal(t, port, { ...target, servername: 'c.example', session });
        assert.notEqual(code, 'connected');
        const asks = scene().port(`asks-${records}`);
        assert.notEqual(await refusal(t, asks, { ...target, session }), 'connected');
      });

      test('none are given where they are off', async (t) => {
        const port = scene().port(`off-${records}`);
        const client = await connectTls(t, port, target);
        let tickets = 0;
        client.tls.on('session', () => {
          tickets++;
        });
        await use(client);
        const session = client.tls.getSession();
        client.flow.finish();
        await client.flow.ended();
        assert.equal(version === 'TLSv1.3' ? tickets : (client.tls.getTLSTicket()?.length ?? 0), 0);
        const again = await connectTls(t, port, { ...target, ...(session ? { session } : {}) });
        await use(again);
        assert.equal(again.tls.isSessionReused(), false);
      });

      test('a forged ticket means a full handshake', async (t) => {
        const port = scene().port(`names-${records}`);
        const session = await ticketOf(t, port, target);
        const ticket = Buffer.from(session);
        // Flips bits all over the ticket; where the encoding breaks, Node does not take it.
        for (let at = 60; at < ticket.length; at += 37) {
          const forged = Buffer.from(ticket);
          forged[at] = (forged[at] ?? 0) ^ 0x55;
          const client = await connectTls(t, port, { ...target, session: forged }).catch(
            () => null,
          );
          if (client !== null) {
            await use(client);
            client.flow.finish();
          }
        }
        await use(await connectTls(t, port, target));
      });
    });
  }

  test(`${records}: as many tickets as asked for`, async (t) => {
    const port = scene().port(`four-${records}`);
    const client = await connectTls(t, port, {});
    let tickets = 0;
    client.tls.on('session', () => {
      tickets++;
    });
    await use(client);
    client.flow.finish();
    await client.flow.ended();
    assert.equal(tickets, 4);
  });
}
