/**
 * Histograms between the load generator, raw.json, and the report.
 *
 * Path: pairs printed by the generator become an HdrHistogram with the same buckets; raw.json keeps
 * it as V2 base64; the report merges repeats by adding.
 * Invariant: percentiles are never averaged: what spans several runs is the percentile of the sum.
 * Values are nanoseconds; what people read is microseconds.
 */
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
  HistogramLogWriter,
} from 'hdr-histogram-js';
import type { PrintedHistogram } from '../rig/index.ts';

/** The range and precision of the generator's histograms. */
const HIGHEST_NS = 2 ** 37 - 1;
const DIGITS = 3;
const NS_PER_US = 1000;
const PERCENTILE_TICKS = 5;

/** An empty histogram of the layout that all of ours share. */
export function createHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_NS,
    numberOfSignificantValueDigits: DIGITS,
    bitBucketSize: 32,
    useWebAssembly: false,
  });
}

/** Rebuilds what the generator counted. */
export function fromPrinted(printed: PrintedHistogram): Histogram {
  const histogram = createHistogram();
  for (let at = 0; at + 1 < printed.pairs.length; at += 2) {
    histogram.recordValueWithCount(printed.pairs[at] ?? 0, printed.pairs[at + 1] ?? 0);
  }
  return histogram;
}

/** What raw.json keeps. */
export function encode(histogram: Histogram): string {
  return encodeIntoCompressedBase64(histogram);
}

/** The sum of histograms that raw.json keeps. */
export function merge(encoded: readonly string[]): Histogram {
  const sum = createHistogram();
  for (const text of encoded) sum.add(decodeFromCompressedBase64(text, 32, false));
  return sum;
}

/** The percentile distribution in microseconds, as HdrHistogram tools read it. */
export function formatHgrm(histogram: Histogram): string {
  return histogram.outputPercentileDistribution(PERCENTILE_TICKS, NS_PER_US);
}

/** One interval of a log: a run of a candidate. */
export interface LogInterval {
  readonly tag: string;
  readonly startedAt: string;
  readonly seconds: number;
  readonly encoded: string;
}

/** An interval log, one line for each run, tagged by candidate. */
export function formatHlog(intervals: readonly LogInterval[], comment: string): string {
  let text = '';
  const log = new HistogramLogWriter((part) => {
    text += part;
  });
  log.outputComment(comment);
  log.outputLogFormatVersion();
  log.outputLegend();
  for (const { tag, startedAt, seconds, encoded } of intervals) {
    const histogram = merge([encoded]);
    histogram.tag = tag;
    const startSeconds = Date.parse(startedAt) / 1000;
    log.outputIntervalHistogram(histogram, startSeconds, startSeconds + seconds, NS_PER_US);
  }
  return text;
}

/** Points of a percentile plot: 1/(1-p) against microseconds. */
export function percentilePoints(histogram: Histogram): [number, number][] {
  const points: [number, number][] = [];
  const finest = Math.max(10, histogram.totalCount);
  for (let inverse = 1; inverse < finest; inverse *= 1.3) {
    const percentile = 100 * (1 - 1 / inverse);
    points.push([inverse, histogram.getValueAtPercentile(percentile) / NS_PER_US]);
  }
  points.push([finest, histogram.maxValue / NS_PER_US]);
  return points;
}
