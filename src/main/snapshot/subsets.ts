/**
 * Parts of clusters that routes and mirrors ask for by labels: each is a cluster of its own to the
 * core.
 *
 * Path: compile.ts puts them behind the clusters of the configuration; compile-http.ts finds them
 * by name.
 * Invariant: one entry for each different part; all endpoints of a part are endpoints of its
 * cluster, with the same ids, so that health and live connections are counted once.
 */
import { type Config, type FilterConfig, parseLabel } from '../config/index.ts';

/** Labels that endpoints must have. */
export type Labels = Readonly<Record<string, string>>;

/** An endpoint by its address, and what the configuration says of it. */
interface Labelled {
  readonly text: string;
  readonly labels?: Labels;
}

/** A part of a cluster. */
export interface Subset {
  /** Unlike any name of a cluster. */
  readonly name: string;
  readonly cluster: string;
  readonly labels: Labels;
}

/** What a part of a cluster is called; null stands for all of it. */
export function subsetName(cluster: string, labels: Labels | null): string {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? cluster : `${cluster}{${pairs.toSorted().join(',')}}`;
}

/** The part of a cluster that a mirror copies requests to; what is not valid is none. */
function mirrored({ use, with: config }: FilterConfig): Subset[] {
  const isMap = typeof config === 'object' && config !== null;
  if (use !== 'holdfast/mirror' || !isMap || !('cluster' in config && 'subset' in config))
    return [];
  const { cluster, subset } = config;
  if (typeof cluster !== 'string' || typeof subset !== 'object' || subset === null) return [];
  const pairs = Object.entries(subset).flatMap(([key, value]) => {
    const parsed = parseLabel(value);
    return parsed.ok ? [[key, parsed.value] as const] : [];
  });
  const labels = Object.fromEntries(pairs);
  return pairs.length === 0 ? [] : [{ name: subsetName(cluster, labels), cluster, labels }];
}

/** All parts that routes and mirrors ask for, in the order of the configuration. */
export function listSubsets(config: Config): Subset[] {
  const found = new Map<string, Subset>();
  const hosts = config.listeners.flatMap(({ http }) => http?.hosts ?? []);
  for (const { subset: labels, splits } of hosts.flatMap(({ routes }) => routes)) {
    if (labels === null) continue;
    for (const { cluster } of splits) {
      const name = subsetName(cluster, labels);
      if (name !== cluster) found.set(name, { name, cluster, labels });
    }
  }
  const filters = config.listeners.flatMap((listener) => [
    ...listener.filters,
    ...(listener.http?.hosts ?? []).flatMap(({ routes }) =>
      routes.flatMap((route) => route.filters),
    ),
  ]);
  for (const part of filters.flatMap(mirrored)) found.set(part.name, part);
  return [...found.values()];
}

/** True when an endpoint has all labels. */
export function hasLabels(endpoint: Labelled, labels: Labels): boolean {
  const own = new Map(Object.entries(endpoint.labels ?? {}));
  return Object.entries(labels).every(([key, value]) => own.get(key) === value);
}
