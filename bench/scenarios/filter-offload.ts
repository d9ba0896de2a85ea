/**
 * What the others feel of a filter that takes 50 ms for one exchange out of 1,000.
 *
 * Path: 2,000 small GETs a second go through a filter that answers at once, and beside them 2 a
 * second for which it may take 50 ms: on the thread of the shard, or in the pool, where it waits or
 * uses a core. Both loads are open loops; what is shown are the latencies of the first, so the slow
 * exchanges themselves are in no figure.
 * Invariant: what is compared is the same process and the same filter, in windows that take turns:
 * in the calm ones the second load asks for nothing slow. A run with a filter that holds up its
 * shard counts the lines of the log that name it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { medianOf } from '../report/statistics.ts';
import { BUSY_HOST, FILTERED_HOST, type FilterLoad, type LoadResult, Rig } from '../rig/index.ts';
import { ACTIVE } from './echo.ts';
import type { Bench, Figure, Scenario, Tally } from './scenario.ts';
import { declareLatency, latencyKeys, runLoad, tallyLatency, tallyLosses } from './scenario.ts';

const RATE = 2_000;
const SLOW_RATE = 2;
/** Slow exchanges are rare, so a window is longer than those of other scenarios. */
const LONGER = 4;
/** Windows of each kind in a repeat. */
const ROUNDS = 4;
const WARMUP_MS = 500;
/** p99 with `offload`, as a multiple of that without a slow exchange; more than noise makes of it. */
const TIMES_CALM = 1.2;

/** A kind of window: what the second load asks for, and where the filter does what is slow. */
interface Window {
  readonly key: string;
  readonly title: string;
  readonly filters: FilterLoad;
  /** Absent: nothing slow. */
  readonly host?: string;
}
const CALM: Window = { key: 'calm', title: 'nothing slow', filters: 'offloaded' };
const WAITING: Window = {
  key: 'waiting',
  title: 'waits, with offload',
  filters: 'offloaded',
  host: FILTERED_HOST,
};
const BUSY: Window = {
  key: 'busy',
  title: 'computes, with offload',
  filters: 'offloaded',
  host: BUSY_HOST,
};
const BLOCKING: Window = {
  key: 'blocking',
  title: 'waits in the hook',
  filters: 'blocking',
  host: FILTERED_HOST,
};
/** Main thread and pool have a core beside that of the shard, as on a machine of their own. */
const PLACE = { spareCores: 1 };
const TURNS = [CALM, WAITING, BUSY];
const WINDOWS = [...TURNS, BLOCKING];

/** Latencies of one window, and how long the slow exchanges took, in nanoseconds. */
interface Seen {
  readonly others: LoadResult;
  readonly slow: LoadResult;
}

/** Lines of the candidate's log that say which filter held up its shard. */
function countNamed(rig: Rig): number {
  const log = readFileSync(join(rig.folder, 'peer.log'), 'utf8');
  return log.split('\n').filter((line) => /bench-slow.*held up its shard/.test(line)).length;
}

async function runWindow({ scale }: Bench, rig: Rig, { host }: Window): Promise<Seen> {
  const flags = {
    payload: 'http',
    'duration-ms': scale.seconds * LONGER * 1000,
    'warmup-ms': WARMUP_MS,
  };
  const connections = Math.ceil(ACTIVE / scale.divisor);
  const asked = host === undefined ? {} : { host };
  const [others, slow] = await Promise.all([
    runLoad(rig, 'open', { ...flags, connections, rate: RATE }),
    runLoad(rig, 'open', { ...flags, connections: 1, rate: SLOW_RATE, ...asked }),
  ]);
  return { others, slow };
}

/** All windows of a repeat; the kinds with `offload` take turns, every other round backwards. */
async function takeTurns(bench: Bench, tally: Tally): Promise<ReadonlyMap<Window, Seen[]>> {
  const { parts, candidate } = bench;
  const seen = new Map(WINDOWS.map((window): [Window, Seen[]] => [window, []]));
  {
    await using rig = await Rig.start(parts, candidate, {
      ...PLACE,
      http: { isBare: false, filters: 'offloaded' },
    });
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const window of round % 2 === 0 ? TURNS : TURNS.toReversed()) {
        seen.get(window)?.push(await runWindow(bench, rig, window));
      }
    }
  }
  await using rig = await Rig.start(parts, candidate, {
    ...PLACE,
    http: { isBare: false, filters: 'blocking' },
  });
  seen.get(BLOCKING)?.push(await runWindow(bench, rig, BLOCKING));
  tally.figure('named', countNamed(rig));
  return seen;
}

/** Of the values of each round the median; histograms are those of the last. */
function tallyWindow(tally: Tally, { key }: Window, seen: readonly Seen[]): void {
  const last = seen.at(-1)?.others.response;
  tallyLatency(tally, key, last);
  for (const percentile of ['p50', 'p99', 'p999'] as const) {
    const values = seen.map(({ others }) => (others.response?.[percentile] ?? Number.NaN) / 1000);
    tally.figure(`${key}.${percentile}`, medianOf(values));
  }
  for (const { others } of seen) tally.voidIfLimited(others, [...latencyKeys(key), timesOf(key)]);
}

const timesOf = (key: string): string => `times${key}`;

async function measure(bench: Bench, tally: Tally): Promise<void> {
  const seen = await takeTurns(bench, tally);
  const p99 = (window: Window, round: number): number =>
    seen.get(window)?.[round]?.others.response?.p99 ?? Number.NaN;
  for (const window of WINDOWS) tallyWindow(tally, window, seen.get(window) ?? []);
  for (const window of [WAITING, BUSY]) {
    const paired = Array.from({ length: ROUNDS }, (_, at) => p99(window, at) / p99(CALM, at));
    tally.figure(timesOf(window.key), medianOf(paired));
    const slow = (seen.get(window) ?? []).map((each) => each.slow.response?.p50 ?? Number.NaN);
    tally.figure(`slow${window.key}`, medianOf(slow) / 1000);
  }
  tally.parameter('ratePerSecond', RATE);
  tally.parameter('slowPerSecond', SLOW_RATE);
  tally.parameter('rounds', ROUNDS);
  tallyLosses(
    tally,
    [...seen.values()].flat().flatMap(({ others, slow }) => [others, slow]),
  );
}

const FIGURES: Figure[] = [
  ...WINDOWS.flatMap(({ key, title }) => declareLatency(key, title)),
  ...[WAITING, BUSY].flatMap(({ key, title }): Figure[] => [
    { key: timesOf(key), title: `p99, ${title}, over calm`, unit: 'ratio', better: 'lower' },
    { key: `slow${key}`, title: `the slow one, ${title}, p50`, unit: 'us', better: 'lower' },
  ]),
  { key: 'named', title: 'warnings that name the filter', unit: 'count', better: 'neither' },
  { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
];

/** See the header. */
export const filterOffload: Scenario = {
  name: 'filter-offload',
  question: 'What do other exchanges feel of a filter that takes 50 ms for one out of 1,000?',
  groups: ['filters'],
  protocol: 'http',
  leavesOut: ({ role }) => (role === 'product' ? undefined : 'it has no such filters'),
  figures: FIGURES,
  plots: WINDOWS.map(({ key, title }) => ({ kind: 'percentiles', histogram: key, title })),
  claims: [
    ...[WAITING, BUSY].map(({ key, title }) => ({
      sentence: `of a filter that ${title}, p99 at most ${TIMES_CALM} times the calm one`,
      figure: timesOf(key),
      atMost: TIMES_CALM,
    })),
    { sentence: 'a filter that holds up its shard is named', figure: 'named', atLeast: 1 },
    { sentence: 'nothing is lost or wrong', figure: 'losses', atMost: 0 },
  ],
  measure,
};
