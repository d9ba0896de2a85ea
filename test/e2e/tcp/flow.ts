/**
 * One end of a connection under test: it can refuse to read, counts and checks what comes, and ends
 * its own direction in the way a test wants.
 *
 * Path: the client side by {@link Flow.connect}, the endpoint side from a {@link FlowOrigin}.
 * Invariant: nothing is read before the test says so when it was made `paused`; the two directions
 * end by themselves. Every wait rejects after {@link HANG_MS} with what it waited for.
 */
import { once } from 'node:events';
import { createConnection, createServer, type ListenOptions, type Socket } from 'node:net';
import type { Owner } from '../harness.ts';
import { Checksum, checksumOf } from './pattern.ts';

/** Far beyond what anything here takes; only so that a hang has a name. */
export const HANG_MS = 30_000;
/** The start of what came, kept to be shown. */
const TEXT_BYTES_MAX = 4096;

/** Where to connect; 127.0.0.1 by default. */
export interface FlowTarget {
  readonly port?: number;
  readonly host?: string;
  readonly path?: string;
}

/** Whether an end reads from the start. */
export interface Reading {
  readonly isPaused?: boolean;
}

/** A client as access records know it: ports are used again, so the address alone is not enough. */
export interface Caller {
  /** As access records show it; empty for Unix sockets. */
  readonly address: string;
  /** The port it connected to. */
  readonly calledPort: number;
  /** Unix time in milliseconds from which on its record can be. */
  readonly since: number;
}

/** How bytes are written: as one write, or each byte by itself. */
export type WriteStyle = 'whole' | 'bytes';

/** Gives a wait an end and a name. */
export async function within<Value>(what: string, promise: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), HANG_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** One end of a connection. */
export class Flow implements Caller {
  readonly socket: Socket;
  readonly since = Date.now();
  address = '';
  calledPort = 0;
  readonly #sum = new Checksum();
  #text = '';
  #end: string | null = null;
  #failure: string | null = null;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(owner: Owner, socket: Socket, { isPaused = false }: Reading = {}) {
    this.socket = socket;
    socket.setNoDelay(true);
    if (isPaused) {
      socket.pause();
    }
    socket.on('data', (piece: Buffer) => {
      this.#sum.add(piece);
      if (this.#text.length < TEXT_BYTES_MAX) {
        this.#text += piece.toString('latin1', 0, TEXT_BYTES_MAX);
      }
      this.#stir();
    });
    if (!isPaused) {
      socket.resume();
    }
    socket.on('end', () => {
      this.#end ??= 'fin';
      this.#stir();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure ??= error.code ?? error.message;
      this.#end ??= this.#failure;
      this.#stir();
    });
    socket.on('close', () => {
      this.#end ??= 'closed';
      this.#stir();
    });
    owner.after(() => {
      socket.destroy();
    });
  }

  /** Connects; rejects when the connect fails. */
  static async connect(owner: Owner, target: FlowTarget, reading: Reading = {}): Promise<Flow> {
    const { path, host = '127.0.0.1', port = 0 } = target;
    const socket = createConnection({
      ...(path === undefined ? { host, port } : { path }),
      allowHalfOpen: true,
    });
    const flow = new Flow(owner, socket, reading);
    await within('the connect', once(socket, 'connect'));
    const { localAddress = '', localPort } = socket;
    const ip = localAddress.includes(':') ? `[${localAddress}]` : localAddress;
    flow.address = `${ip}:${localPort}`;
    flow.calledPort = port;
    return flow;
  }

  get received(): number {
    return this.#sum.bytes;
  }

  get checksum(): string {
    return this.#sum.value();
  }

  /** The start of what came. */
  get text(): string {
    return this.#text;
  }

  /** How the other side ended its direction: `fin` or an errno name; null while it has not. */
  get end(): string | null {
    return this.#end;
  }

  /** Sends; resolves when the kernel has taken it all. */
  async send(bytes: string | Uint8Array, style: WriteStyle = 'whole'): Promise<void> {
    const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    const step = style === 'whole' ? all.length : 1;
    for (let at = 0; at < all.length; at += step) {
      await this.#write(all.subarray(at, at + step));
    }
  }

  /** FIN behind what was sent. */
  finish(): void {
    this.socket.end();
  }

  /** RST; a Unix socket just closes. */
  reset(): void {
    if (this.socket.remotePort === undefined) {
      this.socket.destroy();
    } else {
      this.socket.resetAndDestroy();
    }
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Waits until at least `bytes` came. */
  async heard(bytes: number): Promise<void> {
    await this.#until(() => this.received >= bytes || this.#end !== null, `${bytes} bytes`);
    if (this.received < bytes) {
      throw new Error(`${bytes} bytes expected; ${this.#end} after ${this.received}`);
    }
  }

  /** Waits for exactly `bytes` in all so far, and compares them. */
  async heardAll(bytes: string | Uint8Array): Promise<void> {
    const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    await this.heard(all.length);
    if (this.received !== all.length || this.checksum !== checksumOf(all)) {
      throw new Error(`${all.length} bytes expected; other ${this.received}: ${this.#text}`);
    }
  }

  /** Waits for the end of the other side's direction; `fin` or an errno name. */
  async ended(): Promise<string> {
    await this.#until(() => this.#end !== null, 'the end');
    return this.#end ?? '';
  }

  /** Waits for an error, also one that comes after FIN. */
  async failed(): Promise<string> {
    await this.#until(() => this.#failure !== null, 'an error');
    return this.#failure ?? '';
  }

  async #until(isThere: () => boolean, what: string): Promise<void> {
    while (!isThere()) {
      const name = `${what}; ${this.received} bytes came, end: ${this.#end}`;
      await within(name, this.#wake.promise);
    }
  }

  #write(piece: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(piece, (error) => {
        if (error == null) {
          resolve();
        } else {
          reject(error);
        }
      });
    });
  }

  #stir(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}

/** Accepts connections of the gateway and hands them to the test. */
export class FlowOrigin {
  readonly #queue: Flow[] = [];
  readonly #address: string;
  #accepted = 0;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(address: string) {
    this.#address = address;
  }

  /** Starts one; the ends it hands out read from the start unless `isPaused`. */
  static async start(
    owner: Owner,
    { host = '127.0.0.1', path, isPaused = false }: FlowTarget & Reading = {},
  ): Promise<FlowOrigin> {
    const listening = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    const place: ListenOptions = path === undefined ? { host, port: 0 } : { path };
    listening.listen(place);
    await once(listening, 'listening');
    owner.after(() => {
      listening.close();
    });
    const bound = listening.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const ip = host.includes(':') ? `[${host}]` : host;
    const origin = new FlowOrigin(path === undefined ? `${ip}:${port}` : `unix:${path}`);
    listening.on('connection', (socket) => {
      origin.#accepted++;
      origin.#queue.push(new Flow(owner, socket, { isPaused }));
      const { resolve } = origin.#wake;
      origin.#wake = Promise.withResolvers();
      resolve();
    });
    return origin;
  }

  /** As configuration writes it. */
  get address(): string {
    return this.#address;
  }

  /** Connections since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  /** The next connection that no earlier call has got. */
  async next(): Promise<Flow> {
    for (;;) {
      const flow = this.#queue.shift();
      if (flow !== undefined) {
        return flow;
      }
      await within('a connection', this.#wake.promise);
    }
  }
}
