/**
 * The endpoints of a cluster as they are now: configured ones, names resolved, or what a discovery
 * found; run-time changes on top.
 *
 * Path: config cluster + dns-table + discovery + overlay -> here -> snapshot/compile.ts and the
 * health checks.
 * Invariant: an address occurs once in a cluster; the first mention wins. A pure function.
 */
import { isIP } from 'node:net';
import type { SocketAddress } from '../../../native/epoll/index.ts';
import type { ClusterConfig, LabelsConfig } from '../config/index.ts';
import { formatAddress } from '../model/index.ts';
import type { DnsQuery } from './dns-table.ts';
import type { Overlay } from './overlay.ts';

/** One endpoint that can be connected to. */
export interface ResolvedEndpoint {
  readonly address: SocketAddress;
  /** The address as people write it. */
  readonly text: string;
  /** The DNS name it comes from; null for a literal. */
  readonly host: string | null;
  readonly weight: number;
  /** What a balancer of the user made of it, where there is one; 0 takes no new connections. */
  readonly balanced?: number;
  /** 0: no limit. */
  readonly connections: number;
  /** What routes can ask for; those added by an operator have none. */
  readonly labels: LabelsConfig;
  /** Gets no new connections. */
  readonly isDraining: boolean;
}

/** What a discovery found. */
export interface DiscoveredEndpoint {
  readonly address: SocketAddress;
  readonly weight: number;
  readonly labels: LabelsConfig;
}

/** The endpoints, and the names that have no address yet. */
export interface Resolution {
  readonly endpoints: readonly ResolvedEndpoint[];
  readonly unresolved: readonly string[];
}

/** The DNS names of a cluster. */
export function listDnsQueries(cluster: ClusterConfig): DnsQuery[] {
  return cluster.endpoints
    .filter((endpoint) => 'host' in endpoint)
    .filter(({ host }) => isIP(host) === 0)
    .map(({ host }) => ({ host, dns: cluster.dns }));
}

/** Resolves a cluster's endpoints; `discovered` is null where there is no discovery. */
export function resolveEndpoints(
  cluster: ClusterConfig,
  overlay: Overlay,
  addressesOf: (query: DnsQuery) => readonly string[] | null,
  discovered: readonly DiscoveredEndpoint[] | null = null,
): Resolution {
  const found = new Map<string, ResolvedEndpoint>();
  const unresolved: string[] = [];
  const add = (
    address: SocketAddress,
    host: string | null,
    settings: {
      readonly weight: number;
      readonly connections: number;
      readonly labels?: LabelsConfig;
    },
  ): void => {
    const text = formatAddress(address);
    if (!found.has(text) && !overlay.removed.has(text)) {
      const change = overlay.changed.get(text);
      found.set(text, {
        address,
        text,
        host,
        weight: change?.weight ?? settings.weight,
        connections: change?.connections ?? settings.connections,
        labels: settings.labels ?? {},
        isDraining: change?.isDraining ?? false,
      });
    }
  };
  for (const endpoint of cluster.endpoints) {
    if ('path' in endpoint) {
      add({ path: endpoint.path }, null, endpoint);
    } else if (isIP(endpoint.host) !== 0) {
      add({ ip: endpoint.host, port: endpoint.port }, null, endpoint);
    } else {
      const addresses = addressesOf({ host: endpoint.host, dns: cluster.dns });
      if (addresses === null) {
        unresolved.push(endpoint.host);
      }
      for (const ip of addresses ?? []) {
        add({ ip, port: endpoint.port }, endpoint.host, endpoint);
      }
    }
  }
  for (const endpoint of discovered ?? []) {
    add(endpoint.address, null, { ...endpoint, connections: 0 });
  }
  for (const endpoint of overlay.added.values()) {
    add(endpoint.address, null, endpoint);
  }
  return { endpoints: [...found.values()], unresolved };
}
