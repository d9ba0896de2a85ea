/**
 * What a scenario is: a question, the figures that answer it, and how to measure them once.
 *
 * Path: the runner calls `measure` for each candidate and repeat, in interleaved order; the report
 * reads the declarations to know what a figure means and which side of a claim is good.
 * Invariant: a scenario measures and judges nothing; a figure that the generator limited is marked
 * void by the Tally and never enters a summary.
 */
import {
  type Candidate,
  type LoadFlags,
  type LoadResult,
  type PrintedHistogram,
  type Protocol,
  type Rig,
  type RigParts,
  RunFailure,
  type TlsVersion,
} from '../rig/index.ts';

/** What a number counts, which decides how it is written. */
export type Unit = 'ns' | 'us' | 'bytes' | 'perSecond' | 'bytesPerSecond' | 'count' | 'ratio' | 's';

/** One column of a scenario's table. */
export interface Figure {
  readonly key: string;
  readonly title: string;
  readonly unit: Unit;
  readonly better: 'lower' | 'higher' | 'neither';
}

/** What the product promises; judged on the median over repeats. */
export interface Claim {
  readonly sentence: string;
  readonly figure: string;
  /** With it, the ratio of Holdfast to this candidate, paired by repeat, is judged. */
  readonly over?: string;
  /** The figure of that candidate; absent: the same. */
  readonly overFigure?: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** A picture of the report. */
export type Plot =
  | { readonly kind: 'percentiles'; readonly histogram: string; readonly title: string }
  | { readonly kind: 'bars'; readonly figure: string; readonly title: string }
  | {
      readonly kind: 'lines';
      readonly series: string;
      readonly title: string;
      readonly x: string;
      readonly y: string;
    };

/** What one run of one candidate showed. */
export interface Measurement {
  readonly figures: Readonly<Record<string, number>>;
  readonly histograms: Readonly<Record<string, PrintedHistogram>>;
  /** Points x, y. */
  readonly series: Readonly<Record<string, readonly (readonly [number, number])[]>>;
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly notes: readonly string[];
  /** Figures that must not be used, with the reason. */
  readonly voids: Readonly<Record<string, string>>;
}

/** How long and how large. */
export interface Scale {
  /** Length of a measured window. */
  readonly seconds: number;
  /** Divides counts of connections and bytes for a quick look; 1 in a real run. */
  readonly divisor: number;
}

/** What `measure` gets. */
export interface Bench {
  readonly parts: RigParts;
  readonly candidate: Candidate;
  readonly scale: Scale;
}

/** See the header. */
export interface Scenario {
  readonly name: string;
  readonly question: string;
  /** Groups that run it: what a gateway must show for TCP (`tcp`), TLS (`tls`) and HTTP (`web`). */
  readonly groups: readonly string[];
  readonly figures: readonly Figure[];
  readonly plots: readonly Plot[];
  readonly claims: readonly Claim[];
  /** What clients speak; absent: TCP. */
  readonly protocol?: Protocol;
  /** TLS that candidates have to terminate; they take part with the versions they have. */
  readonly tlsVersions?: readonly TlsVersion[];
  /** Why this candidate is left out, or undefined. */
  readonly leavesOut?: (candidate: Candidate) => string | undefined;
  measure(bench: Bench, tally: Tally): Promise<void>;
}

/** True when the candidate can terminate this version of TLS. */
export function hasVersion(candidate: Candidate, version: TlsVersion): boolean {
  return candidate.tlsVersions?.includes(version) === true;
}

const PROTOCOL_NAMES: Readonly<Record<Protocol, string>> = {
  tcp: 'TCP',
  http: 'HTTP',
  websocket: 'WebSocket',
};

/** Why a scenario leaves a candidate out, or undefined. */
export function whyLeftOut(scenario: Scenario, candidate: Candidate): string | undefined {
  const { protocol = 'tcp' } = scenario;
  if (!candidate.carries.includes(protocol)) return `it does not do ${PROTOCOL_NAMES[protocol]}`;
  if (scenario.tlsVersions !== undefined && candidate.role === 'floor') {
    return 'its origin speaks plain TCP';
  }
  if (scenario.tlsVersions?.every((version) => !hasVersion(candidate, version))) {
    return `it does not terminate TLS ${scenario.tlsVersions.join(' or ')}`;
  }
  return scenario.leavesOut?.(candidate);
}

const GATEWAY_SATURATED_SHARE = 0.9;

/** Collects one measurement. */
export class Tally {
  readonly #figures: Record<string, number> = {};
  readonly #histograms: Record<string, PrintedHistogram> = {};
  readonly #series: Record<string, (readonly [number, number])[]> = {};
  readonly #parameters: Record<string, number | string> = {};
  readonly #notes = new Set<string>();
  readonly #voids: Record<string, string> = {};

  /** What a figure was set to; undefined when it was not. */
  valueOf(key: string): number | undefined {
    return this.#figures[key];
  }

  /** Values that are not numbers (nothing was counted) are left out. */
  figure(key: string, value: number | undefined): void {
    if (value !== undefined && Number.isFinite(value)) this.#figures[key] = value;
  }

  histogram(key: string, histogram: PrintedHistogram | undefined): void {
    if (histogram !== undefined && histogram.count > 0) this.#histograms[key] = histogram;
  }

  point(series: string, x: number, y: number): void {
    const points = this.#series[series] ?? [];
    points.push([x, y]);
    this.#series[series] = points;
  }

  parameter(key: string, value: number | string): void {
    this.#parameters[key] = value;
  }

  note(sentence: string): void {
    this.#notes.add(sentence);
  }

  void(keys: readonly string[], reason: string): void {
    for (const key of keys) this.#voids[key] = reason;
  }

  /** Marks the figures void when the generator was the limit of an open-loop run. */
  voidIfLimited(result: LoadResult, keys: readonly string[]): void {
    if (result.limited) this.void(keys, result.limitedReason ?? 'the generator was the limit');
  }

  /** Marks a throughput void when the candidate had time left: then it is somebody else's limit. */
  voidUnlessSaturated(result: LoadResult, keys: readonly string[]): void {
    const share = gatewayShare(result);
    if (share === undefined || share >= GATEWAY_SATURATED_SHARE) return;
    const percent = Math.round(share * 100);
    this.void(
      keys,
      `the candidate used ${percent} % of its core: generator and origin were the limit`,
    );
  }

  done(): Measurement {
    return {
      figures: this.#figures,
      histograms: this.#histograms,
      series: this.#series,
      parameters: this.#parameters,
      notes: [...this.#notes],
      voids: this.#voids,
    };
  }
}

/**
 * CPU time of the candidate in the window, or undefined for the floor.
 *
 * @throws RunFailure when it is nothing: its processes ended, or are not those that were watched.
 */
export function gatewayNs({ usage }: LoadResult): number | undefined {
  const ns = usage.watched['gateway'];
  if (ns === 0) throw new RunFailure('its processes used no CPU time: they are not those watched');
  return ns;
}

/** Share of one core that the candidate used. */
export function gatewayShare(result: LoadResult): number | undefined {
  const ns = gatewayNs(result);
  return ns === undefined ? undefined : ns / result.usage.wallNs;
}

/** CPU time of the candidate for each of `count` things done in the window. */
export function gatewayNsPer(result: LoadResult, count: number | undefined): number | undefined {
  const ns = gatewayNs(result);
  return ns === undefined || count === undefined || count === 0 ? undefined : ns / count;
}

/** Things done in a second. */
export function perSecond(result: LoadResult, count: number | undefined): number | undefined {
  return count === undefined ? undefined : (count / result.usage.wallNs) * 1e9;
}

/** Connections that ended without being asked to, and answers that never came. */
export function countLosses(result: LoadResult): number {
  const { connections } = result;
  return (
    (connections?.lost ?? 0) +
    (connections?.corrupt ?? 0) +
    (result.unanswered ?? 0) +
    (result.outOfOrder ?? 0)
  );
}

/** Fills the figure `losses`, and says what it was that was not understood. */
export function tallyLosses(tally: Tally, results: readonly LoadResult[]): void {
  tally.figure(
    'losses',
    results.reduce((sum, each) => sum + countLosses(each), 0),
  );
  for (const { connections } of results) {
    if (connections?.firstCorrupt)
      tally.note(`A wrong answer began "${connections.firstCorrupt}".`);
  }
}

const PERCENTILES = [
  ['p50', 'p50'],
  ['p99', 'p99'],
  ['p999', 'p99.9'],
] as const;

/** Figures `NAME.p50`, `NAME.p99`, `NAME.p999` of a latency, in nanoseconds. */
export function declareLatency(name: string, title: string): Figure[] {
  return PERCENTILES.map(([key, percentile]) => ({
    key: `${name}.${key}`,
    title: `${title} ${percentile}`,
    unit: 'us' as const,
    better: 'lower' as const,
  }));
}

/** Fills the figures that declareLatency declares, and keeps the histogram under the same name. */
export function tallyLatency(
  tally: Tally,
  name: string,
  histogram: PrintedHistogram | undefined,
): void {
  if (histogram === undefined || histogram.count === 0) return;
  tally.histogram(name, histogram);
  for (const [key] of PERCENTILES) tally.figure(`${name}.${key}`, histogram[key] / 1000);
}

/** The keys of a latency, for marking them void. */
export function latencyKeys(name: string): string[] {
  return PERCENTILES.map(([key]) => `${name}.${key}`);
}

/** The usual window of a load: as long as asked for, after a quarter of that as warm-up. */
export function windowOf({ seconds }: Scale): LoadFlags {
  return { 'duration-ms': seconds * 1000, 'warmup-ms': seconds * 250 };
}

/** How many proxied connections to open of those wanted; says so when they are fewer. */
export function limitConnections(bench: Bench, rig: Rig, tally: Tally, wanted: number): number {
  const scaled = Math.ceil(wanted / bench.scale.divisor);
  if (scaled <= rig.connectionsMax) return scaled;
  tally.note(`${rig.connectionsMax} instead of ${scaled} connections: the descriptor limit.`);
  return rig.connectionsMax;
}

/** Pass the `ready` event of a load and wait for its result. */
export async function runLoad(rig: Rig, mode: string, flags: LoadFlags): Promise<LoadResult> {
  const run = rig.load(mode, flags);
  await run.pass('ready');
  return run.result();
}
