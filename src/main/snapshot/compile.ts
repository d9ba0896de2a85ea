/**
 * Configuration, resolved endpoints and the files of TLS to the plain data that the core compiles
 * into a snapshot.
 *
 * Path: config + clusters/resolve.ts + tls material + model ids -> here -> native compileSnapshot.
 * Invariant: every listener names a cluster position that exists; draining endpoints are left out,
 * so they get no new connections and keep those they have. A pure function but for the ids it
 * takes.
 */
import type {
  ListenerInput,
  ListenerLimits,
  SnapshotInput,
  TlsConfigInput,
} from '../../../native/epoll/index.ts';
import type { ResolvedEndpoint } from '../clusters/index.ts';
import type { Config, ListenerConfig } from '../config/index.ts';
import type { Ids } from '../model/index.ts';
import type { TlsMaterial } from '../tls/index.ts';
import { compileClusters, listClusterNames } from './compile-cluster.ts';
import { compileHttp } from './compile-http.ts';
import {
  compileChains,
  type FilterLayout,
  type FilterPlaceInput,
  placeOf,
  routeSiteKey,
} from './filter-layout.ts';

/** What a snapshot is compiled from. */
export interface CompileSource {
  readonly config: Config;
  /** Of each cluster by name. */
  readonly endpoints: ReadonlyMap<string, readonly ResolvedEndpoint[]>;
  readonly material: TlsMaterial;
  /** The first makes tickets, all of them read tickets. */
  readonly ticketKeys: readonly Uint8Array[];
  readonly ids: Ids;
  readonly filters: FilterLayout;
  readonly netnsFd: (name: string | null) => number;
  /** Serial number of the snapshot. */
  readonly serial: number;
}

/** Positions of what others refer to. */
interface Positions {
  /** Of each cluster by name. */
  readonly clusters: ReadonlyMap<string, number>;
  /** Of TLS by the listener's or cluster's name. */
  readonly listenerTls: ReadonlyMap<string, number>;
  readonly clusterTls: ReadonlyMap<string, number>;
}

/** Makes the core's input. @throws IdTableFullError */
export function compileSnapshotInput(source: CompileSource): SnapshotInput {
  const { config, material, serial } = source;
  const tls: TlsConfigInput[] = [];
  const place = ([name, input]: [string, TlsConfigInput]): [string, number] => [
    name,
    tls.push(input) - 1,
  ];
  const names = listClusterNames(config);
  const positions: Positions = {
    clusters: new Map(names.map((name, position) => [name, position])),
    listenerTls: new Map([...material.listeners].map(place)),
    clusterTls: new Map([...material.clusters].map(place)),
  };
  return {
    generation: serial,
    listeners: config.listeners.map((listener) => compileListener(listener, source, positions)),
    clusters: compileClusters(source, (name) => tlsPosition(positions.clusterTls, name)),
    tls,
    ticketKeys: tls.length === 0 ? [] : source.ticketKeys,
    accessFormat: config.log.accessFormat,
    accessTemplate: config.log.accessTemplate,
    filterChains: compileChains(source.filters),
  };
}

/** What the acceptor enforces before a connection reaches a shard. */
export function compileLimits(listener: ListenerConfig): ListenerLimits {
  const { connections, acceptRate } = listener.limits;
  return { connectionsMax: connections, acceptsPerSecond: acceptRate };
}

function positionOf(positions: Positions, name: string, listener: ListenerConfig): number {
  const position = positions.clusters.get(name);
  if (position === undefined) {
    throw new Error(`listener "${listener.name}" names no cluster; the configuration is not valid`);
  }
  return position;
}

/** Nobody may speak in clear because the files of his TLS are missing here. */
function tlsPosition(positions: ReadonlyMap<string, number>, name: string): number {
  const position = positions.get(name);
  if (position === undefined) {
    throw new Error(`the files for TLS of "${name}" were not loaded`);
  }
  return position;
}

function compileListener(
  listener: ListenerConfig,
  source: CompileSource,
  positions: Positions,
): ListenerInput {
  const { config, ids, filters } = source;
  const { limits, timeouts, proxyProtocol, tls, name } = listener;
  const place = (key: string): FilterPlaceInput =>
    placeOf(filters, key, {
      policy: (policy) => ids.policy(policy),
      cluster: (wanted) => ids.cluster(wanted),
    });
  return {
    id: ids.listener(name),
    cluster: listener.cluster === null ? -1 : positionOf(positions, listener.cluster, listener),
    http: compileHttp(listener, {
      cluster: (wanted) => positionOf(positions, wanted, listener),
      route: (route) => ids.route({ listener: name, name: route }),
      filters: (route) => place(routeSiteKey(name, route)),
    }),
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
    tlsMode: tls?.mode ?? 'off',
    tls: tls?.mode === 'terminate' ? tlsPosition(positions.listenerTls, name) : -1,
    handshakeMs: tls?.handshakeMs ?? 0,
    routes: listener.routes.map(({ serverNames, alpn, cluster }) => ({
      serverNames,
      alpn,
      cluster: positionOf(positions, cluster, listener),
    })),
    ...place(name),
  };
}
