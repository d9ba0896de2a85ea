/**
 * The filters of all shards as main sees them: plans on their way, who knows which chain, the pool,
 * counters.
 *
 * Path: src/main/gateway-filters.ts makes one when the first filter comes; snapshot/apply.ts asks
 * for each step of a change, the supervisor before each snapshot that a shard gets.
 * Invariant: no batch ever names a chain that the host of its shard does not know. A plan is
 * prepared everywhere, its chains become known in a shard before the first snapshot that names
 * them, and chains are retired only when another snapshot was published, or the former one was put
 * back:
 *
 *   plan --> prepare (all shards) --> commit + snapshot (each shard) --> settle: retire the rest
 *                 | fault                    | failure
 *                 +--------------------------+--> settle with the former plan
 */
import type { FilterPlan } from '../../shard/filters/index.ts';
import {
  type CounterMemory,
  createCounterMemory,
  FilterCounters,
  type FilterFault,
  type LeaseMode,
} from '../../shard/filters/index.ts';
import type { Family, Log } from '../observe/index.ts';
import { ShardCallError, type ShardLink, type ShardNews } from '../shards/index.ts';
import type { UseChecks } from './check-uses.ts';
import { describeBusy, filterFamilies, offloadFamilies } from './metrics.ts';
import type { OffloadPool } from './offload/index.ts';
import { FilterPlanner, type Planned } from './planner.ts';
import type { FilterSite } from './sites.ts';

/** Longer than `setup` may take: who does not answer by then is blocked. */
export const PREPARE_TIMEOUT_MS = 15_000;

/** What the control needs. */
export interface FilterControlOptions {
  /** Shards that run. */
  readonly links: () => readonly ShardLink[];
  readonly log: Log;
  readonly mode: LeaseMode;
  readonly checks: UseChecks;
  /** Without it {@link PREPARE_TIMEOUT_MS}. */
  readonly prepareTimeoutMs?: number;
}

/** Why filters cannot run: one sentence. */
export class FilterRefusal extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FilterRefusal';
  }
}

/** Keys of a record that are the log's own. */
const RESERVED = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'name']);

/** What a filter says beside its message, without what would stand twice in the record. */
function ownFields(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !RESERVED.has(key)));
}

/** What a thread was told. */
interface LinkState {
  prepared: FilterPlan | null;
  /** Plans whose chains it knows. */
  readonly known: Set<FilterPlan>;
  hasPool: boolean;
}

function describeFaults(faults: readonly FilterFault[]): string {
  return faults.map(({ filter, message }) => `filter "${filter}": ${message}`).join('; ');
}

/** Every shard finds the same, as a rule; it is said once. */
function unique(faults: readonly FilterFault[]): FilterFault[] {
  return [...new Map(faults.map((fault) => [describeFaults([fault]), fault])).values()];
}

/** The filters of a gateway. */
export class FilterControl {
  readonly #options: FilterControlOptions;
  readonly #planner: FilterPlanner;
  readonly #links = new WeakMap<ShardLink, LinkState>();
  readonly #memories = new Map<number, CounterMemory>();
  readonly #counters = new Map<number, FilterCounters>();
  #pool: OffloadPool | null = null;
  /** A plan that some shard may have heard of, and that is not live. */
  #pending: FilterPlan | null = null;

  constructor(options: FilterControlOptions) {
    this.#options = options;
    this.#planner = new FilterPlanner(options.checks);
  }

  /** Chains of former generations that something still holds. */
  get retiringCount(): number {
    return this.#planner.retiringCount;
  }

  /** Plans what a configuration names; nothing that runs changes. */
  async plan(sites: readonly FilterSite[], base: string): Promise<Planned> {
    return await this.#planner.plan(sites, base);
  }

  /** Makes a plan ready in every shard. Rejects with FilterRefusal; `settle` must follow. */
  async prepare(plan: FilterPlan): Promise<void> {
    if (plan === this.#planner.live || plan.chains.length === 0) return;
    this.#pending = plan;
    if (plan.instances.some(({ offload }) => offload !== null)) await this.#makePool();
    this.#pool?.setPrograms(this.#planner.programs);
    // One shard goes first: what blocks in "setup" blocks that one only.
    const [first, ...others] = this.#options.links();
    const faults = first === undefined ? [] : await this.#prepareOn(first, plan);
    if (faults.length === 0) {
      const lists = await Promise.all(others.map((link) => this.#prepareOn(link, plan)));
      faults.push(...lists.flat());
    }
    if (faults.length > 0) throw new FilterRefusal(describeFaults(unique(faults)));
  }

  /** Makes the chains of a plan known in one shard. Rejects with ShardCallError. */
  async ensure(link: ShardLink, plan: FilterPlan | null): Promise<void> {
    const state = this.#stateOf(link);
    if (plan === null || plan.chains.length === 0 || state.known.has(plan)) return;
    if (state.prepared !== plan) {
      const faults = await this.#prepareOn(link, plan);
      if (faults.length > 0) throw new ShardCallError('failed', describeFaults(faults));
      if (state.prepared !== plan) throw new ShardCallError('gone', 'the shard has ended');
    }
    state.prepared = null;
    await link.call('commitFilters', { generation: plan.generation }).answer;
    state.known.add(plan);
  }

  /**
   * A snapshot with the chains of `plan` is in use everywhere, or was put back: all others go when
   * their last holder does. Never rejects.
   */
  async settle(plan: FilterPlan | null): Promise<void> {
    const planner = this.#planner;
    const pending = this.#pending;
    this.#pending = null;
    const links = this.#options.links().filter((link) => this.#links.has(link));
    const shards = links.map(({ index }) => index);
    const wanted = plan ?? { generation: 0, programs: [], instances: [], chains: [] };
    if (pending === null && planner.live === wanted) return;
    if (wanted !== planner.live && (plan !== null || planner.live !== null)) {
      planner.commit(wanted, shards);
    }
    if (pending !== null && pending !== wanted) planner.abandon(pending, shards);
    const kept = wanted.chains.map(({ id }) => id);
    await Promise.all(links.map((link) => this.#retireOn(link, wanted, kept)));
  }

  news(shard: number, news: ShardNews): void {
    if (news.kind === 'drained') {
      this.#planner.drained(news.chain, shard);
      return;
    }
    const { level, filter, generation, message, fields } = news.line;
    this.#options.log[level]({ ...ownFields(fields), shard, filter, generation }, message);
  }

  /** A shard's thread has ended, and with it all that it held. */
  ended(shard: number): void {
    this.#planner.shardLost(shard);
    this.#counters.get(shard)?.rest();
  }

  families(): Family[] {
    const filters = filterFamilies(this.#planner.owners, [...this.#counters.values()]);
    return [...filters, ...(this.#pool === null ? [] : offloadFamilies(this.#pool.counts()))];
  }

  /** What a filter of a shard does right now; null: nothing. */
  describeBusy(shard: number): string | null {
    const counters = this.#counters.get(shard);
    return counters === undefined ? null : describeBusy(this.#planner, counters);
  }

  async close(): Promise<void> {
    await this.#pool?.close();
  }

  #stateOf(link: ShardLink): LinkState {
    let state = this.#links.get(link);
    if (state === undefined) {
      state = { prepared: null, known: new Set(), hasPool: false };
      this.#links.set(link, state);
    }
    return state;
  }

  #countersOf(shard: number): CounterMemory {
    let memory = this.#memories.get(shard);
    if (memory === undefined) {
      memory = createCounterMemory();
      this.#memories.set(shard, memory);
      this.#counters.set(shard, new FilterCounters(memory));
    }
    return memory;
  }

  async #makePool(): Promise<void> {
    if (this.#pool !== null) return;
    const { OffloadPool: Pool } = await import('./offload/index.ts');
    const { log } = this.#options;
    this.#pool = new Pool({
      onError: (error) => log.error({ err: error }, 'a thread of the pool ended; another starts'),
    });
  }

  /** Whatever keeps a shard from it is a fault: a "setup" may block a thread, or end it. */
  async #prepareOn(link: ShardLink, plan: FilterPlan): Promise<FilterFault[]> {
    const { mode, prepareTimeoutMs: timeoutMs = PREPARE_TIMEOUT_MS } = this.#options;
    const state = this.#stateOf(link);
    const isPoolNew = this.#pool !== null && !state.hasPool;
    const offloadPort = isPoolNew ? (this.#pool?.connect() ?? null) : null;
    state.hasPool ||= isPoolNew;
    const order = { plan, counters: this.#countersOf(link.index), mode, offloadPort };
    const transfer = offloadPort === null ? [] : [offloadPort];
    try {
      const faults = await link.call('prepareFilters', order, { timeoutMs, transfer }).answer;
      if (faults.length === 0) state.prepared = plan;
      return [...faults];
    } catch (error) {
      if (!(error instanceof ShardCallError)) throw error;
      if (error.reason === 'timeout') await this.#giveUp(link);
      const does = { timeout: 'blocks', gone: 'ends the thread', failed: 'fails' }[error.reason];
      const message = `${error.message}; "setup" of a filter ${does}, as a rule`;
      return [{ filter: plan.instances[0]?.filter ?? '', message }];
    }
  }

  /** Its thread stands still, and everything with it: a successor can do more. */
  async #giveUp(link: ShardLink): Promise<void> {
    this.#options.log.error({ shard: link.index }, 'a shard that filters block is started again');
    await link.terminate();
  }

  async #retireOn(link: ShardLink, plan: FilterPlan, kept: readonly number[]): Promise<void> {
    const state = this.#stateOf(link);
    const isKnown = state.known.has(plan);
    state.known.clear();
    state.prepared = null;
    if (isKnown) state.known.add(plan);
    try {
      const held = await link.call('retireFilters', { kept }).answer;
      this.#planner.holds(link.index, held);
    } catch (error) {
      if (!(error instanceof ShardCallError)) throw error;
      this.#options.log.warn({ shard: link.index, err: error }, 'filters were not retired');
    }
  }
}
