/**
 * What a shard does for calls about filters: its filter host, made when the first plan comes.
 *
 * Path: calls.ts -> here -> filters/; the core calls the host by itself then. Runs on the shard
 * thread.
 * Invariant: one call after the other, so that no two plans are prepared at once. A shard without
 * filters loads nothing of filters/ and allocates nothing for it.
 */
import type { NativeFilters } from '../../native/epoll/index.ts';
import type { FilterFault, FilterLine, ShardFilters } from './filters/index.ts';
import type { FilterOrder, ShardEvent } from './protocol.ts';

/** What the calls need of the shard. */
export interface FilterCallsOptions {
  readonly native: NativeFilters;
  readonly shard: number;
  readonly post: (event: ShardEvent) => void;
  /** True where this thread is the shard's own: what filters throw astray is taken then. */
  readonly isThread: boolean;
}

/** The calls about filters of one shard. */
export class FilterCalls {
  readonly #options: FilterCallsOptions;
  #filters: ShardFilters | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: FilterCallsOptions) {
    this.#options = options;
  }

  prepare(order: FilterOrder): Promise<readonly FilterFault[]> {
    return this.#inOrder(async () => {
      this.#filters ??= await this.#make(order);
      if (order.offloadPort !== null) this.#filters.connect(order.offloadPort);
      return await this.#filters.prepare(order.plan);
    });
  }

  /** Rejects with TypeError when this plan was not prepared. */
  commit(generation: number): Promise<null> {
    return this.#inOrder(async () => {
      if (this.#filters === null) throw new TypeError('no filters were prepared');
      this.#filters.commit(generation);
      return await Promise.resolve(null);
    });
  }

  retire(kept: readonly number[]): Promise<readonly number[]> {
    return this.#inOrder(async () => {
      await this.#filters?.abandon();
      return this.#filters?.retireOthers(kept) ?? [];
    });
  }

  /** Disposes of all filters; the shard stops. */
  close(): Promise<void> {
    return this.#inOrder(async () => await this.#filters?.close());
  }

  #inOrder<Result>(task: () => Promise<Result>): Promise<Result> {
    const outcome = this.#last.then(task, task);
    this.#last = outcome.catch(() => {});
    return outcome;
  }

  async #make({ counters, mode }: FilterOrder): Promise<ShardFilters> {
    const { native, shard, post, isThread } = this.#options;
    const { createFilterMemory, followStrays, ShardFilters } = await import('./filters/index.ts');
    const write = (line: FilterLine): void => post({ kind: 'filterLine', line });
    const memory = createFilterMemory();
    const filters = new ShardFilters({
      shard,
      core: {
        apply: (words) => native.applyFilterAnswers(words),
        retire: (chain) => native.retireFilterChain(chain),
      },
      memory,
      counters,
      mode,
      write,
      onDrained: (chain) => post({ kind: 'drained', chain }),
    });
    if (isThread) followStrays({ write, ownerOf: (program) => filters.ownerOf(program) });
    const { port } = filters;
    native.attachFilters(
      memory,
      (words) => port.run(words),
      (chain) => port.drained(chain),
    );
    return filters;
  }
}
