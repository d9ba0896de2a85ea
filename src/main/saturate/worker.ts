/**
 * One process of load: autocannon on its own core, each response recorded with microseconds.
 *
 * Path: saturate.ts forks it, sends an Order, and gets an Outcome.
 * Invariant: latencies come from the `response` events and go into our histogram; autocannon's own
 * has whole milliseconds. Closed loop: the figures say what saturation looks like, never what a
 * user would see at a given rate.
 */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import type { Order, Outcome } from './protocol.ts';

/** The part of autocannon's result that is used; the package has no types of its own. */
interface CannonResult {
  readonly errors: number;
  readonly timeouts: number;
  readonly mismatches: number;
  readonly non2xx: number;
  readonly throughput: { readonly total: number };
}

/** Emits `response` (client, status code, bytes, milliseconds with a fraction). */
type Autocannon = (
  options: object,
  done: (error: Error | null, result: CannonResult) => void,
) => EventEmitter;

const autocannon = createRequire(import.meta.url)('autocannon') as Autocannon;

const NS_PER_MS = 1e6;
const US_PER_S = 1e6;

function run(order: Order, done: (outcome: Outcome) => void): void {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2 ** 37 - 1,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    useWebAssembly: false,
  });
  let responses = 0;
  const before = process.cpuUsage();
  const startedMs = performance.now();
  const options = {
    url: order.url,
    connections: order.connections,
    duration: order.seconds,
    pipelining: order.pipelining,
    timeout: order.timeoutSeconds,
    ...(order.reconnectEvery > 0 ? { reconnectRate: order.reconnectEvery } : {}),
    ...(order.expectBody === undefined ? {} : { expectBody: order.expectBody }),
  };
  const instance = autocannon(options, (error, result) => {
    if (error !== null) throw error;
    const { user, system } = process.cpuUsage(before);
    const seconds = (performance.now() - startedMs) / 1000;
    done({
      responses,
      bytes: result.throughput.total,
      seconds,
      errors: result.errors,
      timeouts: result.timeouts,
      mismatches: result.mismatches,
      non2xx: result.non2xx,
      ownShare: (user + system) / US_PER_S / seconds,
      histogram: encodeIntoCompressedBase64(histogram),
    });
  });
  instance.on('response', (_client: unknown, _status: number, _bytes: number, ms: number) => {
    responses += 1;
    histogram.recordValue(Math.max(1, Math.round(ms * NS_PER_MS)));
  });
}

process.once('message', (order: Order) => {
  run(order, (outcome) => {
    process.send?.(outcome, () => {
      process.disconnect?.();
    });
  });
});
