/**
 * What holds up a thread for 50 ms without using it, as a call of a file or a lock may.
 *
 * Path: slow-blocking.ts calls it on the shard's thread, slow-offloaded.ts in the pool.
 * Invariant: no CPU is used, so what is measured is the waiting and not who gets a core.
 */
const SLOW_MS = 50;

/** FILTERED_HOST of the rig; a filter of the benchmark imports nothing of it. */
const SLOW_HOST = 'other.test';

/** Whether a request is one of those that are slow. */
export const isSlow = (host: string | null): boolean => host === SLOW_HOST;

/** Returns after 50 ms, during which this thread does nothing else. */
export function waitLong(): number {
  const nothing = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  Atomics.wait(nothing, 0, 0, SLOW_MS);
  return SLOW_MS;
}
