/**
 * WebSockets through a gateway: opening them, with both ends in the hands of the test.
 *
 * Path: a scene of HTTP whose origin answers handshakes and hands out its end.
 * Invariant: a join gives the two ends of the same WebSocket; the handshake is that of RFC 6455 4
 * and written here, so that a test can leave out or change any field of it.
 */
import { createHash } from 'node:crypto';
import type { Owner } from '../harness.ts';
import type { ByteStream, StreamTarget } from '../http/byte-stream.ts';
import type { HttpOrigin, OriginRequest } from '../http/http-origin.ts';
import type { HttpScene } from '../http/http-scene.ts';
import { type Response, readResponse, valueOf } from '../http/message.ts';

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Fields that are not as usual; null leaves one out. */
export type FieldChanges = Readonly<Record<string, string | readonly string[] | null>>;

/** The value that belongs to a key. */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}

function linesOf(usual: Readonly<Record<string, string>>, changes: FieldChanges): string {
  const fields = { ...usual, ...changes };
  return Object.entries(fields)
    .flatMap(([name, value]) => {
      const values = value === null ? [] : typeof value === 'string' ? [value] : value;
      return values.map((each) => `${name}: ${each}\r\n`);
    })
    .join('');
}

/** A client's handshake. */
export function handshake(target = '/ws', changes: FieldChanges = {}, line?: string): string {
  const usual = {
    Host: 'a.example',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Version': '13',
  };
  return `${line ?? `GET ${target} HTTP/1.1`}\r\n${linesOf(usual, changes)}\r\n`;
}

/** An origin's answer to it. */
export function switching(key: string, changes: FieldChanges = {}): string {
  const usual = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': acceptOf(key),
  };
  return `HTTP/1.1 101 Switching Protocols\r\n${linesOf(usual, changes)}\r\n`;
}

/** The two ends of a WebSocket. */
export interface Joined {
  readonly client: ByteStream;
  readonly endpoint: ByteStream;
  /** What the origin was asked, and what the client was answered. */
  readonly request: OriginRequest;
  readonly response: Response;
}

/** Makes an origin answer handshakes for a path; the ends are handed out in their order. */
export class Sockets {
  readonly #origin: HttpOrigin;
  readonly #queue: OriginRequest[] = [];
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(origin: HttpOrigin, path = '/ws', changes: FieldChanges = {}) {
    this.#origin = origin;
    this.#origin.on(path, async (request) => {
      request.send(switching(valueOf(request.head, 'sec-websocket-key') ?? '', changes));
      this.#queue.push(request);
      const { resolve } = this.#wake;
      this.#wake = Promise.withResolvers();
      resolve();
      await request.stream.closed();
    });
  }

  /** The next WebSocket at the origin. */
  async next(): Promise<OriginRequest> {
    for (;;) {
      const request = this.#queue.shift();
      if (request !== undefined) {
        return request;
      }
      await this.#wake.promise;
    }
  }

  /** Opens one and returns both ends. */
  async join(
    owner: Owner,
    scene: HttpScene,
    { text = handshake(), ...target }: Partial<StreamTarget> & { readonly text?: string } = {},
  ): Promise<Joined> {
    const client = await scene.connect(owner, target);
    client.send(text);
    const response = await readResponse(client);
    if (response.status !== 101) {
      throw new Error(`not switched: ${response.startLine}`);
    }
    const request = await this.next();
    return { client, endpoint: request.stream, request, response };
  }
}
