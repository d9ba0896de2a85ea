/**
 * Clients and endpoints that speak TLS by Node's own TLS, as flows.
 *
 * Path: tests connect with {@link connectTls}; {@link TlsOrigin} stands behind a cluster with
 * `tls`.
 * Invariant: both directions end by themselves; a handshake that fails rejects with Node's code.
 */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect,
  createServer,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import type { Owner } from '../harness.ts';
import { Flow, type Reading, within } from '../tcp/flow.ts';

/** A client of a gateway. */
export interface TlsClient {
  readonly flow: Flow;
  readonly tls: TLSSocket;
  /** Resolves with the last ticket that came until the first byte after it, or the end. */
  readonly ticket: Promise<Buffer>;
}

/** How to connect. */
export type TlsTarget = Omit<ConnectionOptions, 'port'> &
  Reading & {
    /** Sent in clear before the handshake. */
    readonly before?: Uint8Array;
  };

/** Connects and shakes hands; certificates are not checked unless `ca` is given. */
export async function connectTls(
  owner: Owner,
  port: number,
  { isPaused = false, before, ...options }: TlsTarget = {},
): Promise<TlsClient> {
  const under: { socket?: Socket } = {};
  if (before !== undefined) {
    const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true });
    await once(socket, 'connect');
    socket.write(before);
    under.socket = socket;
    owner.after(() => {
      socket.destroy();
    });
  }
  // What `connect` of node:net knows passes through, though the types of `tls` do not say so.
  const wanted: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
    host: '127.0.0.1',
    port,
    rejectUnauthorized: options.ca !== undefined,
    checkServerIdentity: () => undefined,
    ...options,
    allowHalfOpen: true,
    ...under,
  };
  const tls = connect(wanted);
  const ticket = new Promise<Buffer>((resolve) => {
    tls.once('session', resolve);
  });
  const flow = new Flow(owner, tls, { isPaused });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  tls.once('secureConnect', resolve);
  tls.once('error', reject);
  tls.once('close', () => reject(new Error('closed in the handshake')));
  await within('the handshake', promise);
  flow.address = `127.0.0.1:${tls.localPort}`;
  flow.calledPort = port;
  return { flow, tls, ticket };
}

/** Node's code of the alert or error that a handshake ends with; `connected` when it does not. */
export async function refusal(owner: Owner, port: number, target: TlsTarget = {}): Promise<string> {
  try {
    const { flow, tls } = await connectTls(owner, port, target);
    // In TLS 1.3 a client is done before its certificate is judged.
    const judged = Promise.withResolvers<void>();
    for (const event of ['data', 'error', 'close']) {
      tls.once(event, () => judged.resolve());
    }
    await flow.send('x');
    await within('an answer or the end', judged.promise);
    return flow.received > 0 ? 'connected' : (flow.end ?? 'connected');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** A connection that shook hands with an endpoint. */
export interface Arrival {
  readonly flow: Flow;
  readonly tls: TLSSocket;
  readonly isReused: boolean;
}

/** An endpoint that speaks TLS. */
export class TlsOrigin {
  readonly port: number;
  readonly #server: Server;
  readonly #queue: Arrival[] = [];
  readonly #failures: string[] = [];
  #accepted = 0;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(owner: Owner, { server, isEcho }: { server: Server; isEcho: boolean }) {
    this.#server = server;
    const address = server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
    server.on('tlsClientError', (error: NodeJS.ErrnoException) => {
      this.#failures.push(error.code ?? error.message);
      this.#stir();
    });
    server.on('connection', () => {
      this.#accepted++;
    });
    server.on('secureConnection', (tls: TLSSocket) => {
      if (isEcho) {
        tls.on('data', (bytes: Buffer) => tls.write(bytes));
        tls.on('end', () => tls.end());
      }
      this.#queue.push({ flow: new Flow(owner, tls), tls, isReused: tls.isSessionReused() });
      this.#stir();
    });
    owner.after(() => {
      server.close();
    });
  }

  /** Starts one; `isEcho` sends back what comes. */
  static async start(
    owner: Owner,
    { isEcho = false, ...options }: TlsOptions & { isEcho?: boolean },
  ): Promise<TlsOrigin> {
    const server = createServer({ ...options, allowHalfOpen: true } as TlsOptions);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TlsOrigin(owner, { server, isEcho });
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get accepted(): number {
    return this.#accepted;
  }

  /** Answers from now on with other options. */
  change(options: TlsOptions): void {
    this.#server.setSecureContext(options);
  }

  /** The next connection that no earlier call has got. */
  async next(): Promise<Arrival> {
    for (;;) {
      const first = this.#queue.shift();
      if (first !== undefined) {
        return first;
      }
      await within('a connection', this.#wake.promise);
    }
  }

  /** All connections that no earlier call has got. */
  drain(): Arrival[] {
    return this.#queue.splice(0);
  }

  /** The code of the next handshake that failed. */
  async failure(): Promise<string> {
    for (;;) {
      const first = this.#failures.shift();
      if (first !== undefined) {
        return first;
      }
      await within('a failed handshake', this.#wake.promise);
    }
  }

  #stir(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}
