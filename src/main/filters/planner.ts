/**
 * Makes plans: from the filters of a configuration to programs, instances and chains with ids.
 *
 * Path: snapshot/reload asks for a plan, every shard prepares it, then it is committed everywhere;
 * the chain ids go into the snapshot.
 * Invariant: what did not change keeps its ids, so a reload makes new only what is new. The id of a
 * chain is given again only when every shard has let go of it. A configuration with any fault
 * yields no plan, and nothing changes.
 */
import {
  CHAIN_ID_MAX,
  type ChainMember,
  type ChainPlan,
  type FilterPlan,
  HOOK_COUNT,
  type InstancePlan,
  type Program,
  USES_MAX,
} from '../../shard/filters/index.ts';
import { chainNeeds, type MaskMember } from './chain-mask.ts';
import type { CheckReply, ModuleSummary } from './check/index.ts';
import { CheckedModules } from './checked-modules.ts';
import type { FilterFinding, FilterSite, FilterUse } from './sites.ts';

/** A plan, or why there is none. */
export interface Planned {
  /** null when there are findings. */
  readonly plan: FilterPlan | null;
  /** Chain ids by the key of the site; a site without filters has none. */
  readonly chainOf: ReadonlyMap<string, number>;
  readonly findings: readonly FilterFinding[];
}

/** A filter as a label of metrics. */
export interface CellOwner {
  readonly filter: string;
  /** The site that names it. */
  readonly site: string;
}

interface CheckedUse {
  readonly use: FilterUse;
  readonly summary: ModuleSummary;
  readonly program: Program;
  readonly offload: Program | null;
}

interface Retiring {
  readonly chain: ChainPlan;
  readonly waitingFor: Set<number>;
}

const KINDS = ['network', 'stream', 'message'];

/** Hands out plans, and keeps the ids of what lives. */
export class FilterPlanner {
  readonly #modules = new CheckedModules();
  readonly #instances = new Map<string, InstancePlan>();
  readonly #chains = new Map<string, ChainPlan>();
  readonly #retiring = new Map<number, Retiring>();
  readonly #uses = new Map<string, number>();
  readonly #owners: CellOwner[] = [];
  readonly #programs = new Map<string, Program>();
  #live: FilterPlan | null = null;
  #nextInstance = 1;

  /** The filter whose hooks a cell counts; null for a cell of nobody. */
  ownerOf(cell: number): CellOwner | null {
    return this.#owners[Math.floor(cell / HOOK_COUNT)] ?? null;
  }

  /** Uses of filters that have cells. */
  get owners(): readonly CellOwner[] {
    return this.#owners;
  }

  /** The plan that is live; a shard that starts gets it first. Null without filters. */
  get live(): FilterPlan | null {
    return this.#live;
  }

  /** Programs of all that lives, former generations included: what the pool must know. */
  get programs(): readonly Program[] {
    return [...this.#programs.values()];
  }

  /** Chains of former generations that something still holds. */
  get retiringCount(): number {
    return this.#retiring.size;
  }

  /** Checks of modules so far, each in a process of its own. */
  get checkCount(): number {
    return this.#modules.checkCount;
  }

  /**
   * Plans the filters of a configuration. Changes nothing that lives until `commit`.
   *
   * @param base - URL of the configuration file, from which paths lead.
   */
  async plan(sites: readonly FilterSite[], base: string): Promise<Planned> {
    const uses = new Set(sites.flatMap((site) => [...site.listener, ...(site.route ?? [])]));
    const { checked, findings } = await this.#check([...uses], base);
    findings.push(...checkPlaces(sites, checked));
    if (findings.length > 0) return { plan: null, chainOf: new Map(), findings };
    const instances = new Map<string, InstancePlan>();
    const programs = new Map<string, Program>();
    const chains = new Map<string, ChainPlan>();
    const chainOf = new Map<string, number>();
    const generation = (this.#live?.generation ?? 0) + 1;
    for (const site of sites) {
      const members = this.#members(site, { checked, instances, generation, base });
      if (members.length === 0) continue;
      const chain = this.#chainFor(site, members, chains);
      if (chain === null) {
        return { plan: null, chainOf: new Map(), findings: [tooManyChains(site)] };
      }
      chainOf.set(site.key, chain.id);
    }
    for (const { program, offload } of checked.values()) {
      programs.set(program.hash, program);
      if (offload !== null) programs.set(offload.hash, offload);
    }
    for (const program of programs.values()) this.#programs.set(program.hash, program);
    const plan: FilterPlan = {
      generation,
      programs: [...programs.values()],
      instances: [...instances.values()],
      chains: [...chains.values()],
    };
    return { plan, chainOf, findings };
  }

  /** Every shard has prepared the plan and commits it. */
  commit(plan: FilterPlan, shards: readonly number[]): void {
    this.#live = plan;
    const wanted = new Set(plan.chains.map((chain) => chain.id));
    for (const [key, chain] of this.#chains) {
      if (wanted.has(chain.id)) continue;
      this.#chains.delete(key);
      this.#retiring.set(chain.id, { chain, waitingFor: new Set(shards) });
    }
    for (const chain of plan.chains) this.#chains.set(keyOfChain(chain), chain);
    this.#forgetInstances(plan.instances);
  }

  /** A shard has let go of a chain. */
  drained(id: number, shard: number): void {
    const retiring = this.#retiring.get(id);
    retiring?.waitingFor.delete(shard);
    if (retiring?.waitingFor.size === 0) {
      this.#retiring.delete(id);
      this.#forgetInstances([]);
    }
  }

  /** A shard ended, and with it all that it held. */
  shardLost(shard: number): void {
    for (const id of this.#retiring.keys()) this.drained(id, shard);
  }

  async #check(
    uses: readonly FilterUse[],
    base: string,
  ): Promise<{ readonly checked: Map<FilterUse, CheckedUse>; readonly findings: FilterFinding[] }> {
    const bySpecifier = Map.groupBy(uses, (use) => use.specifier);
    const checked = new Map<FilterUse, CheckedUse>();
    const findings: FilterFinding[] = [];
    for (const [specifier, group] of bySpecifier) {
      const configs = group.map((use) => use.config);
      const reply = await this.#modules.check(specifier, base, configs);
      findings.push(...findingsOf(reply, group));
      const { summary, program, offload } = reply;
      if (summary === null || program === null) continue;
      for (const use of group) checked.set(use, { use, summary, program, offload });
    }
    return { checked, findings };
  }

  #members(
    site: FilterSite,
    into: {
      readonly checked: ReadonlyMap<FilterUse, CheckedUse>;
      readonly instances: Map<string, InstancePlan>;
      readonly generation: number;
      readonly base: string;
    },
  ): (MaskMember & ChainMember)[] {
    const [listenerKey] = site.key.split('/');
    const lists = [
      { uses: site.listener, place: 'listener' as const, key: `${listenerKey}` },
      { uses: site.route ?? [], place: 'route' as const, key: site.key },
    ];
    return lists.flatMap(({ uses, place, key }) => {
      const seen = new Map<string, number>();
      return uses.flatMap((use) => {
        const checked = into.checked.get(use);
        if (checked === undefined) return [];
        const { name, kind, needs } = checked.summary;
        const count = (seen.get(name) ?? 0) + 1;
        seen.set(name, count);
        const where = count === 1 ? key : `${key}#${count}`;
        const instance = this.#instanceFor(checked, where, into);
        return [{ instance: instance.id, place, kind, needs }];
      });
    });
  }

  #instanceFor(
    { use, summary, program, offload }: CheckedUse,
    where: string,
    into: {
      readonly instances: Map<string, InstancePlan>;
      readonly generation: number;
      readonly base: string;
    },
  ): InstancePlan {
    const { base } = into;
    const sources = [program.hash, offload?.hash];
    const key = JSON.stringify([where, summary.name, ...sources, use.config, base]);
    const known = into.instances.get(key) ?? this.#instances.get(key);
    const instance = known ?? {
      id: this.#nextInstance++,
      filter: summary.name,
      program: program.hash,
      offload: offload?.hash ?? null,
      config: use.config,
      base,
      generation: into.generation,
      cell: this.#cellFor({ filter: summary.name, site: where }),
    };
    into.instances.set(key, instance);
    this.#instances.set(key, instance);
    return instance;
  }

  #cellFor(owner: CellOwner): number {
    const key = `${owner.site}\n${owner.filter}`;
    let use = this.#uses.get(key);
    if (use === undefined) {
      use = Math.min(this.#owners.length, USES_MAX - 1);
      this.#uses.set(key, use);
      this.#owners[use] = use === USES_MAX - 1 ? { filter: 'other', site: 'other' } : owner;
    }
    return use * HOOK_COUNT;
  }

  #chainFor(
    site: FilterSite,
    members: readonly (MaskMember & ChainMember)[],
    chains: Map<string, ChainPlan>,
  ): ChainPlan | null {
    const needs = chainNeeds(members, site.route !== null);
    const plain = members.map(({ instance, place }) => ({ instance, place }));
    const key = keyOfChain({ mask: needs.mask, members: plain });
    const known = chains.get(key) ?? this.#chains.get(key);
    const id = known?.id ?? this.#freeId(chains);
    if (id === null) return null;
    const chain = known ?? { ...needs, id, members: plain };
    chains.set(key, chain);
    return chain;
  }

  #freeId(chains: ReadonlyMap<string, ChainPlan>): number | null {
    const taken = new Set([...this.#chains.values(), ...chains.values()].map((chain) => chain.id));
    for (let id = 1; id <= CHAIN_ID_MAX; id++) {
      if (!taken.has(id) && !this.#retiring.has(id)) return id;
    }
    return null;
  }

  /** Forgets instances that no chain holds any more. */
  #forgetInstances(extra: readonly InstancePlan[]): void {
    const retiring = [...this.#retiring.values()].map(({ chain }) => chain);
    const chains = [...this.#chains.values(), ...retiring];
    const held = new Set(chains.flatMap((chain) => chain.members.map((one) => one.instance)));
    for (const { id } of extra) held.add(id);
    for (const [key, instance] of this.#instances) {
      if (!held.has(instance.id)) this.#instances.delete(key);
    }
    const used = new Set(
      [...this.#instances.values()].flatMap(({ program, offload }) => [program, offload]),
    );
    for (const hash of this.#programs.keys()) {
      if (!used.has(hash)) this.#programs.delete(hash);
    }
  }
}

function keyOfChain(chain: Pick<ChainPlan, 'mask' | 'members'>): string {
  return JSON.stringify([chain.mask, chain.members]);
}

function tooManyChains(site: FilterSite): FilterFinding {
  const path = (site.route ?? site.listener)[0]?.path ?? [];
  const message =
    `more than ${CHAIN_ID_MAX} chains of filters live, those included that connections of former ` +
    'generations still hold';
  return { path, file: '', line: 0, column: 0, message };
}

/** What a check found, at the uses of the module. */
function findingsOf(reply: CheckReply, uses: readonly FilterUse[]): FilterFinding[] {
  const path = uses[0]?.path ?? [];
  const source = reply.sourceFaults.map(({ file, line, column, message }) => {
    return { path: [...path, 'use'], file, line, column, message };
  });
  const config = reply.configFaults.map((fault) => ({
    path: [...(uses[fault.use]?.path ?? path), 'with', ...fault.path],
    file: '',
    line: 0,
    column: 0,
    message: fault.message,
  }));
  return [...source, ...config];
}

/** Filters that stand where they can do nothing. */
function checkPlaces(
  sites: readonly FilterSite[],
  checked: ReadonlyMap<FilterUse, CheckedUse>,
): FilterFinding[] {
  const find = (use: FilterUse, isRoute: boolean): FilterFinding[] => {
    const summary = checked.get(use)?.summary;
    if (summary === undefined) return [];
    const place = { path: [...use.path, 'use'], file: '', line: 0, column: 0 };
    if (!KINDS.includes(summary.kind)) {
      return [{ ...place, message: `"${summary.name}" is a ${summary.kind}, not a filter` }];
    }
    if (isRoute && summary.kind === 'network') {
      const message = `"${summary.name}" is a network filter; those stand on listeners`;
      return [{ ...place, message }];
    }
    return [];
  };
  return sites.flatMap((site) => [
    ...(site.route === null ? site.listener.flatMap((use) => find(use, false)) : []),
    ...(site.route ?? []).flatMap((use) => find(use, true)),
  ]);
}
