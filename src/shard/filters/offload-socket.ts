/**
 * Where the way to the pool is plugged in, when the first filter that gives work away comes.
 *
 * Path: scope.ts runs jobs through it; shard-filters.ts plugs the client in.
 * Invariant: without a client every job is refused at once; nothing waits for one.
 */
import { OffloadError } from '../../sdk/index.ts';
import type { OffloadClient } from './offload-client.ts';
import type { Offloader, OffloadJob } from './scope.ts';

/** The place of the client. */
export class OffloadSocket implements Offloader {
  client: OffloadClient | null = null;

  run(job: OffloadJob): Promise<unknown> {
    if (this.client !== null) return this.client.run(job);
    return Promise.reject(new OffloadError('failed', 'this shard has no way to the pool'));
  }
}
