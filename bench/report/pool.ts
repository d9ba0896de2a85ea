/**
 * A pool of threads for the slow parts of a report.
 *
 * Path: the report opens one, uses it, and closes it.
 * Invariant: never open while something is being measured.
 */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import type { Estimate } from './statistics.ts';
import type { Picture } from './svg.ts';

const THREADS_MAX = 4;

/** See the header. */
export class ReportPool {
  readonly #pool = new Piscina({
    filename: new URL('./worker.ts', import.meta.url).href,
    maxThreads: Math.min(THREADS_MAX, availableParallelism()),
    minThreads: 1,
  });

  estimate(values: readonly number[]): Promise<Estimate> {
    return this.#pool.run(values, { name: 'estimate' }) as Promise<Estimate>;
  }

  draw(picture: Picture): Promise<string> {
    return this.#pool.run(picture, { name: 'picture' }) as Promise<string>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
  }
}
