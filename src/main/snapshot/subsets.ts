/**
 * Parts of clusters that routes ask for by labels: each is a cluster of its own to the core.
 *
 * Path: compile.ts puts them behind the clusters of the configuration; compile-http.ts finds them
 * by name.
 * Invariant: one entry for each different part; all endpoints of a part are endpoints of its
 * cluster, with the same ids, so that health and live connections are counted once.
 */
import type { Config } from '../config/index.ts';

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

/** All parts that routes ask for, in the order of the configuration. */
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
  return [...found.values()];
}

/** True when an endpoint has all labels. */
export function hasLabels(endpoint: Labelled, labels: Labels): boolean {
  const own = new Map(Object.entries(endpoint.labels ?? {}));
  return Object.entries(labels).every(([key, value]) => own.get(key) === value);
}
