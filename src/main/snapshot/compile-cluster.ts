/**
 * Clusters, and the parts of them that routes ask for by labels, to the plain data that the core
 * compiles.
 *
 * Path: compile.ts calls it; positions are those of {@link listClusterNames}.
 * Invariant: a part has an id of its own and names its cluster as its parent; its endpoints have
 * the ids that they have in the cluster, so that load, latency and health are known once.
 */
import type { ClusterInput } from '../../../native/epoll/index.ts';
import type { ResolvedEndpoint } from '../clusters/index.ts';
import type { ClusterConfig, Config } from '../config/index.ts';
import type { Ids } from '../model/index.ts';
import { hasLabels, listSubsets, type Subset } from './subsets.ts';

/** What clusters are compiled from. */
export interface ClusterSource {
  readonly config: Config;
  /** Of each cluster by name. */
  readonly endpoints: ReadonlyMap<string, readonly ResolvedEndpoint[]>;
  readonly ids: Ids;
  readonly netnsFd: (name: string | null) => number;
}

/** Names of all clusters and parts of clusters, in the order of their positions. */
export function listClusterNames(config: Config): string[] {
  return [...config.clusters, ...listSubsets(config)].map(({ name }) => name);
}

/**
 * Makes the core's input; `tlsPosition` gives the position of a cluster's TLS by its name.
 *
 * @throws IdTableFullError
 */
export function compileClusters(
  source: ClusterSource,
  tlsPosition: (cluster: string) => number,
): ClusterInput[] {
  const { config } = source;
  const byName = new Map(config.clusters.map((cluster) => [cluster.name, cluster]));
  const whole = config.clusters.map((cluster) => compileCluster(cluster, source, tlsPosition));
  const inputs = new Map(config.clusters.map(({ name }, i) => [name, whole[i]]));
  const parts = listSubsets(config).map((subset) => {
    const cluster = byName.get(subset.cluster);
    const input = inputs.get(subset.cluster);
    if (cluster === undefined || input === undefined) {
      throw new Error(
        `a route names no cluster "${subset.cluster}"; the configuration is not valid`,
      );
    }
    return {
      ...input,
      id: source.ids.cluster(subset.name),
      parent: input.id,
      endpoints: compileEndpoints(cluster, source, subset),
    };
  });
  return [...whole, ...parts];
}

function compileEndpoints(
  { name }: ClusterConfig,
  { endpoints, ids }: ClusterSource,
  subset: Subset | null,
): ClusterInput['endpoints'] {
  return (endpoints.get(name) ?? [])
    .filter(({ isDraining, balanced }) => !isDraining && balanced !== 0)
    .filter((endpoint) => subset === null || hasLabels(endpoint, subset.labels))
    .map((endpoint) => ({
      id: ids.endpoint({ cluster: name, address: endpoint.text }),
      address: endpoint.address,
      weight: endpoint.balanced ?? endpoint.weight,
      connectionsMax: endpoint.connections,
    }));
}

function compileCluster(
  cluster: ClusterConfig,
  source: ClusterSource,
  tlsPosition: (cluster: string) => number,
): ClusterInput {
  const { ejection, name } = cluster;
  return {
    id: source.ids.cluster(name),
    parent: -1,
    balance: cluster.balance,
    endpoints: compileEndpoints(cluster, source, null),
    connectMs: cluster.connect.timeoutMs,
    retries: cluster.connect.retries,
    proxyProtocol: cluster.proxyProtocol,
    netnsFd: source.netnsFd(cluster.netns),
    slowStartMs: cluster.slowStartMs,
    ejectAfter: ejection.afterFailures,
    ejectAfterErrors: ejection.afterErrors,
    ejectLatencyPermille: ejection.latencyPermille,
    ejectMs: ejection.baseMs,
    ejectMsMax: ejection.maxMs,
    ejectPercentMax: ejection.percentMax,
    panicPercent: ejection.panicPercent,
    socket: cluster.socket,
    tls: cluster.tls === null ? -1 : tlsPosition(name),
    serverName: cluster.tls?.serverName ?? '',
    http: cluster.http,
  };
}
