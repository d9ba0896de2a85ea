/**
 * A client that asks for one answer after another while others attack.
 *
 * Path: slow.test.ts and the interop suite with slowhttptest run it beside slow clients.
 * Invariant: half of its requests come on a connection that stays, half on new ones; each that is
 * not answered with 200 is counted.
 */
import { Agent, request } from 'node:http';
import type { Owner } from '../harness.ts';

const PAUSE_MS = 10;
/** Far beyond what an answer takes, also where everything runs in one process. */
const ANSWER_MS = 30_000;

/** What became of its requests. */
export interface Song {
  readonly answered: number;
  readonly failed: number;
  readonly slowestMs: number;
}

/** A client for `/canary`. */
export class SlowCanary {
  readonly #port: number;
  readonly #kept = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #done: Promise<void>;
  #isOver = false;
  #answered = 0;
  #failed = 0;
  #slowestMs = 0;

  private constructor(port: number) {
    this.#port = port;
    this.#done = this.#sing();
  }

  /** Starts to ask. */
  static start(owner: Owner, port: number): SlowCanary {
    const canary = new SlowCanary(port);
    owner.after(async () => {
      await canary.stop();
    });
    return canary;
  }

  /** Requests that were answered so far. */
  get answered(): number {
    return this.#answered;
  }

  /** Ends it behind the request that is under way. */
  async stop(): Promise<Song> {
    this.#isOver = true;
    await this.#done;
    this.#kept.destroy();
    return { answered: this.#answered, failed: this.#failed, slowestMs: this.#slowestMs };
  }

  async #sing(): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      const startedMs = performance.now();
      if (await this.#ask(i % 2 === 0 ? this.#kept : false)) {
        this.#answered++;
      } else {
        this.#failed++;
      }
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startedMs);
      await new Promise((resolve) => {
        setTimeout(resolve, PAUSE_MS);
      });
    }
  }

  #ask(agent: Agent | false): Promise<boolean> {
    return new Promise((resolve) => {
      let isAnswered = false;
      const asked = request(
        { host: '127.0.0.1', port: this.#port, path: '/canary', agent, timeout: ANSWER_MS },
        (response) => {
          isAnswered = true;
          response.resume();
          response.once('error', () => resolve(false));
          response.once('end', () => resolve(response.statusCode === 200));
        },
      );
      asked.once('error', () => {
        // This client came so late that its connection had been unused for too long: it asks anew.
        if (asked.reusedSocket && !isAnswered) resolve(this.#ask(false));
        else resolve(false);
      });
      asked.once('timeout', () => asked.destroy());
      asked.end();
    });
  }
}
