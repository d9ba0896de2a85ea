/**
 * The metrics page: everything that is counted, collected when someone asks.
 *
 * Path: `GET /metrics` -> here -> the board, the supervisor, the reloader and the rest.
 * Invariant: a scrape costs nothing between scrapes, works in pieces, and never waits for a shard longer
 * than {@link SHARD_WAIT_MS}.
 */
import type { Native } from '../../../native/epoll/index.ts';
import type { ShardMemory } from '../../shard/index.ts';
import {
  type CoreSources,
  endpointFamilies,
  listenerFamilies,
  shardFamilies,
} from './core-metrics.ts';
import { type Family, type Sample, writeFamily } from './exposition.ts';

/** How long a scrape waits for the shards' heap figures. */
export const SHARD_WAIT_MS = 200;

/** Parts of the page that can be asked for alone. */
export const METRIC_SCOPES = ['process', 'listener', 'endpoint', 'shard'] as const;

export type MetricScope = (typeof METRIC_SCOPES)[number];

/** A shard as the page shows it. */
export interface ShardFigures {
  readonly isReady: boolean;
  readonly restarts: number;
  readonly stalls: number;
  readonly stalledMs: number;
}

/** Where the page's numbers come from. */
export interface MetricSources extends CoreSources {
  readonly native: Pick<Native, 'processInfo'>;
  readonly version: string;
  readonly startedSeconds: number;
  readonly shardFigures: () => readonly ShardFigures[];
  readonly shardMemory: (timeoutMs: number) => Promise<ReadonlyMap<number, ShardMemory>>;
  readonly mainStalls: () => number;
  readonly generation: () => number;
  readonly snapshotSerial: () => number;
  readonly reloads: () => {
    readonly byResult: Readonly<Record<string, number>>;
    readonly lastSuccessSeconds: number;
  };
  readonly acceptErrors: () => Readonly<Record<string, number>>;
  readonly accessLog: () => { readonly written: number; readonly dropped: number } | null;
  readonly logDropped: () => number;
  readonly isDraining: () => boolean;
  readonly probes: () => readonly {
    readonly cluster: string;
    readonly succeeded: number;
    readonly failed: number;
  }[];
  readonly names: () => readonly {
    readonly host: string;
    readonly addresses: readonly string[];
    readonly failures: number;
  }[];
}

/** Writes the page, in pieces. */
export async function* writeMetrics(
  sources: MetricSources,
  scopes: ReadonlySet<MetricScope>,
): AsyncGenerator<string> {
  for (const scope of METRIC_SCOPES) {
    if (scopes.has(scope)) {
      for (const family of await collect(scope, sources)) {
        yield* writeFamily(family);
      }
    }
  }
}

/** Reads `process,shard`; null when a word is unknown, all of them for null. */
export function parseScopes(text: string | null): ReadonlySet<MetricScope> | null {
  if (text === null || text === '') {
    return new Set(METRIC_SCOPES);
  }
  const scopes = new Set<MetricScope>();
  for (const word of text.split(',')) {
    const scope = METRIC_SCOPES.find((known) => known === word.trim());
    if (scope === undefined) {
      return null;
    }
    scopes.add(scope);
  }
  return scopes;
}

async function collect(scope: MetricScope, sources: MetricSources): Promise<Family[]> {
  switch (scope) {
    case 'process':
      return processFamilies(sources);
    case 'listener':
      return listenerFamilies(sources);
    case 'endpoint':
      return [...endpointFamilies(sources), ...discoveryFamilies(sources)];
    case 'shard':
      return [...shardFamilies(sources), ...(await threadFamilies(sources))];
  }
}

function processFamilies(sources: MetricSources): Family[] {
  const { residentBytes, openFds, fdsMax, threads } = sources.native.processInfo();
  const reloads = sources.reloads();
  const accessLog = sources.accessLog();
  const { backoffs = 0, ...acceptErrors } = sources.acceptErrors();
  return [
    one('gauge', 'holdfast_build_info', 'Always 1; the labels say what runs.', 1, {
      version: sources.version,
      node: process.version,
    }),
    one(
      'gauge',
      'holdfast_start_time_seconds',
      'When the process started, in seconds since 1970.',
      sources.startedSeconds,
    ),
    one('gauge', 'holdfast_open_fds', 'Open descriptors of the process.', openFds),
    one('gauge', 'holdfast_max_fds', 'Descriptors that the process may open.', fdsMax),
    one(
      'gauge',
      'holdfast_resident_memory_bytes',
      'Resident memory of the process.',
      residentBytes,
    ),
    one('gauge', 'holdfast_threads', 'Threads of the process.', threads),
    one(
      'gauge',
      'holdfast_config_generation',
      'Generation of the running configuration.',
      sources.generation(),
    ),
    one(
      'gauge',
      'holdfast_snapshot_serial',
      'Serial number of the running snapshot; grows with every change of endpoints too.',
      sources.snapshotSerial(),
    ),
    many('counter', 'holdfast_config_reloads_total', 'Reloads, by what came of them.', {
      label: 'result',
      values: Object.entries(reloads.byResult),
    }),
    one(
      'gauge',
      'holdfast_config_last_reload_success_timestamp_seconds',
      'When a configuration was last loaded with success.',
      reloads.lastSuccessSeconds,
    ),
    one(
      'gauge',
      'holdfast_draining',
      '1 while the gateway drains or has drained.',
      sources.isDraining() ? 1 : 0,
    ),
    one(
      'counter',
      'holdfast_main_stalls_total',
      'Times the main thread was late by more than 100 ms.',
      sources.mainStalls(),
    ),
    many('counter', 'holdfast_accept_errors_total', 'Accepts that failed, by error.', {
      label: 'error',
      values: Object.entries(acceptErrors),
    }),
    one(
      'counter',
      'holdfast_accept_backoffs_total',
      'Times accepting paused because the kernel had no descriptors or memory.',
      backoffs,
    ),
    one(
      'counter',
      'holdfast_log_dropped_total',
      'Log records dropped because the reader was too slow.',
      sources.logDropped(),
    ),
    ...(accessLog === null
      ? []
      : [
          one(
            'counter',
            'holdfast_access_log_records_total',
            'Access records written.',
            accessLog.written,
          ),
          one(
            'counter',
            'holdfast_access_log_dropped_total',
            'Access records dropped because the reader was too slow.',
            accessLog.dropped,
          ),
        ]),
  ];
}

function discoveryFamilies(sources: MetricSources): Family[] {
  const names = sources.names();
  return [
    {
      name: 'holdfast_health_checks_total',
      kind: 'counter',
      help: 'Active health checks, by result.',
      samples: sources.probes().flatMap(({ cluster, succeeded, failed }) => [
        { labels: { cluster, result: 'success' }, value: succeeded },
        { labels: { cluster, result: 'failure' }, value: failed },
      ]),
    },
    many('gauge', 'holdfast_dns_addresses', 'Addresses behind a DNS name.', {
      label: 'host',
      values: names.map(({ host, addresses }) => [host, addresses.length]),
    }),
    many('counter', 'holdfast_dns_failures_total', 'Resolutions that failed.', {
      label: 'host',
      values: names.map(({ host, failures }) => [host, failures]),
    }),
  ];
}

async function threadFamilies(sources: MetricSources): Promise<Family[]> {
  const figures = sources.shardFigures();
  const memory = await sources.shardMemory(SHARD_WAIT_MS);
  const column = (pick: (each: ShardFigures) => number): [string, number][] =>
    figures.map((each, shard) => [String(shard), pick(each)]);
  const family = (
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    values: readonly (readonly [string, number])[],
  ): Family => many(kind, name, help, { label: 'shard', values });
  return [
    family(
      'gauge',
      'holdfast_shard_up',
      '1 while the shard takes part.',
      column(({ isReady }) => (isReady ? 1 : 0)),
    ),
    family(
      'counter',
      'holdfast_shard_restarts_total',
      'Times the shard died and was restarted.',
      column(({ restarts }) => restarts),
    ),
    family(
      'counter',
      'holdfast_shard_stalls_total',
      'Times the shard stood still for more than 100 ms.',
      column(({ stalls }) => stalls),
    ),
    family(
      'counter',
      'holdfast_shard_stalled_seconds_total',
      'Time the shard stood still.',
      column(({ stalledMs }) => stalledMs / 1000),
    ),
    family(
      'gauge',
      'holdfast_shard_heap_bytes',
      'JavaScript heap of the shard.',
      [...memory].map(([shard, { heapUsedBytes }]) => [String(shard), heapUsedBytes]),
    ),
  ];
}

function one(
  kind: 'counter' | 'gauge',
  name: string,
  help: string,
  ...[value, labels = {}]: [value: number, labels?: Record<string, string>]
): Family {
  return { name, kind, help, samples: [{ labels, value }] };
}

function many(
  kind: 'counter' | 'gauge',
  name: string,
  help: string,
  table: { readonly label: string; readonly values: readonly (readonly [string, number])[] },
): Family {
  const samples: Sample[] = table.values.map(([key, value]) => ({
    labels: { [table.label]: key },
    value,
  }));
  return { name, kind, help, samples };
}
