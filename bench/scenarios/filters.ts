/**
 * What filters cost: requests and messages with them, beside the same without.
 *
 * Path: saturation of one shard with 100 active of 1,000 connections, in short windows that take
 * turns. Each candidate of the pair or three has two hosts that differ in nothing but filters, and
 * all of them stand beside each other for the whole repeat: what filters add is the difference of
 * two windows of the same process, one behind the other.
 * Invariant: the candidate is Holdfast, since no other has these filters; what is compared is CPU
 * of the same load, and a filter that does nothing for it must not be seen.
 */
import { medianOf } from '../report/statistics.ts';
import {
  FILTERED_HOST,
  type FilterLoad,
  type LoadFlags,
  type LoadResult,
  Rig,
} from '../rig/index.ts';
import { ACTIVE } from './echo.ts';
import type { Bench, Figure, Scenario, Tally } from './scenario.ts';
import { gatewayNsPer, runLoad, tallyLosses } from './scenario.ts';

const CONNECTIONS = 1_000;
/** What the issue of filters allows, in nanoseconds. */
const HEADER_MAX_NS = 2_500;
const MESSAGE_MAX_NS = 1_500;
const POLICIES_MAX_NS = 500;
const ELSEWHERE_MAX = 1.01;
/** Windows of each kind in a repeat, and the length of one for each second asked for. */
const ROUNDS = 8;
const WINDOW_MS = 250;
const WARMUP_MS = 50;

/** One kind of window: which candidate, and whether its host has the filters. */
interface Window {
  readonly key: string;
  readonly title: string;
  readonly filters: FilterLoad;
  readonly isFiltered: boolean;
}

/** What one window costs above another of the same round. */
interface Comparison {
  readonly key: string;
  readonly title: string;
  readonly of: string;
  readonly over: string;
  readonly isRatio?: boolean;
}

interface Plan {
  readonly thing: string;
  readonly windows: readonly Window[];
  readonly comparisons: readonly Comparison[];
  readonly flags: LoadFlags;
}

/** Runs the windows in turns, every other round backwards; the CPU of each, by its key. */
async function takeTurns(bench: Bench, plan: Plan, results: LoadResult[]) {
  const { parts, candidate, scale } = bench;
  const flags = {
    connections: Math.ceil(CONNECTIONS / scale.divisor),
    active: ACTIVE,
    'duration-ms': Math.ceil(WINDOW_MS * scale.seconds),
    'warmup-ms': WARMUP_MS,
    ...plan.flags,
  };
  await using stack = new AsyncDisposableStack();
  const rigs = new Map<FilterLoad, Rig>();
  for (const filters of new Set(plan.windows.map((window) => window.filters))) {
    const rig = await Rig.start(parts, candidate, { http: { isBare: false, filters } });
    rigs.set(filters, stack.use(rig));
  }
  const spent = new Map(plan.windows.map(({ key }): [string, number[]] => [key, []]));
  // The first round is for compilers and caches.
  for (let round = 0; round <= ROUNDS; round += 1) {
    const order = round % 2 === 0 ? plan.windows : plan.windows.toReversed();
    for (const { key, filters, isFiltered } of order) {
      const rig = rigs.get(filters);
      if (rig === undefined) continue;
      const host = isFiltered ? { host: FILTERED_HOST } : {};
      const result = await runLoad(rig, 'closed', { ...flags, ...host });
      results.push(result);
      const each = gatewayNsPer(result, result.answeredInWindow);
      if (round > 0) spent.get(key)?.push(each ?? Number.NaN);
    }
  }
  return spent;
}

async function measure(bench: Bench, tally: Tally, plan: Plan): Promise<void> {
  const results: LoadResult[] = [];
  const spent = await takeTurns(bench, plan, results);
  for (const [key, values] of spent) tally.figure(key, medianOf(values));
  for (const { key, of, over, isRatio } of plan.comparisons) {
    const base = spent.get(over) ?? [];
    const paired = (spent.get(of) ?? []).map((value, round) => {
      const other = base[round] ?? Number.NaN;
      return isRatio === true ? value / other : value - other;
    });
    tally.figure(key, medianOf(paired));
  }
  tally.parameter('rounds', ROUNDS);
  tallyLosses(tally, results);
}

function declare({ thing, windows, comparisons }: Plan): Figure[] {
  return [
    ...windows.map(
      ({ key, title }): Figure => ({
        key,
        title: `CPU per ${thing}, ${title}`,
        unit: 'ns',
        better: 'lower',
      }),
    ),
    ...comparisons.map(
      ({ key, title, isRatio }): Figure => ({
        key,
        title,
        unit: isRatio === true ? 'ratio' : 'ns',
        better: 'lower',
      }),
    ),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ];
}

const NONE: Window = {
  key: 'cpuNone',
  title: 'no filters anywhere',
  filters: 'none',
  isFiltered: false,
};
/** A candidate that has them on another host. */
const beside = (filters: FilterLoad): Window => ({
  key: 'cpuElsewhere',
  title: 'filters of another host',
  filters,
  isFiltered: false,
});
const ELSEWHERE: Comparison = {
  key: 'elsewhere',
  title: 'filters of another host, over none',
  of: 'cpuElsewhere',
  over: 'cpuNone',
  isRatio: true,
};

const OF_REQUESTS: Plan = {
  thing: 'request',
  windows: [
    NONE,
    beside('header'),
    { key: 'cpuHeader', title: 'one field read and one set', filters: 'header', isFiltered: true },
    { key: 'cpuPlain', title: 'rules of another host', filters: 'policies', isFiltered: false },
    {
      key: 'cpuPolicies',
      title: '1,000 rules and a rate limit',
      filters: 'policies',
      isFiltered: true,
    },
  ],
  comparisons: [
    ELSEWHERE,
    { key: 'addedHeader', title: 'reading and setting, added', of: 'cpuHeader', over: 'cpuNone' },
    {
      key: 'addedPolicies',
      title: 'rules and rate limit, added',
      of: 'cpuPolicies',
      over: 'cpuPlain',
    },
  ],
  flags: { payload: 'http' },
};
const OF_MESSAGES: Plan = {
  thing: 'echo',
  windows: [
    NONE,
    beside('messages'),
    { key: 'cpuMessages', title: 'every message seen', filters: 'messages', isFiltered: true },
  ],
  comparisons: [
    ELSEWHERE,
    { key: 'addedMessages', title: 'seeing messages, added', of: 'cpuMessages', over: 'cpuNone' },
  ],
  flags: { payload: 'websocket' },
};
const LOSSES = { sentence: 'nothing is lost or wrong', figure: 'losses', atMost: 0 };

/** See the header. */
export const httpFilters: Scenario = {
  name: 'http-filters',
  question: 'What do filters add to a small GET, 100 active among 1,000?',
  groups: ['filters'],
  protocol: 'http',
  leavesOut: (candidate) => (candidate.role === 'product' ? undefined : 'it has no such filters'),
  figures: declare(OF_REQUESTS),
  plots: [],
  claims: [
    {
      sentence: 'filters of another host cost less than 1 %',
      figure: 'elsewhere',
      atMost: ELSEWHERE_MAX,
    },
    {
      sentence: 'reading one field and setting one costs at most 2.5 us',
      figure: 'addedHeader',
      atMost: HEADER_MAX_NS,
    },
    {
      sentence: '1,000 rules and a rate limit cost at most 0.5 us',
      figure: 'addedPolicies',
      atMost: POLICIES_MAX_NS,
    },
    LOSSES,
  ],
  measure: (bench, tally) => measure(bench, tally, OF_REQUESTS),
};

/** See the header. */
export const wsFilters: Scenario = {
  name: 'ws-filters',
  question: 'What does a filter of messages add to an echoed text message of 64 bytes?',
  groups: ['filters'],
  protocol: 'websocket',
  leavesOut: (candidate) => (candidate.role === 'product' ? undefined : 'it has no such filters'),
  figures: declare(OF_MESSAGES),
  plots: [],
  claims: [
    {
      sentence: 'filters of another host cost less than 1 %',
      figure: 'elsewhere',
      atMost: ELSEWHERE_MAX,
    },
    {
      sentence: 'looking at every text message costs at most 1.5 us',
      figure: 'addedMessages',
      atMost: MESSAGE_MAX_NS,
    },
    LOSSES,
  ],
  measure: (bench, tally) => measure(bench, tally, OF_MESSAGES),
};
