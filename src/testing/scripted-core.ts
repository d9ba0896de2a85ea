/**
 * The core's side of the boundary, in JavaScript and without sockets.
 *
 * Path: filter-kit.ts plays requests, messages and connections through it; the filter bench drives
 * whole batches.
 * Invariant: it keeps the core's promises of src/shard/filters/README.md: one record at a time for
 * a holder, bytes that are overwritten after `run`, a count of holders for each chain.
 */
import {
  createFilterMemory,
  type FilterCore,
  type FilterMemory,
  type FilterPort,
} from '../shard/filters/index.ts';
import { type ReadAnswer, readAnswers } from './answer-reader.ts';
import { BatchBuilder } from './batch-builder.ts';

/** What overwrites the batch after each run, so that a kept window shows. */
const OVERWRITE = 0x58;

/** A core that runs what a script says. */
export class ScriptedCore implements FilterCore {
  readonly memory: FilterMemory;
  readonly batch: BatchBuilder;
  #host: FilterPort | null = null;
  readonly #late: ((answer: ReadAnswer) => boolean)[] = [];
  readonly #early: ReadAnswer[] = [];
  readonly #holders = new Map<number, number>();
  readonly #retired = new Set<number>();
  /** Runs so far. */
  runCount = 0;

  constructor(memory: FilterMemory = createFilterMemory()) {
    this.memory = memory;
    this.batch = new BatchBuilder(memory);
  }

  attach(host: FilterPort): void {
    this.#host = host;
  }

  /** Answers that came while a run was under way, or late. */
  apply(words: number): void {
    for (const answer of readAnswers(this.memory, words)) {
      const taker = this.#late.findIndex((take) => take(answer));
      if (taker >= 0) this.#late.splice(taker, 1);
      else this.#early.push(answer);
    }
  }

  retire(chain: number): void {
    this.#retired.add(chain);
    queueMicrotask(() => this.#tellDrained(chain));
  }

  /** A holder takes a chain, or lets go of it. */
  hold(chain: number, change: 1 | -1): void {
    this.#holders.set(chain, (this.#holders.get(chain) ?? 0) + change);
    if (change === -1) this.#tellDrained(chain);
  }

  /** Runs the batch that was built; returns the answers that are known at once. */
  run(): ReadAnswer[] {
    if (this.#host === null) throw new TypeError('no host is attached');
    this.runCount++;
    const words = this.#host.run(this.batch.take());
    const answers = [...this.#early.splice(0), ...readAnswers(this.memory, words)];
    this.memory.inBytes.fill(OVERWRITE, 0, 4096);
    return answers;
  }

  /** The late answer that `matches`. */
  waitFor(matches: (answer: ReadAnswer) => boolean): Promise<ReadAnswer> {
    return new Promise((resolve) => {
      this.#late.push((answer) => {
        if (!matches(answer)) return false;
        resolve(answer);
        return true;
      });
    });
  }

  #tellDrained(chain: number): void {
    if (!this.#retired.has(chain) || (this.#holders.get(chain) ?? 0) > 0) return;
    this.#retired.delete(chain);
    this.#host?.drained(chain);
  }
}
