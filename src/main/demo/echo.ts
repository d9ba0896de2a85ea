/**
 * The demo's origin for TCP, which sends back what it gets, and clients, which keep it busy.
 *
 * Path: `holdfast demo` runs both in its own process, behind and in front of the gateway.
 * Invariant: bounded: at most the asked number of clients, one message in flight each; a client
 * that loses its connection comes back after a pause, so a drain can be watched.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

const GREETING = 'hello from the demo origin: what you type comes back\n';
const MESSAGE_EVERY_MS = 2000;
const RECONNECT_AFTER_MS = 1000;
const TICK_MS = 50;

/** Counts of the demo's own traffic. */
export interface TrafficCounts {
  connected: number;
  answered: number;
  lost: number;
}

/** An echo origin on a free port of 127.0.0.1. */
export class EchoOrigin {
  readonly #listening: Server;
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#listening = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => socket.destroy());
      socket.write(GREETING);
      socket.pipe(socket);
    });
  }

  /** Starts listening. Returns the port. */
  async start(): Promise<number> {
    this.#listening.listen(0, '127.0.0.1');
    await once(this.#listening, 'listening');
    return (this.#listening.address() as AddressInfo).port;
  }

  close(): void {
    this.#listening.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Clients that stay connected and say something every two seconds. */
export class EchoClients {
  readonly counts: TrafficCounts = { connected: 0, answered: 0, lost: 0 };
  readonly #port: number;
  readonly #sockets = new Map<number, Socket>();
  readonly #retryAtMs: number[];
  #timer: NodeJS.Timeout | null = null;
  #turn = 0;

  constructor(port: number, count: number) {
    this.#port = port;
    this.#retryAtMs = Array.from({ length: count }, () => 0);
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const socket of this.#sockets.values()) socket.destroy();
    this.#sockets.clear();
  }

  /** Each tick is the turn of an equal part of the clients, so that messages are spread over time. */
  #tick(): void {
    const turns = MESSAGE_EVERY_MS / TICK_MS;
    this.#turn = (this.#turn + 1) % turns;
    const nowMs = performance.now();
    for (let client = this.#turn; client < this.#retryAtMs.length; client += turns) {
      const socket = this.#sockets.get(client);
      if (socket === undefined) {
        if (nowMs >= (this.#retryAtMs[client] ?? 0)) this.#connect(client);
      } else if (socket.readyState === 'open') {
        socket.write(`client ${client} was here\n`);
      }
    }
  }

  #connect(client: number): void {
    const socket = connect(this.#port, '127.0.0.1');
    this.#sockets.set(client, socket);
    let isConnected = false;
    socket.once('connect', () => {
      isConnected = true;
      this.counts.connected++;
    });
    socket.on('data', () => {
      this.counts.answered++;
    });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      if (this.#timer === null) return;
      if (isConnected) {
        this.counts.connected--;
        this.counts.lost++;
      }
      this.#sockets.delete(client);
      this.#retryAtMs[client] = performance.now() + RECONNECT_AFTER_MS;
    });
  }
}
