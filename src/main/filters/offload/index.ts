/**
 * The pool for CPU-heavy work of filters.
 *
 * Path: gateway.ts makes one and gives each shard a port.
 */
export { type OffloadCounts, OffloadPool, type OffloadPoolOptions } from './pool.ts';
export { TIME_BOUNDS, type TimeCounts } from './times.ts';
