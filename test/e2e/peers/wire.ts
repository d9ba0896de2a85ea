/**
 * One end of a TCP or Unix connection, for tests: what it got, and how it ended.
 *
 * Path: tests hold one as the client, and get one from an {@link Origin} for each connection that
 * the gateway made.
 * Invariant: it reads all the time, so nothing that a test waits for stays in the kernel; the two
 * directions end by themselves (half-open is allowed). Every wait ends with an error when the
 * connection ends first.
 */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import type { Owner } from '../harness.ts';

/** Where to connect, and from where. */
export interface WireTarget {
  readonly port?: number;
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** Source address, for clients that must differ. */
  readonly localAddress?: string;
  /** A Unix socket instead of a port. */
  readonly path?: string;
}

/** One end of a connection. */
export class Wire {
  readonly socket: Socket;
  /** How the other side ended its direction: `fin`, or an errno name such as `ECONNRESET`. */
  readonly ended: Promise<string>;
  #bytes: Buffer = Buffer.alloc(0);
  #taken = 0;
  #end: string | null = null;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(owner: Owner, socket: Socket) {
    this.socket = socket;
    const ended = Promise.withResolvers<string>();
    this.ended = ended.promise;
    const end = (how: string): void => {
      this.#end ??= how;
      ended.resolve(how);
      this.#stir();
    };
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#stir();
    });
    socket.on('end', () => end('fin'));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'error'));
    socket.on('close', () => end('closed'));
    owner.after(() => {
      socket.destroy();
    });
  }

  /** Starts a connect and does not wait for it; a refusal shows in {@link ended}. */
  static open(owner: Owner, to: number | WireTarget): Wire {
    const target = typeof to === 'number' ? { port: to } : to;
    const options =
      target.path === undefined ? { host: '127.0.0.1', port: 0, ...target } : { path: target.path };
    return new Wire(owner, createConnection({ ...options, allowHalfOpen: true }));
  }

  /** Connects. Rejects when the connect fails. */
  static async connect(owner: Owner, to: number | WireTarget): Promise<Wire> {
    const wire = Wire.open(owner, to);
    await once(wire.socket, 'connect');
    return wire;
  }

  /** All that came so far. */
  get received(): Buffer {
    return this.#bytes;
  }

  /** How it ended, or null while it has not. */
  get end(): string | null {
    return this.#end;
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Sends FIN behind what was sent. */
  finish(): void {
    this.socket.end();
  }

  /** Sends RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** The next `count` bytes that no earlier call has taken. */
  async take(count: number): Promise<Buffer> {
    await this.#until(() => this.#bytes.length - this.#taken >= count, `${count} bytes`);
    this.#taken += count;
    return this.#bytes.subarray(this.#taken - count, this.#taken);
  }

  /** The next line, without its line feed. */
  async line(): Promise<string> {
    await this.#until(() => this.#bytes.includes(0x0a, this.#taken), 'a line');
    const from = this.#taken;
    this.#taken = this.#bytes.indexOf(0x0a, from) + 1;
    return this.#bytes.toString('latin1', from, this.#taken - 1);
  }

  /** Sends `text` and waits for the same text. */
  async echo(text: string): Promise<void> {
    this.send(text);
    const answer = (await this.take(text.length)).toString('latin1');
    if (answer !== text) {
      throw new Error(`expected "${text}", got "${answer}"`);
    }
  }

  async #until(isThere: () => boolean, what: string): Promise<void> {
    while (!isThere()) {
      if (this.#end !== null) {
        const rest = this.#bytes.toString('latin1', this.#taken);
        throw new Error(`${what} expected, but it ended with ${this.#end} after "${rest}"`);
      }
      await this.#wake.promise;
    }
  }

  #stir(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}
