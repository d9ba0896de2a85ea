/**
 * JavaScript heaps of a running Holdfast, after a collection: of its main thread and its shards.
 *
 * Path: a scenario makes one, starts the candidate with its environment, and reads when it likes.
 * Invariant: a reading is of threads that were asked after the reading began; who does not answer
 * fails the run.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BUILD, ROOT } from './build.ts';
import { RunFailure } from './failure.ts';

const POLL_MS = 20;
const ANSWER_MS_MAX = 10_000;

/** Bytes in use. */
export interface HeapReading {
  readonly mainBytes: number;
  readonly shardBytes: number;
}

/** See the header. */
export class Heaps {
  readonly #folder: string;
  #asked = 0;

  constructor() {
    mkdirSync(BUILD, { recursive: true });
    this.#folder = mkdtempSync(join(BUILD, 'heaps-'));
  }

  /** For the candidate. */
  get env(): Readonly<Record<string, string>> {
    const probe = join(ROOT, 'bench', 'rig', 'probe-heap.mjs');
    return { NODE_OPTIONS: `--import=${probe}`, HF_HEAPS: this.#folder };
  }

  /** Asks the process `pid`, which has one shard. */
  async read(pids: readonly number[]): Promise<HeapReading> {
    this.#asked += 1;
    writeFileSync(join(this.#folder, 'asked'), `${this.#asked}`);
    return {
      mainBytes: await this.#answerOf(pids, 'main'),
      shardBytes: await this.#answerOf(pids, 'shard-0'),
    };
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The product is the only one of its processes that lasts; the shard's says which that is. */
  async #answerOf(pids: readonly number[], name: string): Promise<number> {
    const paths = pids.map((pid) => join(this.#folder, `${this.#asked}-${pid}-${name}.json`));
    for (let waitedMs = 0; waitedMs < ANSWER_MS_MAX; waitedMs += POLL_MS) {
      const path = paths.find((each) => existsSync(each));
      if (path !== undefined) {
        return (JSON.parse(readFileSync(path, 'utf8')) as { heapBytes: number }).heapBytes;
      }
      await delay(POLL_MS);
    }
    throw new RunFailure(`the thread ${name} did not tell its heap`);
  }
}
