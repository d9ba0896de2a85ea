/**
 * Saturates one HTTP/1.1 address from several processes and says what came back.
 *
 * Path: `holdfast bench URL` and the HTTP scenarios of the benchmark call it.
 * Invariant: a run with a wrong or missing answer, and one whose generator was the limit, say so in
 * `flaws`; its figures are not to be quoted. Percentiles are of the merged histogram, never
 * averaged. No process outlives the call, and none outlives this process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';
import type { Order, Outcome } from './protocol.ts';

/** What to do; everything but the URL has a default. */
export interface SaturationOptions {
  readonly url: string;
  /** In all processes together; default 64. */
  readonly connections?: number;
  /** Default 5. */
  readonly seconds?: number;
  /** Processes that make the load; default 1. */
  readonly processes?: number;
  /** Requests under way on each connection; default 1. */
  readonly pipelining?: number;
  /** See Order; default 0. */
  readonly reconnectEvery?: number;
  /** See Order. */
  readonly expectBody?: string;
  /** What each process is started with, such as `taskset -c 1`. */
  readonly prefix?: readonly [string, ...string[]];
  readonly signal?: AbortSignal;
}

/** What came back. Latencies in nanoseconds. */
export interface Saturation {
  readonly responses: number;
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  readonly seconds: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly mismatches: number;
  readonly non2xx: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** The busiest process's share of one core. */
  readonly ownShare: number;
  /** HdrHistogram V2, base64. */
  readonly histogram: string;
  /** Why these figures must not be used; empty for a sound run. */
  readonly flaws: readonly string[];
}

const OWN_SHARE_MAX = 0.85;
const TIMEOUT_S = 10;

const WORKER = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
);

type Argv = readonly [string, ...string[]];

function startWorker(prefix: Argv | undefined): ChildProcess {
  const own: Argv = [process.execPath, WORKER];
  const [program, ...args]: Argv = prefix === undefined ? own : [...prefix, ...own];
  return spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
}

async function runOrder(child: ChildProcess, order: Order): Promise<Outcome> {
  const failure = once(child, 'exit').then(([code]) => {
    throw new Error(`a load process ended with ${code ?? 'a signal'} before it had a result`);
  });
  const outcome = once(child, 'message').then(([message]) => message as Outcome);
  child.send(order);
  return Promise.race([outcome, failure]);
}

function findFlaws(outcomes: readonly Outcome[]): string[] {
  const sum = (pick: (outcome: Outcome) => number): number =>
    outcomes.reduce((total, outcome) => total + pick(outcome), 0);
  const busiest = Math.max(...outcomes.map(({ ownShare }) => ownShare));
  const flaws: string[] = [];
  const count = (number: number, what: string): void => {
    if (number > 0) flaws.push(`${number} ${what}`);
  };
  count(
    sum(({ errors }) => errors),
    'connections or requests failed',
  );
  count(
    sum(({ mismatches }) => mismatches),
    'answers had another body',
  );
  count(
    sum(({ non2xx }) => non2xx),
    'answers were not 2xx',
  );
  if (busiest > OWN_SHARE_MAX) {
    const percent = Math.round(busiest * 100);
    flaws.push(`the load itself used ${percent} % of its core: throughput is its limit`);
  }
  if (sum(({ responses }) => responses) === 0) flaws.push('nothing answered');
  return flaws;
}

function summarize(outcomes: readonly Outcome[]): Saturation {
  const merged = outcomes
    .map(({ histogram }): Histogram => decodeFromCompressedBase64(histogram, 32, false))
    .reduce((sum, next) => {
      sum.add(next);
      return sum;
    });
  const sum = (pick: (outcome: Outcome) => number): number =>
    outcomes.reduce((total, outcome) => total + pick(outcome), 0);
  const seconds = Math.max(...outcomes.map((outcome) => outcome.seconds));
  return {
    responses: sum(({ responses }) => responses),
    perSecond: sum((outcome) => outcome.responses / outcome.seconds),
    bytesPerSecond: sum((outcome) => outcome.bytes / outcome.seconds),
    seconds,
    errors: sum(({ errors }) => errors),
    timeouts: sum(({ timeouts }) => timeouts),
    mismatches: sum(({ mismatches }) => mismatches),
    non2xx: sum(({ non2xx }) => non2xx),
    p50: merged.getValueAtPercentile(50),
    p90: merged.getValueAtPercentile(90),
    p99: merged.getValueAtPercentile(99),
    p999: merged.getValueAtPercentile(99.9),
    max: merged.maxValue,
    ownShare: Math.max(...outcomes.map(({ ownShare }) => ownShare)),
    histogram: encodeIntoCompressedBase64(merged),
    flaws: findFlaws(outcomes),
  };
}

/**
 * Runs the load and waits for its end.
 *
 * @throws Error when a process ends without a result, or the signal aborts.
 */
export async function saturate(options: SaturationOptions): Promise<Saturation> {
  const { connections = 64, processes = 1, seconds = 5, pipelining = 1, signal } = options;
  const children = Array.from({ length: processes }, () => startWorker(options.prefix));
  const end = (): void => {
    for (const child of children) child.kill('SIGKILL');
  };
  signal?.addEventListener('abort', end, { once: true });
  const order = (index: number): Order => ({
    url: options.url,
    // The first processes take what does not divide.
    connections: Math.floor(connections / processes) + (index < connections % processes ? 1 : 0),
    seconds,
    pipelining,
    timeoutSeconds: TIMEOUT_S,
    reconnectEvery: options.reconnectEvery ?? 0,
    ...(options.expectBody === undefined ? {} : { expectBody: options.expectBody }),
  });
  try {
    signal?.throwIfAborted();
    return summarize(await Promise.all(children.map((child, at) => runOrder(child, order(at)))));
  } finally {
    signal?.removeEventListener('abort', end);
    end();
  }
}
