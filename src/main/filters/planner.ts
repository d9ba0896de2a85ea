/**
 * Makes plans: from the filters of a configuration to programs, instances and chains with ids.
 *
 * Path: snapshot/reload asks for a plan, every shard prepares it, then it is committed everywhere;
 * the chain ids go into the snapshot.
 * Invariant: what did not change keeps its ids, so a reload makes new only what is new, and one
 * that changes nothing yields the plan that lives. The id of a chain is given again only when every
 * shard has let go of it. A configuration with any fault yields no plan, and nothing changes.
 */
import type { PolicyInput } from '../../../native/epoll/index.ts';
import type { NeedsPlan } from '../../sdk/definition/index.ts';
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
import { type CheckedUse, type CheckedUses, checkUses, type UseChecks } from './check-uses.ts';
import { CheckedModules } from './checked-modules.ts';
import type { FilterFinding, FilterSite, FilterUse } from './sites.ts';

/** A plan, or why there is none. */
export interface Planned {
  /** null when there are findings. */
  readonly plan: FilterPlan | null;
  /** Chain ids by the key of the site; a site without filters has none. */
  readonly chainOf: ReadonlyMap<string, number>;
  /** What the core evaluates, by the key of the site; a site without has none. */
  readonly policiesOf: ReadonlyMap<string, readonly PolicyInput[]>;
  /** Absolute paths of files that native filters read. */
  readonly files: readonly string[];
  readonly findings: readonly FilterFinding[];
}

/** A filter as a label of metrics. */
export interface CellOwner {
  readonly filter: string;
  /** The site that names it. */
  readonly site: string;
}

interface Retiring {
  readonly chain: ChainPlan;
  readonly waitingFor: Set<number>;
}

/** A chain that crosses at none of these moments is no chain. */
const MOMENTS = 0xff;

/** Hands out plans, and keeps the ids of what lives. */
export class FilterPlanner {
  readonly #checks: UseChecks;
  readonly #instances = new Map<string, InstancePlan>();
  readonly #chains = new Map<string, ChainPlan>();
  readonly #retiring = new Map<number, Retiring>();
  readonly #uses = new Map<string, number>();
  readonly #owners: CellOwner[] = [];
  readonly #programs = new Map<string, Program>();
  #live: FilterPlan | null = null;
  #nextInstance = 1;
  #generation = 0;

  /** Without an argument modules are remembered here, and the core is not asked. */
  constructor(checks: Partial<UseChecks> = {}) {
    const { modules = new CheckedModules(), checkPolicies = () => [] } = checks;
    this.#checks = { modules, checkPolicies };
  }

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
    return this.#checks.modules.checkCount;
  }

  /**
   * What is wrong with the filters of a configuration. Nothing is planned, and no id is taken.
   *
   * @param base - URL of the configuration file, from which paths lead.
   */
  check(sites: readonly FilterSite[], base: string): Promise<CheckedUses> {
    return checkUses(sites, base, this.#checks);
  }

  /**
   * Plans the filters of a configuration. Changes nothing that lives until `commit`.
   *
   * @param base - URL of the configuration file, from which paths lead.
   */
  async plan(sites: readonly FilterSite[], base: string): Promise<Planned> {
    const found = await this.check(sites, base);
    if (found.findings.length > 0) return refusal(found.findings);
    const instances = new Map<string, InstancePlan>();
    const programs = new Map<string, Program>();
    const chains = new Map<string, ChainPlan>();
    const chainOf = new Map<string, number>();
    const generation = this.#generation + 1;
    for (const site of sites) {
      const members = this.#members(site, { checked: found.checked, instances, generation, base });
      const listener = site.isTcp === true ? 'tcp-listener' : 'listener';
      const needs = chainNeeds(members, site.route === null ? listener : 'route');
      if ((needs.mask & MOMENTS) === 0) continue;
      const framing = framingOf(site, found.checked);
      const chain = this.#chainFor({ ...needs, framing }, members, chains);
      if (chain === null) return refusal([tooManyChains(site)]);
      chainOf.set(site.key, chain.id);
    }
    const used = new Set([...chains.values()].flatMap(({ members }) => members.map(toInstance)));
    const wanted = [...instances.values()].filter(({ id }) => used.has(id));
    for (const { program, offload } of found.checked.values()) {
      programs.set(program.hash, program);
      if (offload !== null) programs.set(offload.hash, offload);
    }
    for (const program of programs.values()) this.#programs.set(program.hash, program);
    const policiesOf = policiesBySite(sites, found.policies);
    const { files } = found;
    const live = this.#live;
    if (live !== null && isSamePlan(live, [...chains.values()], wanted)) {
      return { plan: live, chainOf, policiesOf, files, findings: [] };
    }
    this.#generation = generation;
    const plan: FilterPlan = {
      generation,
      programs: [...programs.values()],
      instances: wanted,
      chains: [...chains.values()],
    };
    return { plan, chainOf, policiesOf, files, findings: [] };
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

  /** Some shards may know chains of this plan, which is not going to live. */
  abandon(plan: FilterPlan, shards: readonly number[]): void {
    const live = new Set([...this.#chains.values()].map((chain) => chain.id));
    for (const chain of plan.chains) {
      if (live.has(chain.id) || this.#retiring.has(chain.id)) continue;
      this.#retiring.set(chain.id, { chain, waitingFor: new Set(shards) });
    }
  }

  /** All the chains of former generations that a shard still has. */
  holds(shard: number, chains: readonly number[]): void {
    const held = new Set(chains);
    for (const id of this.#retiring.keys()) if (!held.has(id)) this.drained(id, shard);
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
    needs: NeedsPlan & Pick<ChainPlan, 'framing'>,
    members: readonly ChainMember[],
    chains: Map<string, ChainPlan>,
  ): ChainPlan | null {
    const plain = members.map(({ instance, place }) => ({ instance, place }));
    const key = keyOfChain({ ...needs, members: plain });
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

function keyOfChain(chain: Pick<ChainPlan, 'mask' | 'members' | 'framing'>): string {
  return JSON.stringify([chain.mask, chain.members, chain.framing]);
}

/** How the codec of a site tells frames apart; null without one. */
function framingOf(
  { codec, route }: FilterSite,
  checked: ReadonlyMap<FilterUse, CheckedUse>,
): ChainPlan['framing'] {
  if (codec === undefined || codec === null || route !== null) return null;
  return checked.get(codec)?.summary.framing ?? null;
}

function tooManyChains(site: FilterSite): FilterFinding {
  const path = (site.route ?? site.listener)[0]?.path ?? [];
  const message =
    `more than ${CHAIN_ID_MAX} chains of filters live, those included that connections of former ` +
    'generations still hold';
  return { path, file: '', line: 0, column: 0, message };
}

function toInstance(member: ChainMember): number {
  return member.instance;
}

function refusal(findings: readonly FilterFinding[]): Planned {
  return { plan: null, chainOf: new Map(), policiesOf: new Map(), files: [], findings };
}

/** Same ids mean the same: what changed has a new one. */
function isSamePlan(
  live: FilterPlan,
  chains: readonly ChainPlan[],
  instances: readonly InstancePlan[],
): boolean {
  const same = (one: readonly { id: number }[], other: readonly { id: number }[]): boolean => {
    const ids = new Set(one.map(({ id }) => id));
    return ids.size === other.length && other.every(({ id }) => ids.has(id));
  };
  return same(live.chains, chains) && same(live.instances, instances);
}

/** A listener's policies are evaluated before a route is known, so a route has only its own. */
function policiesBySite(
  sites: readonly FilterSite[],
  policies: ReadonlyMap<FilterUse, PolicyInput>,
): Map<string, readonly PolicyInput[]> {
  return new Map(
    sites.flatMap(({ key, listener, route }) => {
      const inputs = (route ?? listener).flatMap((use) => policies.get(use) ?? []);
      return inputs.length === 0 ? [] : [[key, inputs] as const];
    }),
  );
}
