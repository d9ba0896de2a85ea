/**
 * Where filters stand in a configuration, and what of them goes into its snapshot.
 *
 * Path: src/main/gateway-filters.ts plans the sites; compile.ts puts chains and policies into the
 * snapshot.
 * Invariant: plain values, and nothing of src/main/filters is loaded for them: a gateway without
 * filters never does.
 */
import { isDeepStrictEqual } from 'node:util';
import type { FilterChainInput, PolicyInput } from '../../../native/epoll/index.ts';
import type { FilterPlan } from '../../shard/filters/index.ts';
import type { Config, FilterConfig, ListenerConfig } from '../config/index.ts';
import type { FilterSite, FilterUse, PolicyUse, SitePath } from '../filters/index.ts';
import type { PolicyName } from '../model/index.ts';
import { subsetName } from './subsets.ts';

/** What the filters of a configuration became. */
export interface FilterLayout {
  /** What shards run; null: none. */
  readonly plan: FilterPlan | null;
  /** Id of the chain, and what the core evaluates, by the key of the site. */
  readonly chainOf: ReadonlyMap<string, number>;
  readonly policiesOf: ReadonlyMap<string, readonly PolicyInput[]>;
  /** Balancers and discoveries of clusters. */
  readonly steering: readonly PolicyUse[];
  /** SHA-256 by path of the files that the filters were made of. */
  readonly files: ReadonlyMap<string, string>;
}

/** Of a configuration that names no filters. */
export const NO_FILTERS: FilterLayout = {
  plan: null,
  chainOf: new Map(),
  policiesOf: new Map(),
  steering: [],
  files: new Map(),
};

/** What a listener or a route has in a snapshot. */
export interface FilterPlaceInput {
  readonly filterChain: number;
  readonly policies: readonly PolicyInput[];
}

/** Key of a route; that of a listener is its name. */
export function routeSiteKey(listener: string, route: string): string {
  return `${listener}/${route}`;
}

function toUses(filters: readonly FilterConfig[], path: SitePath): FilterUse[] {
  return filters.map(({ use, with: config }, i) => ({
    path: [...path, 'filters', i],
    specifier: use,
    config,
  }));
}

function toCodecUse(codec: FilterConfig | null, path: SitePath): FilterUse | null {
  if (codec === null) return null;
  return { path: [...path, 'codec'], specifier: codec.use, config: codec.with };
}

function sitesOf(listener: ListenerConfig, position: number): FilterSite[] {
  const path = ['listeners', position];
  const { name, http } = listener;
  const own = toUses(listener.filters, path);
  const isTcp = http === null;
  const codec = toCodecUse(listener.codec, path);
  const isFiltered = own.length > 0 || codec !== null;
  const first = isFiltered ? [{ key: name, listener: own, route: null, isTcp, codec }] : [];
  const routes = (http?.hosts ?? []).flatMap(({ routes: list }, i) =>
    list.flatMap((route, j): FilterSite[] => {
      if (own.length + route.filters.length === 0) return [];
      const uses = toUses(route.filters, [...path, 'http', 'hosts', i, 'routes', j]);
      return [{ key: routeSiteKey(name, route.name), listener: own, route: uses, isTcp }];
    }),
  );
  return [...first, ...routes];
}

/** All listeners and routes that have filters, of their own or of their listener. */
export function listFilterSites(config: Config): FilterSite[] {
  return config.listeners.flatMap(sitesOf);
}

/** All balancers and discoveries of clusters; each has a site of its own, called like its cluster. */
export function listSteeringSites(config: Config): FilterSite[] {
  return config.clusters.flatMap((cluster, i) =>
    (['balancer', 'discovery'] as const).flatMap((kind): FilterSite[] => {
      const written = cluster[kind];
      if (written === null) return [];
      const { use: specifier, with: config } = written;
      const use = { path: ['clusters', i, kind], specifier, config };
      return [{ key: cluster.name, listener: [use], route: null, steers: kind }];
    }),
  );
}

/** URL from which paths and packages lead; empty without filters, balancers and discoveries. */
export function filterBase({ listeners, clusters }: Config): string {
  const all = listeners.flatMap(({ filters, codec, http }) => [
    ...filters,
    ...(codec === null ? [] : [codec]),
    ...(http?.hosts ?? []).flatMap(({ routes }) => routes.flatMap((route) => route.filters)),
  ]);
  const steering = clusters.flatMap(({ balancer, discovery }) => [balancer ?? [], discovery ?? []]);
  return [...all, ...steering.flat()][0]?.base ?? '';
}

/** Uses of native filters by the names that they are counted under: the second `rbac` is `rbac#2`. */
export function listPolicies({ policiesOf }: FilterLayout): PolicyName[] {
  return [...policiesOf].flatMap(([site, policies]) =>
    namePolicies(policies).map((name) => ({ site, name })),
  );
}

function namePolicies(policies: readonly PolicyInput[]): string[] {
  const seen = new Map<string, number>();
  return policies.map(({ name }) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count === 1 ? name : `${name}#${count}`;
  });
}

/** Ids on the board. */
export interface PolicyIds {
  readonly policy: (name: PolicyName) => number;
  /** Of a cluster, or of a part of one. */
  readonly cluster: (name: string) => number;
}

/** What stands at a site. */
export function placeOf(layout: FilterLayout, key: string, ids: PolicyIds): FilterPlaceInput {
  const policies = layout.policiesOf.get(key) ?? [];
  const names = namePolicies(policies);
  return {
    filterChain: layout.chainOf.get(key) ?? 0,
    policies: policies.map((policy, i) => {
      const id = ids.policy({ site: key, name: names[i] ?? policy.name });
      return policy.kind === 'mirror'
        ? { ...policy, id, cluster: ids.cluster(subsetName(policy.target, policy.subset)) }
        : { ...policy, id };
    }),
  };
}

/** Chains as the core takes them. */
export function compileChains({ plan }: FilterLayout): FilterChainInput[] {
  return (plan?.chains ?? []).map(
    ({ id, mask, requestHeaders, responseHeaders, messageBytesMax, oversize, framing }) => ({
      id,
      mask,
      requestHeaders,
      responseHeaders,
      messageBytesMax,
      oversize,
      framing,
    }),
  );
}

/** True when both run the same filters with the same configuration. */
export function isSameLayout(one: FilterLayout, other: FilterLayout): boolean {
  const isSamePlan =
    one.plan === other.plan ||
    (one.plan?.chains.length ?? 0) + (other.plan?.chains.length ?? 0) === 0;
  const ids = ({ steering }: FilterLayout): string[] => steering.map(({ id }) => id);
  const isSameSteering = isDeepStrictEqual(ids(one), ids(other));
  return isSamePlan && isSameSteering && isDeepStrictEqual(one.policiesOf, other.policiesOf);
}

/** What is made anew, in words; empty when nothing is. */
export function describeLayoutChanges(before: FilterLayout, after: FilterLayout): string[] {
  return [...describePlanChanges(before, after), ...describeSteeringChanges(before, after)];
}

function describeSteeringChanges(before: FilterLayout, after: FilterLayout): string[] {
  const known = new Set(before.steering.map(({ id }) => id));
  return after.steering
    .filter(({ id }) => !known.has(id))
    .map(({ cluster, kind, name }) => `${kind} "${name}" of cluster "${cluster}" set up`);
}

function describePlanChanges(before: FilterLayout, after: FilterLayout): string[] {
  const { plan } = after;
  if (plan === null || plan === before.plan) return [];
  const known = new Set(before.plan?.instances.map(({ id }) => id));
  const fresh = plan.instances.filter(({ id }) => !known.has(id)).map(({ filter }) => filter);
  const names = [...new Set(fresh)].map((name) => JSON.stringify(name));
  return names.length === 0 ? [] : [`filters set up: ${names.join(', ')}`];
}
