/**
 * Origins for tests: they hand each connection of the gateway to the test, echo, or say their name.
 *
 * Path: behind the gateway; a test reads from {@link Origin.next} what an endpoint would see.
 * Invariant: connections are handed out in the order in which they were accepted, each once; the
 * port stays the same when an origin closes and opens again.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ListenOptions } from 'node:net';
import type { Owner } from '../harness.ts';
import { Wire } from './wire.ts';

/**
 * Below the ports that the kernel gives to clients, so that nobody takes one while its origin is
 * away.
 */
const PORT_MIN = 10_000;
const PORT_MAX = 32_000;

/** How an origin behaves. */
export interface OriginSetup {
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** Any free port by default. */
  readonly port?: number;
  readonly path?: string;
  /** Sends back what it gets. */
  readonly isEcho?: boolean;
  /** Said first, as a line. */
  readonly name?: string;
}

/** An origin in the test's own process. */
export class Origin {
  readonly #setup: OriginSetup;
  readonly #listening;
  readonly #queue: Wire[] = [];
  readonly #live = new Set<Wire>();
  #port = 0;
  #accepted = 0;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(owner: Owner, setup: OriginSetup) {
    this.#setup = setup;
    this.#listening = createServer({ allowHalfOpen: true }, (socket) => {
      const wire = new Wire(owner, socket);
      this.#accepted++;
      this.#live.add(wire);
      this.#queue.push(wire);
      if (setup.name !== undefined) {
        wire.send(`${setup.name}\n`);
      }
      if (setup.isEcho === true) {
        socket.on('data', (bytes: Buffer) => socket.write(bytes));
      }
      socket.once('end', () => {
        if (setup.isEcho === true || setup.name !== undefined) {
          socket.end();
        }
      });
      socket.once('close', () => {
        this.#live.delete(wire);
        this.#stir();
      });
      this.#stir();
    });
    owner.after(() => this.close());
  }

  /** Starts one. */
  static async start(owner: Owner, setup: OriginSetup = {}): Promise<Origin> {
    const origin = new Origin(owner, setup);
    await origin.open();
    return origin;
  }

  get port(): number {
    return this.#port;
  }

  /** The address as configuration writes it. */
  get address(): string {
    const { host = '127.0.0.1', path } = this.#setup;
    if (path !== undefined) {
      return `unix:${path}`;
    }
    return host.includes(':') ? `"[${host}]:${this.#port}"` : `${host}:${this.#port}`;
  }

  /** Connections accepted since the start, the health checks' included. */
  get accepted(): number {
    return this.#accepted;
  }

  get live(): ReadonlySet<Wire> {
    return this.#live;
  }

  /** Listens, again after {@link stop} or {@link close}. */
  async open(): Promise<void> {
    const { host = '127.0.0.1', path, port = this.#port } = this.#setup;
    if (path !== undefined || port !== 0) {
      await this.#listen(path === undefined ? { host, port } : { path });
      this.#port = port;
      return;
    }
    while (this.#port === 0) {
      const candidate = randomInt(PORT_MIN, PORT_MAX);
      try {
        await this.#listen({ host, port: candidate });
        this.#port = candidate;
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'EADDRINUSE');
      }
    }
  }

  /** The next connection that no earlier call has got. */
  async next(): Promise<Wire> {
    for (;;) {
      const wire = this.#queue.shift();
      if (wire !== undefined) {
        return wire;
      }
      await this.#wake.promise;
    }
  }

  /** Waits until `count` connections were accepted since the start. */
  async whenAccepted(count: number): Promise<void> {
    while (this.#accepted < count) {
      await this.#wake.promise;
    }
  }

  /** Waits until `count` connections are open. */
  async whenLive(count: number): Promise<void> {
    while (this.#live.size !== count) {
      await this.#wake.promise;
    }
  }

  /** Stops listening; open connections stay. */
  stop(): void {
    this.#listening.close();
  }

  async #listen(place: ListenOptions): Promise<void> {
    this.#listening.listen(place);
    await once(this.#listening, 'listening');
  }

  /** Stops listening and resets what is open. */
  async close(): Promise<void> {
    const isListening = this.#listening.listening;
    const closed = isListening ? once(this.#listening, 'close') : null;
    this.#listening.close();
    for (const wire of this.#live) {
      wire.socket.destroy();
    }
    await closed;
  }

  #stir(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}

/** Origins that say their names, `a`, `b`, `c` and so on: who a client talks to is what it reads. */
export function startNamed(owner: Owner, count: number): Promise<Origin[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) =>
      Origin.start(owner, { name: String.fromCharCode(97 + index), isEcho: true }),
    ),
  );
}
