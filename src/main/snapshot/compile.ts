/**
 * Configuration and resolved endpoints to the plain data that the core compiles into a snapshot.
 *
 * Path: config + clusters/resolve.ts + model ids -> here -> native compileSnapshot.
 * Invariant: every listener names a cluster position that exists; draining endpoints are left out,
 * so they get no new connections and keep those they have. A pure function but for the ids it
 * takes.
 */
import type {
  ClusterInput,
  ListenerInput,
  ListenerLimits,
  SnapshotInput,
} from '../../../native/epoll/index.ts';
import type { ResolvedEndpoint } from '../clusters/index.ts';
import type { ClusterConfig, Config, ListenerConfig } from '../config/index.ts';
import type { Ids } from '../model/index.ts';

/** What a snapshot is compiled from. */
export interface CompileSource {
  readonly config: Config;
  /** Of each cluster by name. */
  readonly endpoints: ReadonlyMap<string, readonly ResolvedEndpoint[]>;
  readonly ids: Ids;
  readonly netnsFd: (name: string | null) => number;
  /** Serial number of the snapshot. */
  readonly serial: number;
}

/** Makes the core's input. @throws IdTableFullError */
export function compileSnapshotInput(source: CompileSource): SnapshotInput {
  const { config, serial } = source;
  const positions = new Map(config.clusters.map(({ name }, position) => [name, position]));
  return {
    generation: serial,
    listeners: config.listeners.map((listener) =>
      compileListener(listener, {
        source,
        cluster: positionOf(positions, listener),
      }),
    ),
    clusters: config.clusters.map((cluster) => compileCluster(cluster, source)),
  };
}

/** What the acceptor enforces before a connection reaches a shard. */
export function compileLimits(listener: ListenerConfig): ListenerLimits {
  const { connections, acceptRate } = listener.limits;
  return { connectionsMax: connections, acceptsPerSecond: acceptRate };
}

function positionOf(positions: ReadonlyMap<string, number>, listener: ListenerConfig): number {
  const position = positions.get(listener.cluster);
  if (position === undefined) {
    throw new Error(`listener "${listener.name}" names no cluster; the configuration is not valid`);
  }
  return position;
}

function compileListener(
  listener: ListenerConfig,
  place: { readonly source: CompileSource; readonly cluster: number },
): ListenerInput {
  const { config, ids } = place.source;
  const { limits, timeouts, proxyProtocol } = listener;
  return {
    id: ids.listener(listener.name),
    cluster: place.cluster,
    idleMs: timeouts.idleMs,
    halfCloseMs: timeouts.halfCloseMs,
    maxAgeMs: timeouts.maxAgeMs,
    maxAgeJitterPermille: timeouts.maxAgeJitterPermille,
    proxyProtocolFrom: proxyProtocol?.accept ?? [],
    proxyHeaderMs: proxyProtocol?.timeoutMs ?? 0,
    bufferHigh: limits.bufferHigh,
    bufferLow: limits.bufferLow,
    connectionsPerAddressMax: limits.connectionsPerAddress,
    accessIntervalMs: config.log.accessIntervalMs,
    accessLog: listener.accessLog && config.log.access !== 'off',
    socket: listener.socket,
  };
}

function compileCluster(cluster: ClusterConfig, source: CompileSource): ClusterInput {
  const { ids, endpoints, netnsFd } = source;
  const { ejection } = cluster;
  return {
    id: ids.cluster(cluster.name),
    balance: cluster.balance,
    endpoints: (endpoints.get(cluster.name) ?? [])
      .filter(({ isDraining }) => !isDraining)
      .map((endpoint) => ({
        id: ids.endpoint({ cluster: cluster.name, address: endpoint.text }),
        address: endpoint.address,
        weight: endpoint.weight,
        connectionsMax: endpoint.connections,
      })),
    connectMs: cluster.connect.timeoutMs,
    retries: cluster.connect.retries,
    proxyProtocol: cluster.proxyProtocol,
    netnsFd: netnsFd(cluster.netns),
    slowStartMs: cluster.slowStartMs,
    ejectAfter: ejection.afterFailures,
    ejectMs: ejection.baseMs,
    ejectMsMax: ejection.maxMs,
    ejectPercentMax: ejection.percentMax,
    panicPercent: ejection.panicPercent,
    socket: cluster.socket,
  };
}
