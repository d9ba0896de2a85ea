/**
 * A peer that shakes hands with Node's TLS and then writes and reads records by itself, as a test
 * says: right ones, wrong ones, in pieces, or not at all.
 *
 * Path: a client of the gateway by {@link RecordPeer.connect}, an endpoint by {@link
 * RecordPeer.answer}.
 * Invariant: what comes is opened in order and kept until a test takes it; keys follow KeyUpdates
 * of the other side, and are answered only when the test does.
 */
import { type EventEmitter, once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import {
  type ConnectionOptions,
  connect,
  createServer as createTlsServer,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import type { Owner } from '../harness.ts';
import { type Caller, within } from '../tcp/flow.ts';
import { RecordTap, type Writer } from './record-tap.ts';
import { ALERT, DATA, HANDSHAKE, type HalfKeys, type Opened } from './wire-keys.ts';

const KEY_UPDATE = 24;

/** How to shape what the handshake writes; as it is by default. */
export type Shape = (
  bytes: Buffer,
  opened: readonly Opened[],
  peer: RecordPeer,
) => readonly Buffer[];

/** One record may say several alerts; tests want level and description. */
export interface Alert {
  readonly level: number;
  readonly description: number;
}

/** Each byte by itself. */
export function singles(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.from([byte]));
}

/** A peer on the level of records. */
export class RecordPeer implements Caller {
  readonly since = Date.now();
  readonly socket: Socket;
  readonly tap = new RecordTap();
  address = '';
  calledPort = 0;
  tls: TLSSocket | null = null;
  readonly #role: Writer;
  readonly #shape: Shape;
  readonly #came: Opened[] = [];
  #plain: Buffer = Buffer.alloc(0);
  #end: string | null = null;
  #isTakenOver = false;
  #duplex: Duplex | null = null;
  /** What the handshake writes and has not sent yet. */
  #sending: Promise<void> = Promise.resolve();
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(
    owner: Owner,
    socket: Socket,
    { role, shape }: { role: Writer; shape?: Shape },
  ) {
    this.socket = socket;
    this.#role = role;
    this.#shape = shape ?? ((bytes) => [bytes]);
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    const end = (how: string): void => {
      this.#end ??= how;
      this.#duplex?.push(null);
      this.#stir();
    };
    socket.on('end', () => end('fin'));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'error'));
    socket.on('close', () => end('closed'));
    owner.after(() => {
      socket.destroy();
    });
  }

  /** Connects and shakes hands. Rejects with Node's error when the handshake fails. */
  static async connect(
    owner: Owner,
    port: number,
    { shape, ...options }: ConnectionOptions & { shape?: Shape } = {},
  ): Promise<RecordPeer> {
    const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true });
    const peer = new RecordPeer(owner, socket, { role: 'client', ...(shape ? { shape } : {}) });
    await within('the connect', once(socket, 'connect'));
    peer.address = `127.0.0.1:${socket.localPort}`;
    peer.calledPort = port;
    const tls = connect({ rejectUnauthorized: false, ...options, socket: peer.#pipe() });
    peer.tls = tls;
    await peer.#shakeHands(tls, 'secureConnect');
    return peer;
  }

  /** Answers a connection as an endpoint. */
  static async answer(owner: Owner, socket: Socket, options: TlsOptions): Promise<RecordPeer> {
    const peer = new RecordPeer(owner, socket, { role: 'server' });
    const answering = createTlsServer(options);
    const done = peer.#shakeHands(answering, 'secureConnection');
    answering.emit('connection', peer.#pipe());
    socket.resume();
    await done;
    return peer;
  }

  /** How the other side's direction of TCP ended; null while it has not. */
  get end(): string | null {
    return this.#end;
  }

  /** Keys of what this side writes next. */
  get writing(): HalfKeys {
    return this.tap.keys(this.#role);
  }

  /** Seals one record, without sending it. */
  seal(type: number, plain: Uint8Array | string, padding = 0): Buffer {
    return this.writing.seal(type, Buffer.from(plain as string, 'latin1'), padding);
  }

  sendRaw(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.socket.write(bytes, () => resolve());
    });
  }

  /** Sends each byte by itself. */
  async dribble(bytes: Uint8Array): Promise<void> {
    for (const byte of bytes) {
      await this.sendRaw(Buffer.from([byte]));
    }
  }

  /** Sends data in one record. */
  send(plain: Uint8Array | string): Promise<void> {
    return this.sendRaw(this.seal(DATA, plain));
  }

  /** Sends a KeyUpdate and writes with new keys from then on. */
  updateKeys(isRequested: boolean): Promise<void> {
    const record = this.seal(HANDSHAKE, Buffer.from([KEY_UPDATE, 0, 0, 1, isRequested ? 1 : 0]));
    this.writing.update();
    return this.sendRaw(record);
  }

  alert(level: number, description: number): Promise<void> {
    return this.sendRaw(this.seal(ALERT, Buffer.from([level, description])));
  }

  closeNotify(): Promise<void> {
    return this.alert(1, 0);
  }

  /** FIN. */
  finish(): void {
    this.socket.end();
  }

  /** The next `count` bytes of data; tickets and key updates between them are passed over. */
  async take(count: number): Promise<Buffer> {
    await this.#until(`${count} bytes`, () => {
      this.#gather();
      return this.#plain.length >= count;
    });
    const taken = this.#plain.subarray(0, count);
    this.#plain = this.#plain.subarray(count);
    return taken;
  }

  /** Sends text and waits for the same text. */
  async echo(text: string): Promise<void> {
    await this.send(text);
    const answer = (await this.take(text.length)).toString('latin1');
    if (answer !== text) {
      throw new Error(`expected "${text}", got "${answer}"`);
    }
  }

  /** The next record that is not data and for which `isWanted` holds; what is before it goes. */
  async record(type: number, isWanted: (plain: Buffer) => boolean = () => true): Promise<Buffer> {
    let found: Buffer | null = null;
    await this.#until(`a record of type ${type}`, () => {
      this.#gatherUntil((each) => each.type === type && isWanted(each.plain));
      const first = this.#came[0];
      if (first !== undefined) {
        this.#came.shift();
        found = first.plain;
      }
      return first !== undefined;
    });
    return found ?? Buffer.alloc(0);
  }

  /** The next alert. */
  async alerted(): Promise<Alert> {
    const plain = await this.record(ALERT);
    return { level: plain[0] ?? -1, description: plain[1] ?? -1 };
  }

  /** The end of the other side's direction of TCP; what came before it stays to be taken. */
  async ended(): Promise<string> {
    while (this.#end === null) {
      await within('the end of the connection', this.#wake.promise);
    }
    return this.#end;
  }

  /** How it ended, as TLS sees it: `close_notify`, `alert N`, or what TCP said without either. */
  async outcome(): Promise<string> {
    const how = await this.ended();
    this.#gatherUntil((each) => each.type === ALERT);
    const plain = this.#came[0]?.plain;
    if (plain === undefined) {
      return how;
    }
    return plain[1] === 0 ? 'close_notify' : `alert ${plain[1]}`;
  }

  /** All data that came and was not taken. */
  get pending(): Buffer {
    this.#gather();
    return this.#plain;
  }

  #gather(): void {
    this.#gatherUntil((each) => each.type === ALERT);
  }

  /** Moves data to `plain` and drops the rest, up to a record that is wanted. */
  #gatherUntil(isWanted: (each: Opened) => boolean): void {
    for (let first = this.#came[0]; first !== undefined; first = this.#came[0]) {
      if (isWanted(first)) {
        return;
      }
      if (first.type === DATA) {
        this.#plain = Buffer.concat([this.#plain, first.plain]);
      }
      this.#came.shift();
    }
  }

  async #shakeHands(tls: EventEmitter, done: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const other = this.#role === 'client' ? 'server' : 'client';
    tls.on('keylog', (line: Buffer) => {
      this.tap.learn(line);
    });
    tls.on('error', reject);
    tls.on('tlsClientError', reject);
    tls.once(done, () => resolve());
    tls.once('close', () => reject(new Error('closed in the handshake')));
    await within('the handshake', promise);
    while (!(this.#look(this.#role) && this.#look(other))) {
      await within('the end of the handshake', this.#wake.promise);
    }
    await this.#sending;
    this.#isTakenOver = true;
  }

  #look(writer: Writer): boolean {
    const opened = this.tap.open(writer);
    if (writer !== this.#role) {
      this.#came.push(...opened.filter(({ type }) => type === DATA || type === ALERT));
    }
    return this.tap.isDone(writer);
  }

  /** What Node's TLS reads from and writes to while it shakes hands. */
  #pipe(): Duplex {
    this.#duplex = new Duplex({
      allowHalfOpen: true,
      read: () => {},
      write: (bytes: Buffer, _, done) => {
        if (this.#isTakenOver) {
          done();
          return;
        }
        const opened = this.tap.see(this.#role, bytes);
        this.#stir();
        this.#sending = this.#sendAll(this.#shape(bytes, opened, this));
        void this.#sending.finally(done);
      },
    });
    return this.#duplex;
  }

  async #sendAll(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) {
      await this.sendRaw(piece);
    }
  }

  #take(bytes: Buffer): void {
    const other = this.#role === 'client' ? 'server' : 'client';
    const opened = this.tap.see(other, bytes);
    const isDone = this.tap.isDone(other);
    this.#came.push(...opened.filter(({ type }) => isDone || type === DATA || type === ALERT));
    if (!this.#isTakenOver) {
      this.#duplex?.push(bytes);
    }
    this.#stir();
  }

  async #until(what: string, isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      if (this.#end !== null) {
        throw new Error(`${what} expected, but it ended: ${this.#end}`);
      }
      await within(what, this.#wake.promise);
    }
  }

  #stir(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}

/** Hands out the connections that come, unread. */
export class SocketOrigin {
  readonly address: string;
  readonly #queue: Socket[] = [];
  readonly #sockets = new Set<Socket>();
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(address: string) {
    this.address = address;
  }

  static async start(owner: Owner): Promise<SocketOrigin> {
    const listening = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const bound = listening.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const origin = new SocketOrigin(`127.0.0.1:${port}`);
    listening.on('connection', (socket) => {
      socket.on('error', () => {});
      origin.#sockets.add(socket);
      origin.#queue.push(socket);
      const { resolve } = origin.#wake;
      origin.#wake = Promise.withResolvers();
      resolve();
    });
    owner.after(() => {
      origin.cut();
      listening.close();
    });
    return origin;
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  /** The next connection that no earlier call has got. */
  async next(): Promise<Socket> {
    for (;;) {
      const socket = this.#queue.shift();
      if (socket !== undefined) {
        return socket;
      }
      await within('a connection', this.#wake.promise);
    }
  }
}
