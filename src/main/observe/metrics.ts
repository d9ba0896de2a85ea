/**
 * The metrics page: everything that is counted, collected when someone asks.
 *
 * Path: `GET /metrics` -> here -> the board, the supervisor, the reloader and the rest.
 * Invariant: a scrape costs nothing between scrapes, works in pieces, and never waits for a shard
 * longer than {@link SHARD_WAIT_MS}.
 */
import type { ShardMemory } from '../../shard/index.ts';
import {
  type CoreSources,
  endpointFamilies,
  listenerFamilies,
  shardFamilies,
} from './core-metrics.ts';
import { type Family, many, writeFamily } from './exposition.ts';
import { httpFamilies } from './http-metrics.ts';
import { policyFamilies } from './policy-metrics.ts';
import { type ProcessSources, processFamilies } from './process-metrics.ts';
import { type TlsSources, tlsFamilies } from './tls-metrics.ts';

/** How long a scrape waits for the shards' heap figures. */
export const SHARD_WAIT_MS = 200;

/** Parts of the page that can be asked for alone. */
export const METRIC_SCOPES = [
  'process',
  'listener',
  'endpoint',
  'shard',
  'tls',
  'http',
  'filter',
] as const;

export type MetricScope = (typeof METRIC_SCOPES)[number];

/** A shard as the page shows it. */
export interface ShardFigures {
  readonly isReady: boolean;
  readonly restarts: number;
  readonly stalls: number;
  readonly stalledMs: number;
}

/** Where the page's numbers come from. */
export interface MetricSources extends CoreSources, ProcessSources, TlsSources {
  readonly shardFigures: () => readonly ShardFigures[];
  readonly shardMemory: (timeoutMs: number) => Promise<ReadonlyMap<number, ShardMemory>>;
  /** What filters and their pool counted; empty without. */
  readonly filters: () => Family[];
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

type Collector = (sources: MetricSources) => Family[] | Promise<Family[]>;

const COLLECTORS: Readonly<Record<MetricScope, Collector>> = {
  process: processFamilies,
  tls: tlsFamilies,
  listener: listenerFamilies,
  http: httpFamilies,
  filter: (sources) => [...policyFamilies(sources), ...sources.filters()],
  endpoint: (sources) => [...endpointFamilies(sources), ...discoveryFamilies(sources)],
  shard: async (sources) => [...shardFamilies(sources), ...(await threadFamilies(sources))],
};

/** Writes the page, in pieces. */
export async function* writeMetrics(
  sources: MetricSources,
  scopes: ReadonlySet<MetricScope>,
): AsyncGenerator<string> {
  for (const scope of METRIC_SCOPES) {
    if (scopes.has(scope)) {
      for (const family of await COLLECTORS[scope](sources)) {
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
    many(
      { kind: 'gauge', name: 'holdfast_dns_addresses', help: 'Addresses behind a DNS name.' },
      'host',
      names.map(({ host, addresses }) => [host, addresses.length]),
    ),
    many(
      { kind: 'counter', name: 'holdfast_dns_failures_total', help: 'Resolutions that failed.' },
      'host',
      names.map(({ host, failures }) => [host, failures]),
    ),
  ];
}

async function threadFamilies(sources: MetricSources): Promise<Family[]> {
  const figures = sources.shardFigures();
  const memory = await sources.shardMemory(SHARD_WAIT_MS);
  const family = (
    kind: 'counter' | 'gauge',
    name: string,
    says: { readonly help: string; readonly value: (each: ShardFigures) => number },
  ): Family =>
    many(
      { kind, name, help: says.help },
      'shard',
      figures.map((each, shard) => [String(shard), says.value(each)]),
    );
  return [
    family('gauge', 'holdfast_shard_up', {
      help: '1 while the shard takes part.',
      value: ({ isReady }) => (isReady ? 1 : 0),
    }),
    family('counter', 'holdfast_shard_restarts_total', {
      help: 'Times the shard died and was restarted.',
      value: ({ restarts }) => restarts,
    }),
    family('counter', 'holdfast_shard_stalls_total', {
      help: 'Times the shard stood still for more than 100 ms.',
      value: ({ stalls }) => stalls,
    }),
    family('counter', 'holdfast_shard_stalled_seconds_total', {
      help: 'Time the shard stood still.',
      value: ({ stalledMs }) => stalledMs / 1000,
    }),
    many(
      { kind: 'gauge', name: 'holdfast_shard_heap_bytes', help: 'JavaScript heap of the shard.' },
      'shard',
      Array.from(memory, ([shard, { heapUsedBytes }]) => [String(shard), heapUsedBytes]),
    ),
  ];
}
