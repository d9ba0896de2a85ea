/**
 * Whether memory grows when the code of a filter is swapped again and again.
 *
 * Path: 500 WebSockets carry 500 messages a second through a filter of messages while it is
 * swapped: 3,000 times between two versions, and then, in a process of its own, 200 times for one
 * that never was, which has to be checked first. At every quarter the JavaScript heaps are read
 * after a collection, and the user memory of the process. Node cannot unload modules, so what a new
 * version leaves behind is told as a slope; versions that come back must leave nothing.
 * Invariant: a reload has met a request before the next one begins, and the WebSockets keep the
 * first generation for the whole time.
 */

import { slopeOf } from '../report/statistics.ts';
import { Heaps, type LoadResult, Rig, RunFailure, readMemory } from '../rig/index.ts';
import type { Bench, Figure, Scenario, Tally } from './scenario.ts';
import { countLosses } from './scenario.ts';

const RELOADS = 3_000;
const RENEWALS = 200;
const QUARTERS = 4;
const WEBSOCKETS = 500;
const RATE = 500;
/** For the reloads of one variant; a slow machine gets fewer. */
const RELOADING_S_MAX = 300;
/** What a reload may add to a heap where nothing new comes: compilers and caches are never done. */
const FLAT_BYTES = 1_000;
/** What a version that never was may leave in a shard. */
const VERSION_BYTES_MAX = 25_000;

interface Variant {
  readonly key: 'swap' | 'renew';
  readonly title: string;
  readonly reloads: number;
}
const VARIANTS: readonly Variant[] = [
  { key: 'swap', title: 'two versions', reloads: RELOADS },
  { key: 'renew', title: 'new versions', reloads: RENEWALS },
];

interface Point {
  readonly reloads: number;
  readonly main: number;
  readonly shard: number;
  readonly resident: number;
}

/** Reloads in four parts, and reads memory between them. */
async function reloadInQuarters(rig: Rig, heaps: Heaps, wanted: number): Promise<Point[]> {
  const points: Point[] = [];
  const read = async (reloads: number): Promise<void> => {
    const { mainBytes, shardBytes } = await heaps.read(rig.pids());
    const resident = readMemory(rig.pids()).userBytes;
    points.push({ reloads, main: mainBytes, shard: shardBytes, resident });
  };
  const endMs = performance.now() + RELOADING_S_MAX * 1000;
  // The first reload brings what every one needs.
  await rig.running.reload?.();
  await read(0);
  let reloads = 0;
  for (let quarter = 1; quarter <= QUARTERS; quarter += 1) {
    const until = Math.ceil((wanted * quarter) / QUARTERS);
    while (reloads < until && performance.now() < endMs) {
      await rig.running.reload?.();
      reloads += 1;
    }
    await read(reloads);
  }
  return points;
}

async function measureOne(
  bench: Bench,
  tally: Tally,
  { key, reloads }: Variant,
): Promise<LoadResult> {
  const { parts, candidate, scale } = bench;
  using heaps = new Heaps();
  const options = { http: { isBare: false, filters: key }, env: heaps.env };
  await using rig = await Rig.start(parts, candidate, options);
  const run = rig.load('phases', {
    payload: 'websocket',
    connections: Math.ceil(WEBSOCKETS / scale.divisor),
    rate: RATE,
    watch: false,
    'duration-ms': RELOADING_S_MAX * 2 * 1000,
    'drain-ms': 3000,
  });
  await run.pass('ready');
  run.step();
  const points = await reloadInQuarters(rig, heaps, Math.ceil(reloads / scale.divisor));
  run.step();
  const result = await run.result();
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined) throw new RunFailure('memory was not read');
  for (const point of points) {
    for (const what of ['main', 'shard', 'resident'] as const) {
      tally.point(`${key}.${what}`, point.reloads, point[what]);
    }
  }
  for (const what of ['main', 'shard', 'resident'] as const) {
    tally.figure(`${key}.${what}.from`, first[what]);
    tally.figure(`${key}.${what}.to`, last[what]);
    // Of the second half: what is filled once is not what grows.
    const each = points
      .filter(({ reloads }) => reloads >= last.reloads / 2)
      .map((point): [number, number] => [point.reloads, point[what]]);
    tally.figure(`${key}.${what}.each`, slopeOf(each));
  }
  tally.figure(`${key}.reloads`, last.reloads);
  return result;
}

async function measure(bench: Bench, tally: Tally): Promise<void> {
  const results: LoadResult[] = [];
  for (const variant of VARIANTS) results.push(await measureOne(bench, tally, variant));
  tally.parameter('ratePerSecond', RATE);
  const sum = (count: (result: LoadResult) => number): number =>
    results.reduce((total, each) => total + count(each), 0);
  tally.figure(
    'closed',
    sum(({ connections }) => connections?.lost ?? 0),
  );
  tally.figure('losses', sum(countLosses));
}

const KINDS = [
  { what: 'shard', title: 'heap of the shard' },
  { what: 'main', title: 'heap of the main thread' },
  { what: 'resident', title: 'user memory' },
] as const;

const FIGURES: Figure[] = [
  ...VARIANTS.flatMap((variant): Figure[] => {
    const { key } = variant;
    const figures = KINDS.flatMap(({ what, title }): Figure[] => {
      const name = `${title}, ${variant.title}`;
      const rest = { unit: 'bytes', better: 'lower' } as const;
      return [
        { key: `${key}.${what}.from`, title: `${name}, before`, ...rest },
        { key: `${key}.${what}.to`, title: `${name}, behind`, ...rest },
        { key: `${key}.${what}.each`, title: `${name}, for each reload`, ...rest },
      ];
    });
    const reloads = {
      title: `reloads, ${variant.title}`,
      unit: 'count',
      better: 'neither',
    } as const;
    return [{ key: `${key}.reloads`, ...reloads }, ...figures];
  }),
  { key: 'closed', title: 'WebSockets closed', unit: 'count', better: 'lower' },
  { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
];

/** See the header. */
export const filterHeap: Scenario = {
  name: 'filter-heap',
  question: 'Does memory grow over 1,000 reloads that swap the code of a filter?',
  groups: ['filters'],
  protocol: 'websocket',
  leavesOut: ({ role }) => (role === 'product' ? undefined : 'it has no such filters'),
  figures: FIGURES,
  plots: VARIANTS.flatMap(({ key, title }) =>
    KINDS.map(({ what, title: kind }) => ({
      kind: 'lines' as const,
      series: `${key}.${what}`,
      title: `${kind}, ${title}`,
      x: 'reloads',
      y: 'bytes',
    })),
  ),
  claims: [
    { sentence: '3,000 reloads', figure: 'swap.reloads', atLeast: RELOADS },
    { sentence: 'no WebSocket is closed', figure: 'closed', atMost: 0 },
    { sentence: 'no message is lost', figure: 'losses', atMost: 0 },
    {
      sentence: 'versions that come back leave nothing in the shard',
      figure: 'swap.shard.each',
      atMost: FLAT_BYTES,
    },
    {
      sentence: 'nor in the main thread',
      figure: 'swap.main.each',
      atMost: FLAT_BYTES,
    },
    {
      sentence: 'a new version leaves at most 25 kB in the shard',
      figure: 'renew.shard.each',
      atMost: VERSION_BYTES_MAX,
    },
  ],
  measure,
};
