/**
 * Where a shard's thread starts, in the sources and in the built form alike.
 *
 * Path: main/shards hands this to `new Worker`.
 * Invariant: sources start worker.ts, built code starts worker.js; both lie beside this file.
 */

/** The file that a worker thread runs. */
export const SHARD_WORKER_URL = new URL(
  import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js',
  import.meta.url,
);
