/**
 * What filters and their pool counted, as metrics; and which filter a shard is in right now.
 *
 * Path: observe/ asks at each scrape; the watchdog asks when a shard stands still.
 * Invariant: reads shared memory and calls no shard. One series for each filter, site and hook that
 * the filter has called; what nobody called has none.
 */
import type { CellField, FilterCounters } from '../../shard/filters/index.ts';
import { HOOK_COUNT, HOOK_NAMES } from '../../shard/filters/index.ts';
import type { Family, Sample } from '../observe/index.ts';
import { histogramSamples } from '../observe/index.ts';
import type { OffloadCounts } from './offload/index.ts';
import type { CellOwner, FilterPlanner } from './planner.ts';

const NS_PER_SECOND = 1e9;

/** The counters of each hook: what they are called, in Prometheus's units. */
const FAMILIES: readonly {
  readonly field: CellField;
  readonly name: string;
  readonly help: string;
  readonly divisor: number;
}[] = [
  {
    field: 'calls',
    name: 'holdfast_filter_calls_total',
    help: 'Hooks of filters that were called.',
    divisor: 1,
  },
  {
    field: 'nanoseconds',
    name: 'holdfast_filter_seconds_total',
    help: 'Time that hooks of filters ran, without the time that they waited.',
    divisor: NS_PER_SECOND,
  },
  {
    field: 'parked',
    name: 'holdfast_filter_parked_total',
    help: 'Hooks of filters that returned a Promise.',
    divisor: 1,
  },
  {
    field: 'timeouts',
    name: 'holdfast_filter_timeouts_total',
    help: 'Hooks of filters that did not settle in time.',
    divisor: 1,
  },
  {
    field: 'failures',
    name: 'holdfast_filter_failures_total',
    help: 'Hooks of filters that threw, rejected, or returned what makes no sense.',
    divisor: 1,
  },
  {
    field: 'skipped',
    name: 'holdfast_filter_skipped_total',
    help: 'Hooks of filters that were not called because the breaker of the filter was open.',
    divisor: 1,
  },
  {
    field: 'blocked',
    name: 'holdfast_filter_blocked_total',
    help: 'Hooks of filters that held up their shard for 20 milliseconds or more.',
    divisor: 1,
  },
];

function* cellsOf(
  owners: readonly CellOwner[],
): Generator<{ readonly cell: number; readonly labels: Readonly<Record<string, string>> }> {
  for (const [use, { filter, site }] of owners.entries()) {
    for (const [index, hook] of HOOK_NAMES.entries()) {
      yield { cell: use * HOOK_COUNT + index, labels: { filter, site, hook } };
    }
  }
}

/** What the hooks of all filters counted, summed over shards. */
export function filterFamilies(
  owners: readonly CellOwner[],
  shards: readonly FilterCounters[],
): Family[] {
  const sum = (cell: number, field: CellField): number =>
    shards.reduce((total, counters) => total + counters.read(cell, field), 0);
  const called = [...cellsOf(owners)].filter(
    ({ cell }) => sum(cell, 'calls') + sum(cell, 'skipped') > 0,
  );
  return FAMILIES.map(({ field, name, help, divisor }) => ({
    name,
    kind: 'counter',
    help,
    samples: called.map(
      ({ cell, labels }): Sample => ({ labels, value: sum(cell, field) / divisor }),
    ),
  }));
}

/** What the pool counted. */
export function offloadFamilies(counts: OffloadCounts): Family[] {
  const one = (value: number): Sample[] => [{ labels: {}, value }];
  const results = [['done', counts.done] as const, ...Object.entries(counts.failures)];
  return [
    {
      name: 'holdfast_offload_queue_depth',
      kind: 'gauge',
      help: 'Jobs of filters that wait for a thread of the pool.',
      samples: one(counts.queued),
    },
    {
      name: 'holdfast_offload_running',
      kind: 'gauge',
      help: 'Jobs of filters that run in the pool.',
      samples: one(counts.running),
    },
    {
      name: 'holdfast_offload_jobs_total',
      kind: 'counter',
      help: 'Jobs of filters that ended, by result.',
      samples: results.map(([result, value]) => ({ labels: { result }, value })),
    },
    {
      name: 'holdfast_offload_wait_seconds',
      kind: 'histogram',
      help: 'Time that jobs of filters waited for a thread.',
      samples: histogramSamples({}, counts.wait),
    },
    {
      name: 'holdfast_offload_run_seconds',
      kind: 'histogram',
      help: 'Time that jobs of filters ran.',
      samples: histogramSamples({}, counts.run),
    },
  ];
}

/** The hook that a shard is in, like `filter "auth" of web, onRequest`; null outside of any. */
export function describeBusy(
  planner: Pick<FilterPlanner, 'ownerOf'>,
  counters: FilterCounters,
): string | null {
  const cell = counters.busyCell();
  const owner = cell === null ? null : planner.ownerOf(cell);
  if (cell === null || owner === null) return null;
  const hook = HOOK_NAMES[cell % HOOK_COUNT] ?? '';
  const method = `on${hook.charAt(0).toUpperCase()}${hook.slice(1)}`;
  return `filter "${owner.filter}" of ${owner.site}, ${method}`;
}
