/**
 * Filters of one shard as its worker needs them: host, loader and pool client, and generations.
 *
 * Path: src/shard/filter-calls.ts makes one; calls of main end up in prepare, commit and retire.
 * Invariant: at most one plan is prepared at a time; a commit is of the plan that was prepared.
 * Chains are known from their commit on, and until they were retired and drained.
 */
import type { FilterCore, FilterMemory, FilterPort } from './core.ts';
import { type CounterMemory, FilterCounters } from './counters.ts';
import { FilterHost } from './host.ts';
import type { WriteLine } from './instance.ts';
import type { LeaseMode } from './message-view.ts';
import { ModuleLoader } from './module-loader.ts';
import { OffloadClient, type OffloadPort } from './offload-client.ts';
import { OffloadSocket } from './offload-socket.ts';
import type { FilterPlan } from './plan.ts';
import { type FilterFault, type Prepared, prepareInstances, releasePrepared } from './prepare.ts';
import type { StrayOwner } from './stray.ts';

/** What a shard's filters are made of. */
export interface ShardFiltersOptions {
  readonly shard: number;
  /** The core of this shard; whoever makes it gives it `port`, and the same memory. */
  readonly core: FilterCore;
  readonly memory: FilterMemory;
  /** Shared with main. */
  readonly counters: CounterMemory;
  readonly mode: LeaseMode;
  readonly write: WriteLine;
  /** A chain is gone from this shard. */
  readonly onDrained: (chain: number) => void;
}

/** The filters of a shard. */
export class ShardFilters {
  /** What the core calls. */
  readonly port: FilterPort;
  readonly #options: ShardFiltersOptions;
  readonly #host: FilterHost;
  readonly #loader = new ModuleLoader();
  readonly #offload = new OffloadSocket();
  #prepared: { readonly plan: FilterPlan; readonly prepared: Prepared } | null = null;

  constructor(options: ShardFiltersOptions) {
    this.#options = options;
    const { core, memory, counters, mode, write } = options;
    this.#host = new FilterHost({
      core,
      memory,
      counters: new FilterCounters(counters),
      mode,
      offloader: this.#offload,
      write,
    });
    this.port = {
      run: (words) => this.#host.run(words),
      drained: (chain) => {
        this.#host.drained(chain);
        options.onDrained(chain);
      },
    };
  }

  /** How much the host holds on to. */
  get counts(): FilterHost['counts'] {
    return this.#host.counts;
  }

  /** The use of a program that was set up last; null when none lives. */
  ownerOf(program: string): StrayOwner | null {
    const plans = [...this.#host.instances().values()].map(({ plan }) => plan);
    return plans.findLast((plan) => plan.program === program) ?? null;
  }

  /** The way to the pool on the main thread; once, when the first filter wants it. */
  connect(port: OffloadPort): void {
    this.#offload.client = new OffloadClient(port);
  }

  /** Makes a plan ready; the faults say why it is not. */
  async prepare(plan: FilterPlan): Promise<readonly FilterFault[]> {
    await this.abandon();
    const { shard, write } = this.#options;
    const known = this.#host.instances();
    const prepared = await prepareInstances(plan, { loader: this.#loader, shard, write, known });
    this.#prepared = prepared.faults.length > 0 ? null : { plan, prepared };
    return prepared.faults;
  }

  /** Makes the prepared plan's chains known. @throws TypeError when another one was prepared */
  commit(generation: number): void {
    const ready = this.#prepared;
    if (ready?.plan.generation !== generation) {
      throw new TypeError(`generation ${generation} of filters was not prepared`);
    }
    this.#prepared = null;
    this.#host.add(ready.plan, ready.prepared.instances);
    void releasePrepared(ready.prepared);
  }

  /** Retires all chains but these; returns the retired ones that something still holds. */
  retireOthers(kept: readonly number[]): number[] {
    return this.#host.retireOthers(new Set(kept));
  }

  /** Lets go of a prepared plan that is not going to be committed. */
  async abandon(): Promise<void> {
    const ready = this.#prepared;
    this.#prepared = null;
    if (ready !== null) await releasePrepared(ready.prepared);
  }

  /** Ends all filters; the shard stops. */
  async close(): Promise<void> {
    await this.abandon();
    await this.#host.close();
    this.#offload.client?.close();
  }
}
