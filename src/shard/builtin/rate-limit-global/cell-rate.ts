/**
 * The generic cell rate algorithm: each key has one number, the time at which its bucket is empty
 * again, so that a limit costs one small key, and a burst is bounded at every moment.
 *
 * Path: SCRIPT runs in Redis, takeLocally in the shard when Redis is gone.
 * Invariant: both compute the same. Redis runs a script as one step, by its own clock, so gateways
 * neither race nor need the same time.
 */
import type { ExpiringMap } from '../parts/index.ts';

/** A limit, in microseconds. */
export interface CellRate {
  /** Between two requests. */
  readonly intervalUs: number;
  /** How far ahead a burst may run. */
  readonly toleranceUs: number;
}

/** What one request came to. */
export interface Taken {
  readonly isAllowed: boolean;
  /** When the next one is, counted from now; 0 when it is allowed. */
  readonly waitUs: number;
}

const US_PER_SECOND = 1_000_000;
const US_PER_MS = 1000;

/**
 * KEYS[1]: the key. ARGV: interval, tolerance. Replies with 1 and 0, or with 0 and the microseconds
 * to wait. Numbers are written out, because Lua would shorten them.
 */
export const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * ${US_PER_SECOND} + time[2]
local interval = tonumber(ARGV[1])
local empty = tonumber(redis.call('GET', KEYS[1])) or now
if empty < now then empty = now end
local wait = empty + interval - tonumber(ARGV[2]) - now
if wait > 0 then return {0, math.ceil(wait)} end
empty = empty + interval
local lifetime = math.ceil((empty - now) / ${US_PER_MS})
redis.call('SET', KEYS[1], string.format('%.0f', empty), 'PX', lifetime)
return {1, 0}
`;

/** The limit of so many requests in a time. */
export function toCellRate(rate: number, perMs: number, burst: number): CellRate {
  const intervalUs = (perMs * US_PER_MS) / rate;
  return { intervalUs, toleranceUs: intervalUs * burst };
}

/** The same as SCRIPT over a map: the time at which the bucket of a key is empty, in microseconds. */
export function takeLocally(
  buckets: ExpiringMap<number>,
  key: string,
  { intervalUs, toleranceUs }: CellRate,
): Taken {
  const nowUs = Date.now() * US_PER_MS;
  const emptyUs = Math.max(buckets.get(key) ?? nowUs, nowUs);
  const waitUs = emptyUs + intervalUs - toleranceUs - nowUs;
  if (waitUs > 0) return { isAllowed: false, waitUs: Math.ceil(waitUs) };
  const nextUs = emptyUs + intervalUs;
  buckets.set(key, nextUs, nextUs / US_PER_MS);
  return { isAllowed: true, waitUs: 0 };
}
