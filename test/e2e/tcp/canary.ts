/**
 * The canary: long-lived connections that must not notice what happens to others.
 *
 * Path: beside every attack test, through the same gateway and the same shards. Each connection
 * sends numbered frames with a checksum to an echo and checks what comes back; short ones come and
 * go besides.
 * Invariant: a byte that is lost, changed, doubled or out of order, and any connection that ends by
 * itself, is an error that {@link Canary.beat} and {@link Canary.finish} throw.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import type { Owner } from '../harness.ts';
import { within } from './flow.ts';

const BEAT_MS = 20;
/** number, length, payload, checksum. */
const HEAD_BYTES = 8;
const SUM_BYTES = 8;
const PAYLOAD_BYTES_MAX = 700;
/** Frames on their way over one connection; then it waits for answers. */
const UNANSWERED_MAX = 16;

/** What a canary is made of. */
export interface CanarySetup {
  readonly port: number;
  readonly connections?: number;
  /** Also opens and closes short connections, one after the other. */
  readonly isShortToo?: boolean;
}

function makeFrame(number: number): Buffer {
  const length = 1 + ((number * 37) % PAYLOAD_BYTES_MAX);
  const frame = Buffer.alloc(HEAD_BYTES + length + SUM_BYTES, number & 0xff);
  frame.writeUInt32BE(number, 0);
  frame.writeUInt32BE(length, 4);
  const sum = createHash('sha256')
    .update(frame.subarray(0, HEAD_BYTES + length))
    .digest();
  sum.copy(frame, HEAD_BYTES + length, 0, SUM_BYTES);
  return frame;
}

/** One long-lived connection. */
class Bird {
  readonly socket: Socket;
  sent = 0;
  answered = 0;
  isLeaving = false;
  #rest: Buffer = Buffer.alloc(0);
  readonly #report: (fault: string) => void;
  readonly #stir: () => void;

  constructor(port: number, report: (fault: string) => void, stir: () => void) {
    this.#report = report;
    this.#stir = stir;
    this.socket = createConnection(port, '127.0.0.1');
    this.socket.on('data', (piece: Buffer) => this.#hear(piece));
    this.socket.on('error', (error) => report(`connection failed: ${error.message}`));
    this.socket.on('close', () => {
      if (!this.isLeaving) {
        report(`connection closed after ${this.answered} of ${this.sent} frames`);
      }
      stir();
    });
  }

  sing(): void {
    if (this.sent - this.answered < UNANSWERED_MAX) {
      this.socket.write(makeFrame(this.sent++));
    }
  }

  #hear(piece: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, piece]);
    for (;;) {
      const expected = makeFrame(this.answered);
      if (this.#rest.length < expected.length) {
        break;
      }
      if (!this.#rest.subarray(0, expected.length).equals(expected)) {
        this.#report(`frame ${this.answered} came back changed`);
      }
      this.#rest = this.#rest.subarray(expected.length);
      this.answered++;
    }
    this.#stir();
  }
}

/** A flock of connections beside a test. */
export class Canary {
  readonly #birds: readonly Bird[];
  readonly #faults: string[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #port: number;
  #shorts: Promise<void> = Promise.resolve();
  #shortCount = 0;
  #isLeaving = false;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(owner: Owner, { port, connections = 6 }: CanarySetup) {
    this.#port = port;
    const report = (fault: string): void => {
      this.#faults.push(fault);
      this.#stir();
    };
    this.#birds = Array.from(
      { length: connections },
      () => new Bird(port, report, () => this.#stir()),
    );
    this.#timer = setInterval(() => {
      for (const bird of this.#birds) {
        bird.sing();
      }
    }, BEAT_MS);
    owner.after(async () => {
      this.#leave();
      for (const { socket } of this.#birds) {
        socket.destroy();
      }
      await this.#shorts;
    });
  }

  /** Starts a flock against a listener that echoes; resolves when each has had an answer. */
  static async start(owner: Owner, setup: CanarySetup): Promise<Canary> {
    const canary = new Canary(owner, setup);
    await canary.beat();
    if (setup.isShortToo ?? true) {
      canary.#shorts = canary.#comeAndGo();
    }
    return canary;
  }

  /** Long-lived connections. */
  get size(): number {
    return this.#birds.length;
  }

  /** Waits until each connection had an answer to something sent from now on. */
  async beat(): Promise<void> {
    const marks = this.#birds.map(({ sent }) => sent + 1);
    await this.#until(
      () => this.#birds.every(({ answered }, index) => answered >= (marks[index] ?? 0)),
      'the canary to sing',
    );
  }

  /** Ends the flock: everything sent must have come back, and each connection must end with FIN. */
  async finish(): Promise<void> {
    this.#leave();
    await within('the short connections', this.#shorts);
    await this.#until(
      () => this.#birds.every(({ sent, answered }) => sent === answered),
      'the last answers of the canary',
    );
    await within(
      'the canary to leave',
      Promise.all(
        this.#birds.map(async ({ socket }) => {
          const closed = once(socket, 'close');
          socket.end();
          await closed;
        }),
      ),
    );
    this.#check();
  }

  async #comeAndGo(): Promise<void> {
    while (!this.#isLeaving) {
      const frame = makeFrame(this.#shortCount++);
      const socket = createConnection(this.#port, '127.0.0.1');
      const heard: Buffer[] = [];
      socket.on('data', (piece: Buffer) => heard.push(piece));
      socket.end(frame);
      try {
        await within('a short connection', once(socket, 'close'));
        if (!Buffer.concat(heard).equals(frame)) {
          this.#faults.push(`short connection ${this.#shortCount} got something else back`);
        }
      } catch (error) {
        this.#faults.push(`short connection ${this.#shortCount}: ${String(error)}`);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, BEAT_MS);
      });
    }
  }

  #leave(): void {
    this.#isLeaving = true;
    clearInterval(this.#timer);
    for (const bird of this.#birds) {
      bird.isLeaving = true;
    }
  }

  #check(): void {
    if (this.#faults.length > 0) {
      throw new Error(`the canary suffered:\n${this.#faults.slice(0, 10).join('\n')}`);
    }
  }

  async #until(isThere: () => boolean, what: string): Promise<void> {
    while (!isThere()) {
      this.#check();
      await within(what, this.#wake.promise);
    }
    this.#check();
  }

  #stir(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}
