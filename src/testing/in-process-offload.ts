/**
 * Runs what a filter gives away in the same thread, for tests.
 *
 * Path: filter-kit.ts hands it to the host in place of the pool.
 * Invariant: payloads and results are cloned as they would be, so a test finds what cannot cross a
 * thread. Deadlines are the hook's.
 */
import { OffloadError } from '../sdk/index.ts';
import type { Offloader, OffloadJob } from '../shard/filters/index.ts';

/** Functions by name. */
export type Tasks = Readonly<Record<string, (payload: never) => unknown>>;

/** A pool of no threads. */
export class InProcessOffload implements Offloader {
  readonly #source: Tasks | URL | null;

  constructor(source: Tasks | URL | null) {
    this.#source = source;
  }

  async run(job: OffloadJob): Promise<unknown> {
    const source = this.#source;
    const tasks = source instanceof URL ? ((await import(source.href)) as Tasks) : (source ?? {});
    const task = tasks[job.task] as ((payload: unknown) => unknown) | undefined;
    if (typeof task !== 'function') {
      throw new OffloadError('failed', `the offload module exports no function "${job.task}"`);
    }
    const payload = structuredClone(job.payload, { transfer: [...job.transfer] });
    try {
      return structuredClone(await task(payload));
    } catch (error) {
      if (error instanceof OffloadError) throw error;
      throw new OffloadError('failed', error instanceof Error ? error.message : String(error));
    }
  }
}
