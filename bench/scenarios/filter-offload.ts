/**
 * What the others feel of a filter that takes 50 ms for one exchange out of 1,000.
 *
 * Path: 2,000 small GETs a second go through a filter that answers at once, and beside them 2 a
 * second for which it waits: on the thread of the shard, or in the pool. Both loads are open loops;
 * what is shown are the latencies of the first, so the slow exchanges themselves are in no figure.
 * Invariant: waiting uses no CPU, so that on few cores the pool takes none from the shard. A run
 * with a filter that holds up its shard counts the lines of the log that name it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FILTERED_HOST, type FilterLoad, type LoadResult, Rig } from '../rig/index.ts';
import { ACTIVE } from './echo.ts';
import type { Bench, Figure, Scenario, Tally } from './scenario.ts';
import {
  declareLatency,
  latencyKeys,
  runLoad,
  tallyLatency,
  tallyLosses,
  windowOf,
} from './scenario.ts';

const RATE = 2_000;
const SLOW_RATE = 2;
/** Slow exchanges are rare, so the window is longer than that of other scenarios. */
const LONGER = 4;
/** p99 with `offload`, as a multiple of that without a filter; more than noise makes of it. */
const TIMES_NONE = 1.2;

interface Variant {
  readonly key: string;
  readonly title: string;
  readonly filters: FilterLoad;
}
const VARIANTS: readonly Variant[] = [
  { key: 'none', title: 'no filter', filters: 'none' },
  { key: 'blocking', title: 'held up in the hook', filters: 'blocking' },
  { key: 'offloaded', title: 'with offload', filters: 'offloaded' },
];

/** Lines of the candidate's log that say which filter held up its shard. */
function countNamed(rig: Rig): number {
  const log = readFileSync(join(rig.folder, 'peer.log'), 'utf8');
  return log.split('\n').filter((line) => /bench-slow.*held up its shard/.test(line)).length;
}

async function measureOne(bench: Bench, tally: Tally, variant: Variant): Promise<LoadResult[]> {
  const { parts, candidate, scale } = bench;
  const { key, filters } = variant;
  await using rig = await Rig.start(parts, candidate, { http: { isBare: false, filters } });
  const flags = { payload: 'http', ...windowOf({ ...scale, seconds: scale.seconds * LONGER }) };
  const results = await Promise.all([
    runLoad(rig, 'open', {
      ...flags,
      connections: Math.ceil(ACTIVE / scale.divisor),
      rate: RATE,
    }),
    runLoad(rig, 'open', { ...flags, connections: 1, rate: SLOW_RATE, host: FILTERED_HOST }),
  ]);
  const [others, slow] = results;
  tallyLatency(tally, key, others.response);
  tally.voidIfLimited(others, [...latencyKeys(key), 'times']);
  if (filters === 'blocking') tally.figure('named', countNamed(rig));
  if (filters === 'offloaded') tally.figure('slow', (slow.response?.p50 ?? Number.NaN) / 1000);
  return results;
}

async function measure(bench: Bench, tally: Tally): Promise<void> {
  const results: LoadResult[] = [];
  for (const variant of VARIANTS) results.push(...(await measureOne(bench, tally, variant)));
  const p99 = (key: string): number => tally.valueOf(`${key}.p99`) ?? Number.NaN;
  tally.figure('times', p99('offloaded') / p99('none'));
  tally.parameter('ratePerSecond', RATE);
  tally.parameter('slowPerSecond', SLOW_RATE);
  tallyLosses(tally, results);
}

const FIGURES: Figure[] = [
  ...VARIANTS.flatMap(({ key, title }) => declareLatency(key, title)),
  { key: 'times', title: 'p99 with offload, over no filter', unit: 'ratio', better: 'lower' },
  { key: 'slow', title: 'the slow exchange itself, offloaded, p50', unit: 'us', better: 'lower' },
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
  plots: VARIANTS.map(({ key, title }) => ({ kind: 'percentiles', histogram: key, title })),
  claims: [
    {
      sentence: `with offload, p99 at most ${TIMES_NONE} times that without a filter`,
      figure: 'times',
      atMost: TIMES_NONE,
    },
    { sentence: 'a filter that holds up its shard is named', figure: 'named', atLeast: 1 },
    { sentence: 'nothing is lost or wrong', figure: 'losses', atMost: 0 },
  ],
  measure,
};
