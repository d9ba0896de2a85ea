/**
 * Records that are wrong, on a connection that was right until then.
 *
 * Path: a peer that seals its own records -> listeners with TLS -> endpoints in clear.
 * Invariant: each is answered with the alert of its RFC, the endpoint sees an abnormal end and no
 * byte of the wrong record, and no other connection of the shard notices (threats B4, B5, B14).
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { type Flow, FlowOrigin } from '../tcp/flow.ts';
import { checksumOf, makeBytes } from '../tcp/pattern.ts';
import { RECORDS } from './pki.ts';
import { RecordPeer, type Shape } from './record-peer.ts';
import { listenerOf, shareScene } from './scene-tls.ts';
import { connectTls } from './tls-flow.ts';
import { ALERT, CCS, DATA, HANDSHAKE, plainRecord, RecordReader } from './wire-keys.ts';

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
const UNEXPECTED_MESSAGE = 10;
const BAD_RECORD_MAC = 20;
const RECORD_OVERFLOW = 22;
const ILLEGAL_PARAMETER = 47;
const DECODE_ERROR = 50;
const PROTOCOL_VERSION = 70;
const INTERNAL_ERROR = 80;
/** The connection just ends. */
const NO_ALERT = -1;
const NO_RENEGOTIATION = 100;
const CONTENT_MAX = 16_384;
const HELLO_REQUEST = Buffer.from([0, 0, 0, 0]);
/** More in a second than anyone needs. */
const FLOOD = 300;

let origin: FlowOrigin;
const { scene } = shareScene(async (pki, owner) => {
  origin = await FlowOrigin.start(owner);
  const certificates = [pki.pair({ name: 'a.example' })];
  return {
    shards: 1,
    listeners: RECORDS.map((records) => listenerOf(records, 'plain', { certificates, records })),
    clusters: [{ name: 'plain', endpoints: [origin.address] }],
  };
});

/** One way to be wrong: what is sent, and which alerts may answer it. */
interface Wrong {
  readonly name: string;
  readonly version?: (typeof VERSIONS)[number];
  readonly send: (peer: RecordPeer) => Promise<void>;
  readonly alerts: readonly number[];
  /** What OpenSSL's own records answer where they are less exact; none: they let it pass. */
  readonly openssl?: readonly number[];
}

function flipped(record: Buffer, at: number): Buffer {
  const forged = Buffer.from(record);
  const index = at < 0 ? record.length + at : at;
  forged[index] = (forged[index] ?? 0) ^ 1;
  return forged;
}

const WRONGS: readonly Wrong[] = [
  {
    name: 'a bit of the tag flipped',
    send: (peer) => peer.sendRaw(flipped(peer.seal(DATA, 'forged'), -1)),
    alerts: [BAD_RECORD_MAC],
  },
  {
    name: 'a bit of the text flipped',
    send: (peer) => peer.sendRaw(flipped(peer.seal(DATA, 'forged'), 15)),
    alerts: [BAD_RECORD_MAC],
  },
  {
    name: 'replayed',
    send: async (peer) => {
      const record = peer.seal(DATA, 'x');
      await peer.sendRaw(Buffer.concat([record, record]));
    },
    alerts: [BAD_RECORD_MAC],
  },
  {
    name: 'out of order',
    send: async (peer) => {
      const [first, second] = [peer.seal(DATA, 'one'), peer.seal(DATA, 'two')];
      await peer.sendRaw(Buffer.concat([second, first]));
    },
    alerts: [BAD_RECORD_MAC],
  },
  {
    name: 'one left out',
    send: async (peer) => {
      peer.seal(DATA, 'lost');
      await peer.send('next');
    },
    alerts: [BAD_RECORD_MAC],
  },
  {
    name: 'cut short, under a header that says so',
    send: (peer) => {
      const record = peer.seal(DATA, 'truncated');
      const cut = Buffer.from(record.subarray(0, -3));
      cut.writeUInt16BE(cut.length - 5, 3);
      return peer.sendRaw(cut);
    },
    alerts: [BAD_RECORD_MAC],
  },
  {
    name: 'too short for a tag',
    send: (peer) => peer.sendRaw(plainRecord(DATA, Buffer.alloc(7))),
    alerts: [BAD_RECORD_MAC, DECODE_ERROR],
    openssl: [BAD_RECORD_MAC, DECODE_ERROR, INTERNAL_ERROR],
  },
  {
    name: 'empty',
    send: (peer) => peer.sendRaw(plainRecord(DATA, Buffer.alloc(0))),
    alerts: [BAD_RECORD_MAC, DECODE_ERROR],
    openssl: [BAD_RECORD_MAC, DECODE_ERROR, INTERNAL_ERROR],
  },
  {
    name: 'longer than any record may be',
    send: (peer) => peer.sendRaw(plainRecord(DATA, Buffer.alloc(CONTENT_MAX + 2049))),
    alerts: [RECORD_OVERFLOW],
  },
  {
    name: 'contents longer than they may be',
    send: (peer) => peer.send(Buffer.alloc(CONTENT_MAX + 1)),
    alerts: [RECORD_OVERFLOW],
  },
  {
    name: 'contents and padding longer than they may be',
    version: 'TLSv1.3',
    send: (peer) => peer.sendRaw(peer.seal(DATA, Buffer.alloc(CONTENT_MAX - 9), 10)),
    alerts: [RECORD_OVERFLOW],
    openssl: [],
  },
  {
    name: 'of a type that is none',
    send: (peer) => peer.sendRaw(plainRecord(99, Buffer.alloc(40))),
    alerts: [UNEXPECTED_MESSAGE],
    openssl: [UNEXPECTED_MESSAGE, BAD_RECORD_MAC],
  },
  {
    name: 'of a type inside that is none',
    send: (peer) => peer.sendRaw(peer.seal(24, 'heartbeat')),
    alerts: [UNEXPECTED_MESSAGE],
  },
  {
    name: 'of another version',
    send: (peer) => {
      const record = Buffer.from(peer.seal(DATA, 'version'));
      record[1] = 2;
      return peer.sendRaw(record);
    },
    alerts: [PROTOCOL_VERSION, DECODE_ERROR, BAD_RECORD_MAC],
  },
  {
    name: 'in clear',
    send: (peer) => peer.sendRaw(Buffer.from('GET / HTTP/1.1\r\n\r\n')),
    alerts: [UNEXPECTED_MESSAGE, PROTOCOL_VERSION, RECORD_OVERFLOW, BAD_RECORD_MAC],
  },
  {
    name: 'an alert in clear',
    version: 'TLSv1.3',
    send: (peer) => peer.sendRaw(plainRecord(ALERT, Buffer.from([1, 0]))),
    alerts: [UNEXPECTED_MESSAGE, BAD_RECORD_MAC],
  },
  {
    name: 'ChangeCipherSpec after the handshake',
    version: 'TLSv1.3',
    send: (peer) => peer.sendRaw(plainRecord(CCS, Buffer.from([1]))),
    alerts: [UNEXPECTED_MESSAGE],
  },
  {
    name: 'nothing but padding',
    version: 'TLSv1.3',
    send: (peer) => peer.sendRaw(peer.seal(0, '', 20)),
    alerts: [UNEXPECTED_MESSAGE],
  },
  {
    name: 'an alert of three bytes',
    send: (peer) => peer.sendRaw(peer.seal(ALERT, Buffer.from([1, 0, 0]))),
    alerts: [DECODE_ERROR, UNEXPECTED_MESSAGE],
  },
  {
    name: 'a handshake record without contents',
    version: 'TLSv1.3',
    send: (peer) => peer.sendRaw(peer.seal(HANDSHAKE, '')),
    alerts: [UNEXPECTED_MESSAGE],
  },
  {
    name: 'a KeyUpdate that asks for neither',
    version: 'TLSv1.3',
    send: (peer) => peer.sendRaw(peer.seal(HANDSHAKE, Buffer.from([24, 0, 0, 1, 2]))),
    alerts: [ILLEGAL_PARAMETER],
  },
  {
    name: 'a KeyUpdate of two bytes',
    version: 'TLSv1.3',
    send: (peer) => peer.sendRaw(peer.seal(HANDSHAKE, Buffer.from([24, 0, 0, 2, 0, 0]))),
    alerts: [DECODE_ERROR],
    openssl: [ILLEGAL_PARAMETER],
  },
  {
    name: 'something behind a KeyUpdate in its record',
    version: 'TLSv1.3',
    send: (peer) => {
      const update = Buffer.from([24, 0, 0, 1, 0]);
      return peer.sendRaw(peer.seal(HANDSHAKE, Buffer.concat([update, update])));
    },
    alerts: [UNEXPECTED_MESSAGE],
  },
  {
    name: 'data between the pieces of a KeyUpdate',
    version: 'TLSv1.3',
    send: async (peer) => {
      await peer.sendRaw(peer.seal(HANDSHAKE, Buffer.from([24, 0, 0])));
      await peer.send('between');
    },
    alerts: [UNEXPECTED_MESSAGE],
  },
  {
    name: 'another ClientHello',
    version: 'TLSv1.3',
    send: (peer) => peer.sendRaw(peer.seal(HANDSHAKE, Buffer.from([1, 0, 0, 2, 3, 3]))),
    alerts: [UNEXPECTED_MESSAGE],
  },
  {
    name: 'a ticket from a client',
    version: 'TLSv1.3',
    send: (peer) => peer.sendRaw(peer.seal(HANDSHAKE, Buffer.from([4, 0, 0, 1, 0]))),
    alerts: [UNEXPECTED_MESSAGE],
  },
  {
    name: 'a HelloRequest from a client',
    version: 'TLSv1.2',
    send: (peer) => peer.sendRaw(peer.seal(HANDSHAKE, HELLO_REQUEST)),
    alerts: [UNEXPECTED_MESSAGE, NO_RENEGOTIATION],
  },
  {
    name: 'a flood of KeyUpdates',
    version: 'TLSv1.3',
    send: async (peer) => {
      const all = Array.from({ length: FLOOD }, () => {
        const record = peer.seal(HANDSHAKE, Buffer.from([24, 0, 0, 1, 0]));
        peer.writing.update();
        return record;
      });
      await peer.sendRaw(Buffer.concat(all));
    },
    alerts: [UNEXPECTED_MESSAGE],
    openssl: [NO_ALERT],
  },
  {
    name: 'a flood of empty records',
    send: async (peer) => {
      const all = Array.from({ length: 4 * FLOOD }, () => peer.seal(DATA, ''));
      await peer.sendRaw(Buffer.concat(all));
    },
    alerts: [UNEXPECTED_MESSAGE],
  },
  {
    name: 'a flood of warnings',
    version: 'TLSv1.2',
    send: async (peer) => {
      const all = Array.from({ length: FLOOD }, () => peer.seal(ALERT, Buffer.from([1, 90])));
      await peer.sendRaw(Buffer.concat(all));
    },
    alerts: [UNEXPECTED_MESSAGE],
  },
];

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

      const alertsFor = ({ alerts, openssl }: Wrong): readonly number[] =>
        records === 'openssl' ? (openssl ?? alerts) : alerts;
      const wrongs = WRONGS.filter((each) => (each.version ?? version) === version);
      for (const wrong of wrongs.filter((each) => alertsFor(each).length > 0)) {
        test(wrong.name, async (t) => {
          const other = await meet(t);
          const { peer, endpoint } = await meet(t);
          await wrong.send(peer).catch(() => {});
          const [, text = `${NO_ALERT}`] = /^alert (\d+)$/.exec(await peer.outcome()) ?? [];
          assert.ok(alertsFor(wrong).includes(Number(text)), `alert ${text}`);
          assert.equal(await endpoint.ended(), 'ECONNRESET');
          assert.match(endpoint.text, /^hello(x)?$/);
          assert.equal(await scene().reasonOf(peer), 'client-tls-violation');
          await other.peer.send('unharmed');
          await other.endpoint.heard(13);
          await scene().canary.beat();
        });
      }

      test('records in one-byte segments, and records of one byte', async (t) => {
        const { peer, endpoint } = await meet(t);
        const text = makeBytes('dribble', 700);
        for (const byte of text.subarray(0, 350)) {
          await peer.send(Buffer.from([byte]));
        }
        await peer.dribble(peer.seal(DATA, text.subarray(350)));
        await endpoint.heard(5 + text.length);
        assert.equal(endpoint.checksum, checksumOf(Buffer.concat([Buffer.from('hello'), text])));
        await endpoint.send('ok');
        assert.equal((await peer.take(2)).toString(), 'ok');
      });

      test('records of every size at the edges', async (t) => {
        const { peer, endpoint } = await meet(t);
        let sum = 5;
        for (const size of [1, 2, 1368, 1369, 1370, CONTENT_MAX - 1, CONTENT_MAX]) {
          await peer.send(makeBytes('edge', size));
          sum += size;
          await endpoint.heard(sum);
        }
        await peer.sendRaw(peer.seal(DATA, ''));
        await peer.send('end');
        await endpoint.heard(sum + 3);
      });
    });
  }

  describe(records, () => {
    test('KeyUpdates of both forms, in the middle of traffic both ways', async (t) => {
      const peer = await RecordPeer.connect(t, scene().port(records));
      const endpoint = await origin.next();
      endpoint.socket.on('data', (bytes: Buffer) => endpoint.socket.write(bytes));
      for (let round = 0; round < 12; round++) {
        await peer.echo(`round ${round}`);
        await peer.updateKeys(round % 2 === 0);
        await peer.echo('after'.repeat(1000));
      }
      // The answers to six requests came in between, and were followed.
      await peer.echo('end');
    });

    test('a KeyUpdate in pieces', async (t) => {
      const peer = await RecordPeer.connect(t, scene().port(records));
      const endpoint = await origin.next();
      endpoint.socket.on('data', (bytes: Buffer) => endpoint.socket.write(bytes));
      for (const byte of [24, 0, 0, 1, 1]) {
        await peer.sendRaw(peer.seal(HANDSHAKE, Buffer.from([byte])));
      }
      peer.writing.update();
      await peer.echo('after');
    });

    test('a Finished of TLS 1.2 in records of one byte', async (t) => {
      const shape: Shape = (bytes, opened, peer) => {
        const finished = opened.at(-1);
        const isLast = opened.some(({ type }) => type === CCS) && finished?.type === HANDSHAKE;
        if (!isLast) {
          return [bytes];
        }
        const keys = peer.writing;
        keys.sequence = 0n;
        const whole = new RecordReader().push(bytes);
        const clear = whole.slice(0, -1).map(({ raw }) => raw);
        const cut = Array.from(finished.plain, (byte) => keys.seal(HANDSHAKE, Buffer.from([byte])));
        return [Buffer.concat([...clear, ...cut])];
      };
      const connected = await RecordPeer.connect(t, scene().port(records), {
        maxVersion: 'TLSv1.2',
        shape,
      });
      const endpoint = await origin.next();
      await connected.send('counted');
      await endpoint.heardAll('counted');
    });

    test('padding is taken off', async (t) => {
      const peer = await RecordPeer.connect(t, scene().port(records));
      const endpoint = await origin.next();
      await peer.sendRaw(peer.seal(DATA, 'padded', 5000));
      await endpoint.heardAll('padded');
    });

    test('a client that renegotiates is refused', async (t) => {
      const { flow, tls } = await connectTls(t, scene().port(records), { maxVersion: 'TLSv1.2' });
      const endpoint = await origin.next();
      await flow.send('x');
      await endpoint.heard(1);
      const refused = new Promise<unknown>((resolve) => {
        tls.once('error', resolve);
        tls.once('close', () => resolve('closed'));
      });
      tls.renegotiate({ rejectUnauthorized: false }, () => {});
      const error = await refused;
      assert.match(
        String((error as NodeJS.ErrnoException).code ?? error),
        /RENEGOTIATION|UNEXPECTED/,
      );
    });
  });
}

test('a KeyUpdate that asks for one is answered at once', async (t) => {
  // OpenSSL waits for something else to send.
  const peer = await RecordPeer.connect(t, scene().port('detached'));
  await origin.next();
  await peer.updateKeys(true);
  const answer = await peer.record(HANDSHAKE, (plain) => plain[0] === 24);
  assert.deepEqual([...answer], [24, 0, 0, 1, 0]);
});
