/**
 * The origin behind the demo's gateway: the page, WebSockets that send back what they get, and the
 * news of the gateway as server-sent events.
 *
 * Path: browser -> gateway -> here. For news and reloads it asks the gateway's admin socket.
 * Invariant: listens on 127.0.0.1, takes WebSockets and reloads only from its own page, and leaves
 * no socket and no timer behind when it is closed.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  acceptOf,
  CLOSE,
  type Frame,
  FrameReader,
  OPCODE,
  writeClose,
  writeFrame,
} from './frames.ts';
import { askAdmin, readGatewayNews } from './gateway-news.ts';

const NEWS_EVERY_MS = 1000;
/** How long a browser waits before it asks for the news again. */
const RETRY_MS = 1000;
const SOCKETS_MAX = 4096;
/** Nothing from elsewhere, and nobody may frame the page. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "connect-src 'self' ws: wss:",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A page that is not the demo's could otherwise drive it from another tab. */
function isFromOwnPage({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  return origin === undefined || origin === `http://${host}`;
}

/** The origin of the demo's page. */
export class PageOrigin {
  readonly #listening = createServer((request, response) => this.#answer(request, response));
  readonly #page = readFileSync(new URL('./page.html', import.meta.url));
  readonly #sockets = new Set<Duplex>();
  readonly #readers = new Set<ServerResponse>();
  #adminSocket: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isAsking = false;

  /** Starts listening. Returns the port. */
  async start(): Promise<number> {
    this.#listening.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket, head);
    });
    this.#listening.listen(0, '127.0.0.1');
    await once(this.#listening, 'listening');
    return (this.#listening.address() as AddressInfo).port;
  }

  /** From now on the news are those of this gateway; null: there are none. */
  follow(adminSocket: string | null): void {
    this.#adminSocket = adminSocket;
  }

  /** Ends everything at once. Idempotent. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#listening.close();
    for (const reader of this.#readers) reader.destroy();
    for (const socket of this.#sockets) socket.destroy();
    this.#listening.closeAllConnections();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').replace(/\?.*$/, '');
    const asked = `${request.method} ${path}`;
    if (asked === 'GET /') {
      response.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-length': this.#page.length,
        'content-security-policy': PAGE_POLICY,
        'cache-control': 'no-store',
      });
      response.end(this.#page);
    } else if (asked === 'GET /news') {
      this.#addReader(response);
    } else if (asked === 'POST /reload') {
      void this.#reload(request, response);
    } else {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('there is no such page\n');
    }
  }

  #addReader(response: ServerResponse): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    });
    response.write(`retry: ${RETRY_MS}\n\n`);
    this.#readers.add(response);
    response.once('close', () => {
      this.#readers.delete(response);
      if (this.#readers.size > 0 || this.#timer === null) return;
      clearInterval(this.#timer);
      this.#timer = null;
    });
    this.#timer ??= setInterval(() => void this.#tellNews(), NEWS_EVERY_MS);
    void this.#tellNews();
  }

  async #tellNews(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const news = this.#adminSocket === null ? null : await readGatewayNews(this.#adminSocket);
    this.#isAsking = false;
    this.#tell('news', news);
  }

  /** Readers that are behind get no more until they caught up. */
  #tell(event: string, what: unknown): void {
    for (const reader of this.#readers) {
      if (!reader.writableNeedDrain) {
        reader.write(`event: ${event}\ndata: ${JSON.stringify(what)}\n\n`);
      }
    }
  }

  async #reload(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (status: number, json: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(json));
    };
    request.resume();
    if (!isFromOwnPage(request)) return answer(403, { error: 'not from the page of the demo' });
    if (this.#adminSocket === null) return answer(503, { error: 'there is no admin socket' });
    try {
      const { status, json } = await askAdmin(this.#adminSocket, 'POST', '/v1/reload');
      answer(status, json);
      this.#tell('reload', json);
      void this.#tellNews();
    } catch (error) {
      answer(502, { error: error instanceof Error ? error.message : String(error) });
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const key = request.headers['sec-websocket-key'];
    const isWanted = request.url === '/messages' && key !== undefined && isFromOwnPage(request);
    if (!isWanted || this.#sockets.size >= SOCKETS_MAX) {
      const status = isWanted ? '503 Service Unavailable' : '403 Forbidden';
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.once('end', () => socket.end());
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`,
    );
    const reader = new FrameReader();
    const take = (bytes: Buffer): void => echo(socket, reader, bytes);
    if (head.length > 0) take(head);
    socket.on('data', take);
  }
}

/** Sends back what came. */
function echo(socket: Duplex, reader: FrameReader, bytes: Buffer): void {
  if (socket.writableEnded) return;
  const answers: Buffer[] = [];
  let isLast = false;
  for (const frame of reader.take(bytes)) {
    const answer = answerTo(frame);
    if (answer !== null) answers.push(answer);
    isLast = frame.opcode === OPCODE.close;
    if (isLast) break;
  }
  if (!isLast && reader.refusal !== null) {
    answers.push(writeClose(reader.refusal));
    isLast = true;
  }
  const isTaken = answers.length === 0 || socket.write(Buffer.concat(answers));
  if (isLast) {
    socket.end();
  } else if (!isTaken) {
    socket.pause();
    socket.once('drain', () => socket.resume());
  }
}

function answerTo(frame: Frame): Buffer | null {
  if (frame.opcode === OPCODE.pong) return null;
  if (frame.opcode === OPCODE.ping) return writeFrame({ ...frame, opcode: OPCODE.pong });
  if (frame.opcode !== OPCODE.close) return writeFrame(frame);
  return writeClose(frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : CLOSE.goingAway);
}
