/**
 * Metrics of filters, and the name of the one that holds up a shard.
 *
 * Path: counters in shared memory -> families, as a scrape shows them.
 * Invariant: only hooks that were called have series; shards are summed.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { describeBusy, filterFamilies, offloadFamilies } from '../../../src/main/filters/index.ts';
import { createCounterMemory, FilterCounters, HOOK } from '../../../src/shard/filters/index.ts';

const OWNERS = [
  { filter: 'auth', site: 'web' },
  { filter: 'redact', site: 'web/rooms' },
];

test('docs/metrics.md names every family of filters, and no others', () => {
  const page = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
  const described = [...page.matchAll(/^\| `(holdfast_(?:filter|offload)_[a-z_]+)` \| /gm)];
  const none = { bounds: [0.1], counts: [0], count: 0, sum: 0 };
  const failures = { shed: 0, deadline: 0, cancelled: 0, failed: 0 };
  const counts = { queued: 0, running: 0, done: 0, failures, wait: none, run: none };
  const shown = [...filterFamilies([], []), ...offloadFamilies(counts)].map(({ name }) => name);
  const names = described.map(([, name]) => String(name));
  assert.deepEqual(names.toSorted(), shown.toSorted());
});

test('hooks that were called have series, summed over shards', () => {
  const shards = [1, 2].map(() => new FilterCounters(createCounterMemory()));
  for (const counters of shards) {
    counters.enter(HOOK.request);
    counters.leave(HOOK.request, 2e9);
    counters.add(HOOK.request, 'failures', 3);
  }
  shards[0]?.add(8 + HOOK.message, 'skipped', 1);
  const families = filterFamilies(OWNERS, shards);
  const shown = families.flatMap(({ name, samples }) =>
    [...samples].map(({ labels, value }) => `${name} ${Object.values(labels).join(' ')} ${value}`),
  );
  assert.ok(shown.includes('holdfast_filter_calls_total auth web request 2'));
  assert.ok(shown.includes('holdfast_filter_seconds_total auth web request 4'));
  assert.ok(shown.includes('holdfast_filter_failures_total auth web request 6'));
  assert.ok(shown.includes('holdfast_filter_skipped_total redact web/rooms message 1'));
  assert.equal(shown.length, 14);
});

test('the filter that a shard is in has a name', () => {
  const memory = createCounterMemory();
  const inShard = new FilterCounters(memory);
  const onMain = new FilterCounters(memory);
  const planner = { ownerOf: (cell: number) => OWNERS[Math.floor(cell / 8)] ?? null };
  assert.equal(describeBusy(planner, onMain), null);
  inShard.enter(8 + HOOK.message);
  assert.equal(describeBusy(planner, onMain), 'filter "redact" of web/rooms, onMessage');
  inShard.leave(8 + HOOK.message, 1);
  assert.equal(describeBusy(planner, onMain), null);
});

test('the pool shows queue, results and times', () => {
  const times = { bounds: [0.1], counts: [1], count: 2, sum: 0.5 };
  const failures = { shed: 4, deadline: 0, cancelled: 0, failed: 0 };
  const counts = { queued: 3, running: 1, done: 9, failures, wait: times, run: times };
  const samples = offloadFamilies(counts).flatMap(({ name, samples }) =>
    [...samples].map(
      ({ labels, value, suffix = '' }) =>
        `${name}${suffix} ${Object.values(labels).join()} ${value}`,
    ),
  );
  assert.ok(samples.includes('holdfast_offload_queue_depth  3'));
  assert.ok(samples.includes('holdfast_offload_jobs_total shed 4'));
  assert.ok(samples.includes('holdfast_offload_wait_seconds_bucket +Inf 2'));
  assert.ok(samples.includes('holdfast_offload_run_seconds_sum  0.5'));
});
