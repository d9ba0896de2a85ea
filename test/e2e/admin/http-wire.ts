/**
 * HTTP by hand, line by line, for tests of what is written down about it.
 *
 * Path: test/e2e/admin sends requests through a gateway with it and answers them at an origin.
 * Invariant: nothing is sent or read that a test did not ask for.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Owner } from '../harness.ts';
import type { Origin } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const WEBSOCKET_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
/** A response with content. */
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';

/** Reads a head: its lines without the empty one. */
export async function readHead(wire: Wire): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const line = (await wire.line()).replace(/\r$/, '');
    if (line === '') return lines;
    lines.push(line);
  }
}

/** A request without content. */
export function get(path: string, fields = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: Chat.Example.com\r\n${fields}\r\n`;
}

/** The fields of a request for a WebSocket. */
export function upgradeFields(): string {
  return `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${WEBSOCKET_KEY}\r\n`;
}

/** A masked text frame of a client, or a plain one of an endpoint. */
export function textFrame(text: string, mask: 'masked' | 'plain'): Buffer {
  const payload = Buffer.from(text);
  return mask === 'plain'
    ? Buffer.concat([Buffer.from([0x81, payload.length]), payload])
    : Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

/** Sends a request; the endpoint that got its head. */
export async function atOrigin(origin: Origin, request: string, client: Wire): Promise<Wire> {
  client.send(request);
  const endpoint = await origin.next();
  await readHead(endpoint);
  return endpoint;
}

/** Opens a WebSocket at `/rooms/7`. */
export async function openWebSocket(
  owner: Owner,
  origin: Origin,
  port: number,
): Promise<{ client: Wire; endpoint: Wire }> {
  const client = await Wire.connect(owner, port);
  const endpoint = await atOrigin(origin, get('/rooms/7', upgradeFields()), client);
  await answerUpgrade(endpoint, client);
  return { client, endpoint };
}

/** The same on connections that have served a request. */
export async function upgradeKept(client: Wire, endpoint: Wire): Promise<void> {
  client.send(get('/rooms/7', upgradeFields()));
  await readHead(endpoint);
  await answerUpgrade(endpoint, client);
}

async function answerUpgrade(endpoint: Wire, client: Wire): Promise<void> {
  const accept = createHash('sha1')
    .update(WEBSOCKET_KEY + WEBSOCKET_GUID)
    .digest('base64');
  endpoint.send(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const [status = ''] = await readHead(client);
  assert.match(status, / 101 /);
}
