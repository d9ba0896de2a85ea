/**
 * What the admin API can reach: the running parts of the gateway, and a few facts about it.
 *
 * Path: gateway.ts fills this in; every handler gets it.
 * Invariant: handlers change things only through these parts, so that the API can do nothing that a
 * signal or a file change could not.
 */
import type { Board, NativeAbi } from '../../../native/epoll/index.ts';
import type { ListenSockets } from '../accept/index.ts';
import type { DnsTable, HealthChecks } from '../clusters/index.ts';
import type { GatewayFilters } from '../gateway-filters.ts';
import type { ConfigOutcome } from '../gateway-options.ts';
import type { Ids } from '../model/index.ts';
import type { Log, MetricSources } from '../observe/index.ts';
import type { Drain, ShardSupervisor, Watchdog } from '../shards/index.ts';
import type { Applier, Reloader, ReloadReport } from '../snapshot/index.ts';

/** The running gateway, as handlers see it. */
export interface AdminParts {
  readonly abi: NativeAbi;
  readonly board: Board;
  readonly ids: Ids;
  readonly supervisor: ShardSupervisor;
  readonly watchdog: Watchdog;
  readonly sockets: ListenSockets;
  readonly applier: Applier;
  readonly reloader: Reloader;
  readonly dns: DnsTable;
  readonly health: HealthChecks;
  readonly filters: Pick<GatewayFilters, 'steering'>;
  readonly drain: Drain;
  readonly log: Log;
  readonly metrics: MetricSources;
  /** Loads the source again, as SIGHUP does. */
  readonly reload: (cause: string) => Promise<ReloadReport>;
  /** Reads the text of `PUT /v1/config`; null refuses it. */
  readonly parseConfig: ((text: string) => Promise<ConfigOutcome> | ConfigOutcome) | null;
  readonly version: string;
  /** Where the configuration came from. */
  readonly source: string;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  /** Whether tests may break shards. */
  readonly faults: 'allowed' | 'refused';
}
