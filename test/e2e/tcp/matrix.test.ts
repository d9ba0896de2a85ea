/**
 * The same conversations over IPv4, IPv6 and Unix sockets on both sides, with bytes written
 * together and one by one: what arrives does not depend on how it was cut (A17).
 *
 * Path: nine listeners, one for each pair of families, in front of three origins.
 * Invariant under test: bytes, ends and resets are relayed alike whatever the sockets are. One
 * limit is the kernel's: a Unix socket knows no RST, so its peer reads an end where a TCP peer
 * reads a reset.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { makeDirectory } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { type Flow, FlowOrigin, type FlowTarget, type WriteStyle } from './flow.ts';
import { makeBytes } from './pattern.ts';
import { Scene } from './scene.ts';

const FAMILIES = ['ipv4', 'ipv6', 'unix'] as const;
type Family = (typeof FAMILIES)[number];

const SIZES: Readonly<Record<WriteStyle, readonly number[]>> = {
  whole: [1, 4095, 4096, 4097, 65_536, 131_072, 400_000],
  bytes: [1, 3, 700],
};

const file = createFileOwner();
const origins = new Map<Family, FlowOrigin>();
let directory: string;
let scene: Scene;

function targetOf(family: Family, name: string): FlowTarget {
  if (family === 'unix') {
    return { path: join(directory, name) };
  }
  return { host: family === 'ipv6' ? '::1' : '127.0.0.1', port: scene.port(name) };
}

before(async () => {
  directory = makeDirectory(file);
  origins.set('ipv4', await FlowOrigin.start(file));
  origins.set('ipv6', await FlowOrigin.start(file, { host: '::1' }));
  origins.set('unix', await FlowOrigin.start(file, { path: join(directory, 'origin') }));
  const bindOf = (family: Family, name: string): string =>
    ({ ipv4: '127.0.0.1:0', ipv6: '[::1]:0', unix: `unix:${join(directory, name)}` })[family];
  scene = await Scene.start(file, {
    listeners: FAMILIES.flatMap((from) =>
      FAMILIES.map((to) => {
        const name = `${from}-${to}`;
        return { name, bind: bindOf(from, name), cluster: to };
      }),
    ),
    clusters: FAMILIES.map((name) => ({ name, endpoints: [origins.get(name)?.address] })),
  });
});

/** One way in, one way out, one way to write. */
interface Case {
  readonly from: Family;
  readonly to: Family;
  readonly style: WriteStyle;
}

async function open(t: TestContext, { from, to }: Case): Promise<{ client: Flow; endpoint: Flow }> {
  const origin = origins.get(to);
  assert.ok(origin !== undefined);
  return scene.join(t, origin, targetOf(from, `${from}-${to}`));
}

/** Both sides talk at once; then `first` ends, the other answers, and ends too. */
async function talk(parts: { first: Flow; second: Flow; style: WriteStyle }): Promise<void> {
  const { first, second, style } = parts;
  let there = Buffer.alloc(0);
  let back = Buffer.alloc(0);
  for (const size of SIZES[style]) {
    const ping = makeBytes(`ping ${size}`, size);
    const pong = makeBytes(`pong ${size}`, size);
    there = Buffer.concat([there, ping]);
    back = Buffer.concat([back, pong]);
    await Promise.all([first.send(ping, style), second.send(pong, style)]);
    await Promise.all([second.heardAll(there), first.heardAll(back)]);
  }
  first.finish();
  assert.equal(await second.ended(), 'fin');
  await second.send('the last word', style);
  second.finish();
  assert.equal(await first.ended(), 'fin');
  await first.heardAll(Buffer.concat([back, Buffer.from('the last word')]));
}

/** `first` says something and resets. */
async function leave(parts: { first: Flow; second: Flow; style: WriteStyle }): Promise<string> {
  const { first, second, style } = parts;
  await second.send('greetings', style);
  await first.heardAll('greetings');
  await first.send('sorry', style);
  first.reset();
  const end = await second.ended();
  assert.equal(second.text, 'sorry');
  second.finish();
  return end;
}

for (const from of FAMILIES) {
  for (const to of FAMILIES) {
    for (const style of ['whole', 'bytes'] as const) {
      const each: Case = { from, to, style };
      test(`${from} to ${to}, ${style}: talk and ends`, async (t) => {
        const one = await open(t, each);
        await talk({ first: one.client, second: one.endpoint, style });
        const other = await open(t, each);
        await talk({ first: other.endpoint, second: other.client, style });
      });
      test(`${from} to ${to}, ${style}: resets`, async (t) => {
        // A Unix peer that closes has only ended: its reset exists only as unread bytes, and there
        // are none here. A Unix reader is told of a reset by an end.
        const isTcp = from !== 'unix' && to !== 'unix';
        const one = await open(t, each);
        const client = { first: one.client, second: one.endpoint, style };
        assert.equal(await leave(client), isTcp ? 'ECONNRESET' : 'fin');
        const other = await open(t, each);
        const endpoint = { first: other.endpoint, second: other.client, style };
        assert.equal(await leave(endpoint), isTcp ? 'ECONNRESET' : 'fin');
      });
    }
  }
}

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
