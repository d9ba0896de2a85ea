/**
 * What takes a thread for 50 ms: without using it, as a call of a file or a lock may, or by
 * computing.
 *
 * Path: slow-blocking.ts calls it on the shard's thread, slow-offloaded.ts in the pool.
 * Invariant: which of the two it is, is said by the host that is asked for.
 */
const SLOW_MS = 50;

/** FILTERED_HOST and BUSY_HOST of the rig; a filter of the benchmark imports nothing of it. */
const WORK = new Map([
  ['other.test', 'waitLong'],
  ['busy1.test', 'computeLong'],
] as const);

/** Which function a host asks for; undefined where its requests are not slow. */
export const workFor = (host: string | null): 'waitLong' | 'computeLong' | undefined =>
  WORK.get(host as 'other.test');

/** Returns after 50 ms, during which this thread does nothing else. */
export function waitLong(): number {
  const nothing = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  Atomics.wait(nothing, 0, 0, SLOW_MS);
  return SLOW_MS;
}

/** Returns how often it could compute something within 50 ms. */
export function computeLong(): number {
  const until = performance.now() + SLOW_MS;
  let rounds = 0;
  while (performance.now() < until) rounds += 1;
  return rounds;
}
