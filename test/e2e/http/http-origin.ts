/**
 * An HTTP origin for tests: it shows what the gateway sent, and answers with any bytes a test
 * wants.
 *
 * Path: behind the gateway; tests give it handlers, the default one answers with what it saw.
 * Invariant: requests of one connection are handled one after another; what a handler leaves of a
 * request is read before the next one. Nothing is hidden: connections are counted and can be ended.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { Owner } from '../harness.ts';
import { within } from '../tcp/flow.ts';
import { ByteStream } from './byte-stream.ts';
import {
  type Content,
  type FieldLines,
  type MessageHead,
  type Response,
  readContent,
  readHead,
} from './message.ts';

/** What the default handler says it saw. */
export interface Seen {
  /** The name of the origin. */
  readonly origin: string;
  readonly method: string;
  readonly target: string;
  readonly fields: FieldLines;
  /** Latin-1. */
  readonly body: string;
  readonly framing: string;
  readonly trailers: FieldLines;
  /** The connection, from 0, and the request on it, from 0. */
  readonly connection: number;
  readonly number: number;
}

/** An answer that needs no bytes of its own. */
export interface Reply {
  readonly status?: number;
  readonly fields?: FieldLines;
  readonly body?: string | Uint8Array;
}

/** Answers one request. */
export type Handler = (request: OriginRequest) => Promise<void> | void;

/** One request at the origin. */
export class OriginRequest {
  readonly stream: ByteStream;
  readonly head: MessageHead;
  readonly method: string;
  readonly target: string;
  /** The connection, from 0, and the request on it, from 0. */
  readonly connection: number;
  readonly number: number;
  #content: Promise<Content> | null = null;

  constructor(stream: ByteStream, head: MessageHead, at: { connection: number; number: number }) {
    const [method = '', target = ''] = head.startLine.split(' ');
    this.stream = stream;
    this.head = head;
    this.method = method;
    this.target = target;
    this.connection = at.connection;
    this.number = at.number;
  }

  /** Reads the content, once. */
  content(): Promise<Content> {
    this.#content ??= readContent(this.stream, this.head, 'none');
    return this.#content;
  }

  /** Sends bytes as they are. */
  send(bytes: string | Uint8Array): void {
    this.stream.send(bytes);
  }

  /** Sends a response with Content-Length. */
  reply({ status = 200, fields = [], body = '' }: Reply): void {
    const content = typeof body === 'string' ? Buffer.from(body, 'latin1') : body;
    const lines = [...fields, ['Content-Length', `${content.length}`] as const];
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const isWhole = this.method !== 'HEAD';
    this.send(`HTTP/1.1 ${status} Any\r\n${head}\r\n`);
    if (isWhole && content.length > 0) {
      this.send(content);
    }
  }
}

/** An origin in the test's own process. */
export class HttpOrigin {
  readonly name: string;
  readonly #listening: Server;
  readonly #live = new Set<ByteStream>();
  readonly #seen: string[] = [];
  readonly #handlers = new Map<string, Handler>();
  #failure: unknown = null;
  #port = 0;
  #accepted = 0;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(owner: Owner, name: string) {
    this.name = name;
    this.#listening = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const stream = new ByteStream(owner, socket);
      this.#live.add(stream);
      socket.once('close', () => {
        this.#live.delete(stream);
        this.#stir();
      });
      void this.#answer(stream, this.#accepted++);
      this.#stir();
    });
    owner.after(() => this.close());
  }

  /** Starts one. */
  static async start(owner: Owner, name = 'app'): Promise<HttpOrigin> {
    const origin = new HttpOrigin(owner, name);
    origin.#listening.listen(0, '127.0.0.1');
    await once(origin.#listening, 'listening');
    const bound = origin.#listening.address();
    origin.#port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    return origin;
  }

  get port(): number {
    return this.#port;
  }

  /** As configuration writes it. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Connections since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Connections that are open. */
  get live(): ReadonlySet<ByteStream> {
    return this.#live;
  }

  /** Methods and targets in the order in which their heads came. */
  get seen(): readonly string[] {
    return this.#seen;
  }

  /** Answers requests whose path is `path` with `handler` from now on. */
  on(path: string, handler: Handler): void {
    this.#handlers.set(path, handler);
  }

  /** Waits until `count` connections are open. */
  async whenLive(count: number): Promise<void> {
    await this.#until(`${count} connections`, () => this.#live.size === count);
  }

  /** Waits until a head was seen that is as wanted. */
  async whenSeen(line: string): Promise<void> {
    await this.#until(line, () => this.#seen.includes(line));
  }

  /** Ends the connections that are open; FIN unless told. */
  endAll(how: 'fin' | 'reset' = 'fin'): void {
    for (const stream of this.#live) {
      if (how === 'fin') {
        stream.finish();
      } else {
        stream.reset();
      }
    }
  }

  /** Throws what went wrong while requests were read. */
  check(): void {
    if (this.#failure !== null) {
      throw this.#failure;
    }
  }

  /** Stops listening and resets what is open. */
  async close(): Promise<void> {
    const closed = this.#listening.listening ? once(this.#listening, 'close') : null;
    this.#listening.close();
    for (const { socket } of this.#live) {
      socket.destroy();
    }
    await closed;
  }

  async #answer(stream: ByteStream, connection: number): Promise<void> {
    for (let number = 0; ; number++) {
      if (!(await stream.hasMore())) {
        stream.finish();
        return;
      }
      try {
        await this.#answerOne(stream, { connection, number });
      } catch (error) {
        // A connection that the gateway gave up in the middle is for the handlers to judge.
        if (stream.end === null) {
          this.#failure ??= error;
          stream.reset();
        }
        stream.finish();
        return;
      }
    }
  }

  async #answerOne(stream: ByteStream, at: { connection: number; number: number }): Promise<void> {
    const request = new OriginRequest(stream, await readHead(stream), at);
    this.#seen.push(`${request.method} ${request.target}`);
    this.#stir();
    const path = request.target.split('?')[0] ?? '';
    const handler = this.#handlers.get(path) ?? ((each) => this.#show(each));
    await handler(request);
    await request.content();
  }

  async #show(request: OriginRequest): Promise<void> {
    const { method, target, head, connection, number } = request;
    const { body, framing, trailers } = await request.content();
    const seen: Seen = {
      origin: this.name,
      method,
      target,
      fields: head.fields,
      body: body.toString('latin1'),
      framing,
      trailers,
      connection,
      number,
    };
    const fields = [['Content-Type', 'application/json']] as const;
    request.reply({ fields, body: JSON.stringify(seen) });
  }

  async #until(what: string, isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      await within(`${what} at ${this.name}`, this.#wake.promise);
    }
  }

  #stir(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}

/** What the default handler saw, out of its response. */
export function seenIn(response: Response): Seen {
  if (response.status !== 200) {
    throw new Error(`200 expected, not ${response.startLine}: ${response.text}`);
  }
  return JSON.parse(response.text) as Seen;
}
