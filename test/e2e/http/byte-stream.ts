/**
 * One end of a connection whose bytes are taken one after another, however they came.
 *
 * Path: message.ts reads HTTP off it; clients and origins of these tests hold one each.
 * Invariant: bytes are taken once and in order, a megabyte as cheaply as a line; unless it is
 * paused it reads all the time. Every wait ends with an error when the connection ends first, or
 * after {@link HANG_MS} with what it waited for.
 */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Owner } from '../harness.ts';
import { HANG_MS, within } from '../tcp/flow.ts';

const LINE_FEED = 0x0a;
const NOTHING = Buffer.alloc(0);

/** Where to connect, and how. */
export interface StreamTarget {
  readonly port: number;
  /** Where it comes from; 127.0.0.1 by default. */
  readonly localAddress?: string;
  /** Reads nothing before {@link ByteStream.resume}. */
  readonly isPaused?: boolean;
  readonly tls?: { readonly ca: string; readonly name: string };
}

/** One end of a connection. */
export class ByteStream {
  readonly socket: Socket;
  #pieces: Buffer[] = [];
  #held = 0;
  #received = 0;
  #end: string | null = null;
  #failure: string | null = null;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(owner: Owner, socket: Socket, isPaused = false) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (piece: Buffer) => {
      this.#pieces.push(piece);
      this.#held += piece.length;
      this.#received += piece.length;
      this.#stir();
    });
    if (isPaused) {
      socket.pause();
    }
    socket.on('end', () => this.#finish('fin'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure ??= error.code ?? error.message;
      this.#finish(this.#failure);
    });
    socket.on('close', () => this.#finish('closed'));
    owner.after(() => {
      socket.destroy();
    });
  }

  /** Connects. Rejects when the connect fails. */
  static async connect(owner: Owner, to: number | StreamTarget): Promise<ByteStream> {
    const target = typeof to === 'number' ? { port: to } : to;
    const { port, tls, isPaused = false } = target;
    const from = target.localAddress === undefined ? {} : { localAddress: target.localAddress };
    const place = { host: '127.0.0.1', port, allowHalfOpen: true, ...from };
    const socket =
      tls === undefined
        ? createConnection(place)
        : connectTls({ ...place, ca: tls.ca, servername: tls.name });
    const stream = new ByteStream(owner, socket, isPaused);
    await within('a connection', once(socket, tls === undefined ? 'connect' : 'secureConnect'));
    return stream;
  }

  /** Bytes that came so far, taken or not. */
  get received(): number {
    return this.#received;
  }

  /** Bytes that came and were not taken. */
  get held(): number {
    return this.#held;
  }

  /** How the other side ended its direction: `fin` or an errno name; null while it has not. */
  get end(): string | null {
    return this.#end;
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Sends; resolves when the kernel has taken it all, rejects when it never will. */
  sendAll(bytes: string | Uint8Array): Promise<void> {
    const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    return new Promise((resolve, reject) => {
      this.socket.write(all, (error) => (error == null ? resolve() : reject(error)));
    });
  }

  /** FIN behind what was sent. */
  finish(): void {
    this.socket.end();
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** The next `count` bytes. */
  async take(count: number): Promise<Buffer> {
    await this.#until(() => this.#held >= count, `${count} bytes`);
    return this.#cut(count);
  }

  /** The next line, without its line feed. */
  async line(): Promise<string> {
    let length = -1;
    await this.#until(() => {
      length = this.#lineLength();
      return length >= 0;
    }, 'a line');
    return this.#cut(length).toString('latin1', 0, length - 1);
  }

  /** What comes until the other side ends with FIN. */
  async rest(): Promise<Buffer> {
    const end = await this.ended();
    if (end !== 'fin') {
      throw new Error(`a clean end expected, not ${end}, after ${this.#show()}`);
    }
    return this.#cut(this.#held);
  }

  /** Waits until `count` bytes came in all. */
  async heard(count: number): Promise<void> {
    await this.#until(() => this.#received >= count, `${count} bytes in all`);
  }

  /** Waits for the end of the other side's direction; `fin` or an errno name. */
  async ended(): Promise<string> {
    await this.#wait(() => this.#end !== null, 'the end');
    return this.#end ?? '';
  }

  /** Waits until there is a byte to take, which is true, or the end. */
  async hasMore(): Promise<boolean> {
    while (this.#held === 0 && this.#end === null) {
      await this.#wake.promise;
    }
    return this.#held > 0;
  }

  /** Waits until both directions have ended. */
  async closed(): Promise<void> {
    if (!this.socket.destroyed) {
      await once(this.socket, 'close').catch(() => {});
    }
  }

  /** Waits for the end and makes sure that nothing came before it. */
  async endedInSilence(): Promise<string> {
    const end = await this.ended();
    if (this.#held > 0) {
      throw new Error(`nothing expected before ${end}, but there is ${this.#show()}`);
    }
    return end;
  }

  #lineLength(): number {
    let before = 0;
    for (const piece of this.#pieces) {
      const at = piece.indexOf(LINE_FEED);
      if (at >= 0) {
        return before + at + 1;
      }
      before += piece.length;
    }
    return -1;
  }

  #cut(count: number): Buffer {
    const [first = NOTHING] = this.#pieces;
    this.#held -= count;
    if (first.length > count) {
      this.#pieces[0] = first.subarray(count);
      return first.subarray(0, count);
    }
    let found = 0;
    let pieces = 0;
    while (found < count) {
      found += this.#pieces[pieces++]?.length ?? 0;
    }
    const all = Buffer.concat(this.#pieces.splice(0, pieces));
    if (found > count) {
      this.#pieces.unshift(all.subarray(count));
    }
    return all.subarray(0, count);
  }

  #show(): string {
    const text = Buffer.concat(this.#pieces).toString('latin1', 0, 300);
    return `${this.#received} bytes, of which are left: ${JSON.stringify(text)}`;
  }

  async #until(isThere: () => boolean, what: string): Promise<void> {
    let isDone = isThere();
    await this.#wait(() => {
      isDone ||= isThere();
      return isDone || this.#end !== null;
    }, what);
    if (!isDone) {
      throw new Error(`${what} expected, but it ended with ${this.#end} after ${this.#show()}`);
    }
  }

  async #wait(isOver: () => boolean, what: string): Promise<void> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#stir();
    }, HANG_MS);
    while (!isOver()) {
      if (isLate) {
        throw new Error(`waited in vain for ${what} after ${this.#show()}`);
      }
      await this.#wake.promise;
    }
    clearTimeout(timer);
  }

  #finish(how: string): void {
    this.#end ??= how;
    this.#stir();
  }

  #stir(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}
