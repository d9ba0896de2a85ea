/**
 * The quick start for HTTP and WebSocket in README.md, run as it is written.
 *
 * Path: YAML out of the README, with ports of this test -> a gateway -> origins in this process.
 * Invariant under test: each of its routes does what its line says, and so does the command without
 * a file.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { acceptOf, OPCODE, writeFrame } from '../../../src/main/demo/frames.ts';
import { GatewayProcess, makeDirectory, type Owner } from '../harness.ts';
import { Command } from '../peers/cli.ts';

const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const SECTION = README.slice(README.indexOf('## HTTP and WebSocket'));
const GREETING = 'from the endpoint';

/** An origin that says its name, streams one event, and greets WebSockets. */
async function startOrigin(owner: Owner, name: string, statuses: number[] = []): Promise<number> {
  const origin: Server = createServer((request, response) => {
    if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: one\n\n');
      return;
    }
    response.writeHead(statuses.shift() ?? 200).end(name);
  });
  origin.on('upgrade', (request, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${acceptOf(request.headers['sec-websocket-key'] ?? '')}\r\n\r\n`,
    );
    const payload = Buffer.from(GREETING);
    socket.write(writeFrame({ isLast: true, opcode: OPCODE.text, payload }));
    socket.on('error', () => socket.destroy());
    owner.after(() => {
      socket.destroy();
    });
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  owner.after(() => {
    origin.close();
    origin.closeAllConnections();
  });
  return (origin.address() as AddressInfo).port;
}

async function greetingAt(owner: Owner, url: string): Promise<unknown> {
  const socket = new WebSocket(url);
  owner.after(() => socket.close());
  const [message] = (await once(socket, 'message')) as [MessageEvent];
  return message.data;
}

test('the configuration does what its lines say', async (t) => {
  const [, yaml = ''] = /```yaml\nversion: 1\n([\s\S]*?)```/.exec(SECTION) ?? [];
  const places: readonly (readonly [string, number])[] = [
    ['0.0.0.0:8080', 0],
    ['127.0.0.1:3000', await startOrigin(t, 'chat')],
    // Where one of them refuses, the other one answers.
    ['127.0.0.1:3001', await startOrigin(t, 'page', [503, 503])],
    ['127.0.0.1:3002', await startOrigin(t, 'page')],
  ];
  let mine = yaml;
  for (const [place, port] of places) {
    assert.equal(mine.split(place).length, 2, place);
    mine = mine.replace(place, `127.0.0.1:${port}`);
  }
  const gateway = await GatewayProcess.start(t, { yaml: mine });
  const host = `127.0.0.1:${await gateway.port('web')}`;
  assert.equal(await greetingAt(t, `ws://${host}/rooms/7`), GREETING);
  const stream = await fetch(`http://${host}/events`);
  const first = await stream.body?.getReader().read();
  assert.equal(Buffer.from(first?.value ?? []).toString(), 'data: one\n\n');
  const moved = await fetch(`http://${host}/old`, { redirect: 'manual' });
  assert.equal(moved.status, 308);
  assert.equal(moved.headers.get('location'), '/new');
  for (let i = 0; i < 4; i++) {
    const page = await fetch(`http://${host}/any`);
    assert.equal(`${page.status} ${await page.text()}`, '200 page');
  }
});

test('the command without a file takes requests and WebSockets', async (t) => {
  const [, line = ''] = /`npx holdfast (proxy [^`]*)`/.exec(SECTION) ?? [];
  const port = await startOrigin(t, 'origin');
  const args = line.replace('--from 8080', '--from 127.0.0.1:0').replace('3000', `${port}`);
  assert.match(args, /--protocol http$/);
  const proxy = new Command(t, args.split(' '), { directory: makeDirectory(t) });
  const [, host = ''] = await proxy.printed(/holdfast: (\S+) ->/);
  assert.equal(await (await fetch(`http://${host}/`)).text(), 'origin');
  assert.equal(await greetingAt(t, `ws://${host}/anywhere`), GREETING);
});
