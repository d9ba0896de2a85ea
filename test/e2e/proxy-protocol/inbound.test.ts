/**
 * PROXY headers that clients send: who must, who may not, and what becomes of wrong ones.
 *
 * Path: a client with a header in front of its bytes -> a listener with `proxyProtocol.accept`.
 * Invariant under test: a trusted peer sends exactly one valid header or gets RST; an untrusted
 * peer's bytes are relayed as they are; no byte behind the header is lost, however the bytes are
 * cut into segments.
 */
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { GatewayProcess } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Origin } from '../peers/origin.ts';
import {
  LOCAL,
  TLV_AUTHORITY,
  TLV_CUSTOM,
  v1,
  v2,
  v2Raw,
  withChecksum,
} from '../peers/proxy-header.ts';
import { Wire } from '../peers/wire.ts';

/** Only 127.0.0.1 and ::1 are trusted. */
const UNTRUSTED = '127.0.0.2';

const file = createFileOwner();
let origin: Origin;
let gateway: GatewayProcess;
let port: number;

before(async () => {
  origin = await Origin.start(file, { isEcho: true });
  gateway = await GatewayProcess.start(file, {
    yaml: `
shards: 2
listeners:
  - name: front
    bind: 127.0.0.1:0
    proxyProtocol: { accept: [127.0.0.1, "::1"] }
    cluster: origin
  - name: hasty
    bind: 127.0.0.1:0
    proxyProtocol: { accept: [127.0.0.1], timeout: 100ms }
    cluster: origin
  - name: six
    bind: "[::1]:0"
    proxyProtocol: { accept: ["::1"] }
    cluster: origin
clusters:
  - { name: origin, endpoints: [${origin.address}] }
`,
  });
  port = await gateway.port('front');
});

beforeEach(async () => {
  await gateway.adminUntil('/v1/status', ({ json }) => json.connections === 0);
});

async function count(reason: string): Promise<number> {
  return sumOf((await gateway.counted('/v1/stats')).json, reason);
}

function sumOf(
  stats: { readonly listeners: readonly { readonly closed: Record<string, number> }[] },
  reason: string,
): number {
  return stats.listeners.reduce((sum, { closed }) => sum + (closed[reason] ?? 0), 0);
}

/** Waits until so many connections have ended for this reason: the RST comes before the count. */
async function whenCounted(reason: string, wanted: number): Promise<void> {
  await gateway.adminUntil('/v1/stats', ({ json }) => sumOf(json, reason) === wanted);
}

for (const [name, header, client] of [
  ['v1 TCP4', v1('192.0.2.1:1001', '198.51.100.1:443'), '192.0.2.1:1001'],
  ['v1 TCP6', v1('[2001:db8::1]:1002', '[2001:db8::2]:443'), '[2001:db8::1]:1002'],
  ['v2 TCP4', v2('192.0.2.2:1003', '198.51.100.1:443'), '192.0.2.2:1003'],
  ['v2 TCP6', v2('[2001:db8::3]:1004', '[2001:db8::2]:443'), '[2001:db8::3]:1004'],
  [
    'v2 with TLVs and a checksum',
    withChecksum(
      v2('192.0.2.3:1005', '198.51.100.1:443', [
        { type: TLV_AUTHORITY, value: Buffer.from('chat.example') },
        { type: TLV_CUSTOM, value: Buffer.alloc(3000, 7) },
      ]),
    ),
    '192.0.2.3:1005',
  ],
] as const) {
  test(`${name}: the header's client counts, its bytes do not`, async (t) => {
    const wire = await Wire.connect(t, port);
    wire.send(header);
    await wire.echo('hello');
    const { json } = await gateway.admin('GET', '/v1/connections?listener=front');
    const [shown] = json.connections;
    assert.equal(json.connections.length, 1);
    assert.equal(shown.client, client);
    assert.equal(shown.bytesFromClient, 5);
    const ip = client.replace(/^\[?(.*?)\]?:\d+$/, '$1');
    const found = await gateway.admin('GET', `/v1/connections?client=${encodeURIComponent(ip)}`);
    assert.equal(found.json.connections[0]?.id, shown.id);
    assert.deepEqual(
      (await gateway.admin('GET', '/v1/connections?client=127.0.0.1')).json.connections,
      [],
    );
    wire.finish();
    assert.equal(await wire.ended, 'fin');
    const record = await gateway.accessed(({ id }) => id === shown.id);
    assert.equal(record['client'], client);
    assert.equal(record['bytesFromClient'], 5);
    assert.equal(record['reason'], 'client-closed');
  });
}

for (const [name, header] of [
  ['v1 UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n')],
  [
    'v1 UNKNOWN with anything behind it',
    Buffer.from('PROXY UNKNOWN \x01\xff not read\r\n', 'latin1'),
  ],
  ['v2 LOCAL', v2Raw(LOCAL, 0, Buffer.alloc(0))],
  ['v2 LOCAL with a block that nobody reads', v2Raw(LOCAL, 0x11, Buffer.alloc(50, 0xee))],
  ['v2 UNSPEC', v2Raw(0x21, 0, Buffer.alloc(0))],
] as const) {
  test(`${name}: the socket's own address counts`, async (t) => {
    const wire = await Wire.connect(t, port);
    wire.send(header);
    await wire.echo('hello');
    const { json } = await gateway.admin('GET', '/v1/connections?listener=front');
    assert.equal(json.connections[0].client, `127.0.0.1:${wire.socket.localPort}`);
    wire.finish();
    await wire.ended;
    await gateway.accessed(({ id }) => id === json.connections[0].id);
  });
}

test('a header in a connection over IPv6', async (t) => {
  const wire = await Wire.connect(t, { host: '::1', port: await gateway.port('six') });
  wire.send(v1('192.0.2.77:77', '198.51.100.1:443'));
  await wire.echo('across families');
  const { json } = await gateway.admin('GET', '/v1/connections?listener=six');
  assert.equal(json.connections[0].client, '192.0.2.77:77');
});

test('an untrusted peer is relayed as it is, header and all', async (t) => {
  const wire = await Wire.connect(t, { port, localAddress: UNTRUSTED });
  await wire.echo(v1('192.0.2.9:9', '198.51.100.1:443').toString());
  await wire.echo('more');
  const { json } = await gateway.admin('GET', `/v1/connections?client=${UNTRUSTED}`);
  assert.equal(json.connections.length, 1);
});

test('an untrusted peer that says nothing is connected to its endpoint all the same', async (t) => {
  const accepted = origin.accepted;
  const wire = await Wire.connect(t, { port, localAddress: UNTRUSTED });
  await origin.whenAccepted(accepted + 1);
  wire.finish();
  assert.equal(await wire.ended, 'fin');
});

test('header and bytes in one segment, and a second header behind the first is only bytes', async (t) => {
  const wire = await Wire.connect(t, port);
  const header = v2('192.0.2.4:1006', '198.51.100.1:443');
  const said = `${v1('192.0.2.5:5', '192.0.2.6:6').toString()}and so on`;
  wire.send(Buffer.concat([header, Buffer.from(said)]));
  assert.equal((await wire.take(said.length)).toString(), said);
  wire.finish();
  const record = await gateway.accessed(({ client }) => client === '192.0.2.4:1006');
  assert.equal(record['bytesFromClient'], said.length);
});

test('header, bytes and FIN at once: nothing is lost', async (t) => {
  const wire = Wire.open(t, port);
  wire.socket.end(Buffer.concat([v1('192.0.2.7:7', '192.0.2.8:8'), Buffer.from('the last words')]));
  assert.equal((await wire.take(14)).toString(), 'the last words');
  assert.equal(await wire.ended, 'fin');
});

for (const [name, header] of [
  ['v1', v1('192.0.2.21:2100', '198.51.100.1:443')],
  [
    'v2',
    withChecksum(v2('192.0.2.22:2200', '198.51.100.1:443', [{ type: 4, value: Buffer.alloc(5) }])),
  ],
] as const) {
  test(`${name}: cut at every byte`, async (t) => {
    // The second parts leave when every connection waits with its first part only.
    const cuts = Array.from({ length: header.length - 1 }, (_, index) => index + 1);
    const wires = await Promise.all(cuts.map(() => Wire.connect(t, port)));
    for (const [index, wire] of wires.entries()) {
      wire.socket.setNoDelay(true);
      wire.send(header.subarray(0, cuts[index]));
    }
    await gateway.adminUntil('/v1/connections?listener=front&limit=1000', ({ json }) => {
      const waiting = json.connections.filter((each: { state: string }) => each.state === 'header');
      return waiting.length === wires.length;
    });
    for (const [index, wire] of wires.entries()) {
      wire.send(header.subarray(cuts[index]));
    }
    await Promise.all(wires.map((wire, index) => wire.echo(`cut ${index}`)));
    const { json } = await gateway.admin('GET', '/v1/connections?listener=front&limit=1000');
    const clients = new Set(json.connections.map((each: { client: string }) => each.client));
    assert.deepEqual([...clients], [name === 'v1' ? '192.0.2.21:2100' : '192.0.2.22:2200']);
  });
}

test('one byte at a time', async (t) => {
  const wire = await Wire.connect(t, port);
  wire.socket.setNoDelay(true);
  const said = 'and then its bytes, one at a time too';
  const whole = Buffer.concat([v2('192.0.2.23:2300', '198.51.100.1:443'), Buffer.from(said)]);
  for (const byte of whole) {
    await new Promise((resolve) => {
      wire.socket.write(Buffer.from([byte]), resolve);
    });
  }
  assert.equal((await wire.take(said.length)).toString(), said);
});

for (const [name, bytes] of [
  ['HTTP', 'GET / HTTP/1.1\r\n\r\n'],
  ['a TLS hello', Buffer.from('16030100ca010000c60303', 'hex')],
  ['binary noise', Buffer.from('00ff00ff', 'hex')],
  ['one wrong byte', 'X'],
  ['a v1 line of another protocol', 'PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n'],
  ['a v1 line with LF only', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\nhello\r\n'],
  ['a v1 line with a leading zero', 'PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n'],
  ['a v1 line with a port too large', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n'],
  ['a v1 line with two spaces', 'PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n'],
  ['a v1 line with families mixed', 'PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n'],
  ['a v1 line that never ends', `PROXY TCP4 ${'1'.repeat(200)}`],
  ['v2 of version 3', v2Raw(0x31, 0x11, Buffer.alloc(12))],
  ['v2 with an unknown command', v2Raw(0x22, 0x11, Buffer.alloc(12))],
  ['v2 with an unknown family', v2Raw(0x21, 0x41, Buffer.alloc(12))],
  ['v2 shorter than its addresses', v2Raw(0x21, 0x11, Buffer.alloc(11))],
  [
    'v2 with a TLV that leaves it',
    v2Raw(0x21, 0x11, Buffer.concat([Buffer.alloc(12), Buffer.from([1, 0, 9, 1])])),
  ],
  ['v2 that announces more than is taken', v2Raw(0x21, 0x11, Buffer.alloc(5000))],
  ['v2 with a wrong checksum', breakLastByte(withChecksum(v2('192.0.2.1:1', '192.0.2.2:2')))],
] as const) {
  test(`refused with RST at once: ${name}`, async (t) => {
    const before = await count('proxy-header-invalid');
    const accepted = origin.accepted;
    const wire = Wire.open(t, port);
    wire.send(bytes);
    assert.equal(await wire.ended, 'ECONNRESET');
    await whenCounted('proxy-header-invalid', before + 1);
    assert.equal(origin.accepted, accepted, 'no endpoint was bothered');
  });
}

test('a header that stops half way is closed when the client ends', async (t) => {
  const before = await count('proxy-header-invalid');
  for (const part of [Buffer.alloc(0), v1('192.0.2.1:1', '192.0.2.2:2').subarray(0, 20)]) {
    const wire = Wire.open(t, port);
    wire.socket.end(part);
    assert.notEqual(await wire.ended, 'fin');
  }
  await whenCounted('proxy-header-invalid', before + 2);
});

test('a connection that waits for its header is shown, and can be ended', async (t) => {
  const wire = await Wire.connect(t, port);
  wire.send('PROXY TCP4');
  const { json } = await gateway.adminUntil('/v1/connections', (answer) => {
    return answer.json.connections.length === 1;
  });
  const [shown] = json.connections;
  assert.equal(shown.state, 'header');
  assert.equal(shown.endpoint, null);
  assert.equal(shown.client, `127.0.0.1:${wire.socket.localPort}`);
  assert.equal((await gateway.admin('DELETE', `/v1/connections/${shown.id}`)).status, 200);
  assert.equal(await wire.ended, 'ECONNRESET');
  const record = await gateway.accessed(({ id }) => id === shown.id);
  assert.equal(record['reason'], 'killed');
  assert.equal(record['endpoint'], null);
  assert.equal(record['bytesFromClient'], 0);
});

test('a header that does not come, or dribbles, is closed at its deadline', async (t) => {
  const before = await count('proxy-header-timeout');
  const hasty = await gateway.port('hasty');
  const silent = await Wire.connect(t, hasty);
  const dribbling = await Wire.connect(t, hasty);
  dribbling.socket.setNoDelay(true);
  const header = v1('192.0.2.1:1', '192.0.2.2:2');
  let sent = 0;
  const timer = setInterval(() => {
    // Never the last byte: a deadline that bytes could move would never come.
    if (sent < header.length - 1) {
      dribbling.send(header.subarray(sent, ++sent));
    }
  }, 20);
  t.after(() => clearInterval(timer));
  assert.equal(await silent.ended, 'ECONNRESET');
  assert.equal(await dribbling.ended, 'ECONNRESET');
  await whenCounted('proxy-header-timeout', before + 2);
});

function breakLastByte(bytes: Buffer): Buffer {
  const broken = Buffer.from(bytes);
  broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 0xff;
  return broken;
}
