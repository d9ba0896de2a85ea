/**
 * PROXY headers that the gateway sends to endpoints, and those that it passes on.
 *
 * Path: a client, with or without a header of its own -> a cluster with `proxyProtocol` -> what the
 * endpoint reads first.
 * Invariant under test: the endpoint reads exactly one header, before the client's first byte and
 * also when the client says nothing; addresses are the client's, and TLVs survive from v2 to v2.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { GatewayProcess, makeDirectory } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Origin } from '../peers/origin.ts';
import {
  LOCAL,
  TLV_AUTHORITY,
  TLV_CRC32C,
  TLV_CUSTOM,
  TLV_UNIQUE_ID,
  takeV2,
  v1,
  v2,
  v2Raw,
  withChecksum,
} from '../peers/proxy-header.ts';
import { Wire } from '../peers/wire.ts';

/** 127.0.0.1 must send a header; 127.0.0.2 sends none. */
const PLAIN = '127.0.0.2';

const file = createFileOwner();
let origin: Origin;
let six: Origin;
let gateway: GatewayProcess;
let unixPath: string;
const ports = new Map<string, number>();

before(async () => {
  const directory = makeDirectory(file);
  unixPath = join(directory, 'front.sock');
  origin = await Origin.start(file);
  six = await Origin.start(file, { host: '::1' });
  const listener = (name: string, cluster: string, bind = '127.0.0.1:0'): string =>
    `- { name: ${name}, bind: "${bind}", proxyProtocol: { accept: [127.0.0.1, "::1"] }, cluster: ${cluster} }`;
  gateway = await GatewayProcess.start(file, {
    directory,
    yaml: `
shards: 1
listeners:
  ${listener('to-v1', 'v1')}
  ${listener('to-v2', 'v2')}
  ${listener('to-none', 'none')}
  ${listener('to-six', 'six')}
  - { name: six-to-v1, bind: "[::1]:0", cluster: v1 }
  - { name: six-to-v2, bind: "[::1]:0", cluster: v2 }
  - { name: unix-to-v1, bind: "unix:${unixPath}.1", cluster: v1 }
  - { name: unix-to-v2, bind: "unix:${unixPath}.2", cluster: v2 }
clusters:
  - { name: v1, endpoints: [${origin.address}], proxyProtocol: v1 }
  - { name: v2, endpoints: [${origin.address}], proxyProtocol: v2 }
  - { name: none, endpoints: [${origin.address}] }
  - { name: six, endpoints: [${six.address}], proxyProtocol: v2 }
`,
  });
  const { json } = await gateway.admin('GET', '/v1/status');
  for (const { name, address } of json.listeners) {
    ports.set(name, Number(/:(\d+)$/.exec(address)?.[1] ?? 0));
  }
});

function portOf(listener: string): number {
  return ports.get(listener) ?? -1;
}

test('v1: the line comes before anything that the client says, which may be nothing', async (t) => {
  const wire = await Wire.connect(t, { port: portOf('to-v1'), localAddress: PLAIN });
  const seen = await origin.next();
  const line = `PROXY TCP4 ${PLAIN} 127.0.0.1 ${wire.socket.localPort} ${portOf('to-v1')}\r`;
  assert.equal(await seen.line(), line);
  wire.send('hello');
  assert.equal((await seen.take(5)).toString(), 'hello');
});

test('v2: the same, in binary', async (t) => {
  const wire = await Wire.connect(t, { port: portOf('to-v2'), localAddress: PLAIN });
  const seen = await origin.next();
  assert.deepEqual(await takeV2(seen), {
    source: `${PLAIN}:${wire.socket.localPort}`,
    destination: `127.0.0.1:${portOf('to-v2')}`,
    tlvs: [],
    command: 'proxy',
  });
  wire.send('hello');
  assert.equal((await seen.take(5)).toString(), 'hello');
});

test('IPv6 clients', async (t) => {
  const one = await Wire.connect(t, { host: '::1', port: portOf('six-to-v1') });
  const line = `PROXY TCP6 ::1 ::1 ${one.socket.localPort} ${portOf('six-to-v1')}\r`;
  assert.equal(await (await origin.next()).line(), line);
  const two = await Wire.connect(t, { host: '::1', port: portOf('six-to-v2') });
  const header = await takeV2(await origin.next());
  assert.equal(header.source, `[::1]:${two.socket.localPort}`);
  assert.equal(header.destination, `[::1]:${portOf('six-to-v2')}`);
});

test('clients of a Unix socket have no address', async (t) => {
  await Wire.connect(t, { path: `${unixPath}.1` });
  assert.equal(await (await origin.next()).line(), 'PROXY UNKNOWN\r');
  const wire = await Wire.connect(t, { path: `${unixPath}.2` });
  const seen = await origin.next();
  const fixed = await seen.take(16);
  assert.equal(fixed[12], 0x21);
  assert.ok(fixed[13] === 0x31 || fixed[13] === 0x00, `family ${fixed[13]}`);
  await seen.take(fixed.readUInt16BE(14));
  wire.send('hello');
  assert.equal((await seen.take(5)).toString(), 'hello');
});

test('an endpoint over IPv6 hears of an IPv4 client as such', async (t) => {
  const wire = await Wire.connect(t, { port: portOf('to-six'), localAddress: PLAIN });
  const header = await takeV2(await six.next());
  assert.equal(header.source, `${PLAIN}:${wire.socket.localPort}`);
});

const SOURCE = '192.0.2.1:1001';
const DESTINATION = '198.51.100.1:443';
const SOURCE_SIX = '[2001:db8::1]:1002';
const DESTINATION_SIX = '[2001:db8::2]:443';

for (const [name, header, line] of [
  ['v1 to v1', v1(SOURCE, DESTINATION), 'PROXY TCP4 192.0.2.1 198.51.100.1 1001 443\r'],
  ['v2 to v1', v2(SOURCE, DESTINATION), 'PROXY TCP4 192.0.2.1 198.51.100.1 1001 443\r'],
  [
    'v2 IPv6 to v1',
    v2(SOURCE_SIX, DESTINATION_SIX),
    'PROXY TCP6 2001:db8::1 2001:db8::2 1002 443\r',
  ],
] as const) {
  test(`${name}: what the header said is said again`, async (t) => {
    const wire = await Wire.connect(t, portOf('to-v1'));
    wire.send(Buffer.concat([header, Buffer.from('hello')]));
    const seen = await origin.next();
    assert.equal(await seen.line(), line);
    assert.equal((await seen.take(5)).toString(), 'hello');
  });
}

for (const [name, header, source, destination] of [
  ['v1 to v2', v1(SOURCE, DESTINATION), SOURCE, DESTINATION],
  ['v1 IPv6 to v2', v1(SOURCE_SIX, DESTINATION_SIX), SOURCE_SIX, DESTINATION_SIX],
  ['v2 to v2', v2(SOURCE, DESTINATION), SOURCE, DESTINATION],
  ['v2 IPv6 to v2', v2(SOURCE_SIX, DESTINATION_SIX), SOURCE_SIX, DESTINATION_SIX],
] as const) {
  test(`${name}: what the header said is said again`, async (t) => {
    const wire = await Wire.connect(t, portOf('to-v2'));
    wire.send(Buffer.concat([header, Buffer.from('hello')]));
    const seen = await origin.next();
    assert.deepEqual(await takeV2(seen), { source, destination, tlvs: [], command: 'proxy' });
    assert.equal((await seen.take(5)).toString(), 'hello');
  });
}

test('TLVs pass from v2 to v2 in their order, and the checksum is right again', async (t) => {
  const tlvs = [
    { type: TLV_UNIQUE_ID, value: Buffer.from('unique-0001') },
    { type: TLV_AUTHORITY, value: Buffer.from('chat.example') },
    { type: TLV_CUSTOM, value: Buffer.alloc(3500, 0xa5) },
    { type: TLV_CUSTOM, value: Buffer.alloc(0) },
  ];
  const wire = await Wire.connect(t, portOf('to-v2'));
  wire.send(Buffer.concat([withChecksum(v2(SOURCE, DESTINATION, tlvs)), Buffer.from('hello')]));
  const seen = await origin.next();
  const header = await takeV2(seen);
  assert.deepEqual(header.tlvs.slice(0, 4), tlvs);
  assert.deepEqual(
    header.tlvs.slice(4).map(({ type }) => type),
    [TLV_CRC32C],
  );
  assert.equal((await seen.take(5)).toString(), 'hello');
});

test('TLVs end where the cluster sends v1, or nothing', async (t) => {
  const header = v2(SOURCE, DESTINATION, [{ type: TLV_AUTHORITY, value: Buffer.alloc(900, 65) }]);
  for (const [listener, expected] of [
    ['to-v1', 'PROXY TCP4 192.0.2.1 198.51.100.1 1001 443\r'],
    ['to-none', 'hello'],
  ] as const) {
    const wire = await Wire.connect(t, portOf(listener));
    wire.send(Buffer.concat([header, Buffer.from('hello\n')]));
    assert.equal(await (await origin.next()).line(), expected);
  }
});

test('a peer that speaks for itself: its own addresses are sent', async (t) => {
  for (const header of [v2Raw(LOCAL, 0, Buffer.alloc(0)), Buffer.from('PROXY UNKNOWN\r\n')]) {
    const wire = await Wire.connect(t, portOf('to-v1'));
    wire.send(header);
    const line = `PROXY TCP4 127.0.0.1 127.0.0.1 ${wire.socket.localPort} ${portOf('to-v1')}\r`;
    assert.equal(await (await origin.next()).line(), line);
  }
});

test('an IPv4 address that is written as IPv6 is an IPv4 address', async (t) => {
  const wire = await Wire.connect(t, portOf('to-v1'));
  // The form of a proxy that has one socket for both families.
  wire.send('PROXY TCP6 ::ffff:192.0.2.9 ::ffff:198.51.100.1 999 443\r\nhello\n');
  const line = await (await origin.next()).line();
  assert.match(line, /^PROXY TCP[46] (::ffff:)?192\.0\.2\.9 (::ffff:)?198\.51\.100\.1 999 443\r$/);
  const { json } = await gateway.admin('GET', '/v1/connections?client=192.0.2.9');
  assert.equal(json.connections[0]?.client, '192.0.2.9:999');
  const mapped = await gateway.admin('GET', '/v1/connections?client=::ffff:192.0.2.9');
  assert.equal(mapped.json.connections[0]?.id, json.connections[0]?.id);
});

test('the header of each connection is its own, under many at once', async (t) => {
  const count = 200;
  const wires = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const wire = await Wire.connect(t, portOf('to-v2'));
      wire.send(
        Buffer.concat([v2(`192.0.2.9:${index + 1}`, DESTINATION), Buffer.from(`${index}\n`)]),
      );
      return wire;
    }),
  );
  const told = new Set<string>();
  for (const _ of wires) {
    const seen = await origin.next();
    const { source } = await takeV2(seen);
    const index = Number(await seen.line());
    assert.equal(source, `192.0.2.9:${index + 1}`);
    told.add(source);
  }
  assert.equal(told.size, count);
});

test('an endpoint that fails before it read a header costs the client nothing', async (t) => {
  const dead = await Origin.start(t);
  dead.stop();
  const { json } = await gateway.admin('PATCH', '/v1/clusters/v2/endpoints', {
    add: [{ address: dead.address }],
  });
  assert.equal(json.result, 'applied');
  // least-connections prefers the idle one, which refuses; the header is sent to the other.
  for (let index = 0; index < 8; index++) {
    const wire = await Wire.connect(t, portOf('to-v2'));
    wire.send(Buffer.concat([v2(SOURCE, DESTINATION), Buffer.from('hello')]));
    const seen = await origin.next();
    assert.equal((await takeV2(seen)).source, SOURCE);
    assert.equal((await seen.take(5)).toString(), 'hello');
  }
});
