/**
 * What filters cost: requests and messages with them, beside the same without.
 *
 * Path: saturation of one shard with 100 active of 1,000 connections, once without filters and once
 * with each load of candidate.ts, all in one repeat, so that differences are paired.
 * Invariant: the candidate is Holdfast, since no other has these filters; what is compared is CPU
 * of the same load, and a filter that does nothing for it must not be seen.
 */
import { type FilterLoad, type LoadFlags, type LoadResult, Rig } from '../rig/index.ts';
import { measureBusy } from './echo.ts';
import type { Bench, Figure, Scenario, Tally } from './scenario.ts';
import { tallyLosses, windowOf } from './scenario.ts';

const CONNECTIONS = 1_000;
/** What the issue of filters allows, in nanoseconds. */
const HEADER_MAX_NS = 2_500;
const MESSAGE_MAX_NS = 1_500;
const POLICIES_MAX_NS = 500;
const ELSEWHERE_MAX = 1.01;

/** A load of filters, and the figures it gives. */
interface Variant {
  readonly filters: FilterLoad;
  /** The CPU of a request or message. */
  readonly cpu: string;
  /** That above none; `ratio` to none. */
  readonly added: string;
  readonly isRatio?: boolean;
}

async function measureAll(
  bench: Bench,
  tally: Tally,
  variants: readonly Variant[],
  flags: LoadFlags,
): Promise<void> {
  const { parts, candidate, scale } = bench;
  const connections = Math.ceil(CONNECTIONS / scale.divisor);
  const load = { connections, ...windowOf(scale), ...flags };
  const results: LoadResult[] = [];
  const measureOne = async (filters: FilterLoad | null, key: string): Promise<number> => {
    const http = { isBare: false, ...(filters === null ? {} : { filters }) };
    await using rig = await Rig.start(parts, candidate, { http });
    results.push(await measureBusy(rig, tally, key, load));
    return tally.valueOf(key) ?? Number.NaN;
  };
  const none = await measureOne(null, 'cpuNone');
  for (const { filters, cpu, added, isRatio } of variants) {
    const value = await measureOne(filters, cpu);
    tally.figure(added, isRatio === true ? value / none : value - none);
  }
  tallyLosses(tally, results);
}

function declare(thing: string, variants: readonly Variant[]): Figure[] {
  const none = { key: 'cpuNone', title: `CPU per ${thing} without filters` };
  return [
    { ...none, unit: 'ns', better: 'lower' },
    ...variants.flatMap(({ filters, cpu, added, isRatio }): Figure[] => [
      { key: cpu, title: `the same, ${filters}`, unit: 'ns', better: 'lower' },
      isRatio === true
        ? { key: added, title: `${filters}, over none`, unit: 'ratio', better: 'lower' }
        : { key: added, title: `${filters}, added`, unit: 'ns', better: 'lower' },
    ]),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ];
}

const ELSEWHERE: Variant = {
  filters: 'elsewhere',
  cpu: 'cpuElsewhere',
  added: 'elsewhere',
  isRatio: true,
};
const OF_REQUESTS: readonly Variant[] = [
  ELSEWHERE,
  { filters: 'header', cpu: 'cpuHeader', added: 'addedHeader' },
  { filters: 'policies', cpu: 'cpuPolicies', added: 'addedPolicies' },
];
const OF_MESSAGES: readonly Variant[] = [
  ELSEWHERE,
  { filters: 'messages', cpu: 'cpuMessages', added: 'addedMessages' },
];
const LOSSES = { sentence: 'nothing is lost or wrong', figure: 'losses', atMost: 0 };

/** See the header. */
export const httpFilters: Scenario = {
  name: 'http-filters',
  question: 'What do filters add to a small GET, 100 active among 1,000?',
  groups: ['filters'],
  protocol: 'http',
  leavesOut: (candidate) => (candidate.role === 'product' ? undefined : 'it has no such filters'),
  figures: declare('request', OF_REQUESTS),
  plots: [],
  claims: [
    {
      sentence: 'filters of another route cost less than 1 %',
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
  measure: (bench, tally) => measureAll(bench, tally, OF_REQUESTS, { payload: 'http' }),
};

/** See the header. */
export const wsFilters: Scenario = {
  name: 'ws-filters',
  question: 'What does a filter of messages add to an echoed text message of 64 bytes?',
  groups: ['filters'],
  protocol: 'websocket',
  leavesOut: (candidate) => (candidate.role === 'product' ? undefined : 'it has no such filters'),
  figures: declare('echo', OF_MESSAGES),
  plots: [],
  claims: [
    {
      sentence: 'filters of another route cost less than 1 %',
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
  measure: (bench, tally) => measureAll(bench, tally, OF_MESSAGES, { payload: 'websocket' }),
};
