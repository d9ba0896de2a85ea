/**
 * Where each number of the metrics page comes from.
 *
 * Path: gateway.ts hands over the parts; observe/metrics.ts asks when somebody scrapes.
 * Invariant: observe/ stays free of the parts it reports on.
 */
import type { Acceptor, AccessLog, Board, Native } from '../../native/epoll/index.ts';
import type { DnsTable, HealthChecks } from './clusters/index.ts';
import type { GatewayFilters } from './gateway-filters.ts';
import type { Ids } from './model/index.ts';
import type { MetricSources } from './observe/index.ts';
import type { Drain, ShardSupervisor, Watchdog } from './shards/index.ts';
import type { Applier, Reloader, TlsReloader } from './snapshot/index.ts';
import type { TicketKeys } from './tls/index.ts';

/** The parts that are counted. */
export interface CountedParts {
  readonly native: Native;
  readonly board: Board;
  readonly acceptor: Acceptor;
  readonly ids: Ids;
  readonly supervisor: ShardSupervisor;
  readonly watchdog: Watchdog;
  readonly reloader: Reloader;
  readonly tlsReloader: TlsReloader;
  readonly ticketKeys: TicketKeys;
  readonly applier: Applier;
  readonly filters: GatewayFilters;
  readonly drain: Drain;
  readonly dns: DnsTable;
  readonly health: HealthChecks;
  readonly accessLog: AccessLog | null;
  readonly version: string;
  readonly startedAtMs: number;
  readonly logDropped: () => number;
}

/** Connects the page to the parts. */
export function createMetricSources(parts: CountedParts): MetricSources {
  const { native, board, acceptor, ids, supervisor, watchdog, reloader, accessLog } = parts;
  return {
    abi: native.abi,
    native,
    board,
    ids,
    shards: supervisor.count,
    version: parts.version,
    startedSeconds: parts.startedAtMs / 1000,
    shardFigures: () => {
      const stalls = watchdog.counts();
      return supervisor.view().map(({ shard, state, restarts }) => ({
        isReady: state === 'ready',
        restarts,
        stalls: stalls[shard]?.stalls ?? 0,
        stalledMs: stalls[shard]?.stalledMs ?? 0,
      }));
    },
    shardMemory: (timeoutMs) => supervisor.callAll('memory', null, timeoutMs),
    mainStalls: () => watchdog.mainStalls,
    generation: () => reloader.generation,
    snapshotSerial: () => parts.applier.current.serial,
    reloads: () => {
      const { lastSuccessSeconds, ...byResult } = reloader.counts();
      return { byResult, lastSuccessSeconds };
    },
    acceptErrors: () => acceptor.errors(),
    accessLog: () =>
      accessLog === null ? null : { written: accessLog.written(), dropped: accessLog.dropped() },
    logDropped: parts.logDropped,
    isDraining: () => parts.drain.state !== 'serving',
    connectionsMax: () => parts.applier.current.config.limits.connections,
    filters: () => parts.filters.families(),
    probes: () => parts.health.counts(),
    names: () => parts.dns.view(),
    certificates: () => parts.applier.current.material.certificates,
    tlsReloads: () => {
      const { lastSuccessSeconds, ...byResult } = parts.tlsReloader.counts();
      return { byResult, lastSuccessSeconds };
    },
    ticketKeyAgeMs: () =>
      parts.applier.current.material.listeners.size === 0 ? null : parts.ticketKeys.ageMs(),
  };
}
