/**
 * Starts a shard as a worker thread of this process.
 *
 * Path: the supervisor's `spawn`; tests give it another one.
 * Invariant: a shard's JavaScript heap is bounded, so that a leak in a filter ends one shard and
 * never the process.
 */
import { Worker } from 'node:worker_threads';
import { SHARD_WORKER_URL, type ShardStart } from '../../shard/index.ts';
import type { ShardPort } from './link.ts';

/** JavaScript heap of one shard. Connections live in native memory and do not count. */
const SHARD_HEAP_MIB_MAX = 256;

/** Starts the thread of shard `index`. */
export function spawnShardThread(index: number, start: ShardStart): ShardPort {
  return new Worker(SHARD_WORKER_URL, {
    name: `shard-${index}`,
    workerData: start,
    resourceLimits: { maxOldGenerationSizeMb: SHARD_HEAP_MIB_MAX },
  });
}
