/**
 * The same filter as slow-blocking.ts, with its slow work given to the pool.
 *
 * Path: bench/peers/holdfast.ts names it in the configuration of one measurement.
 * Invariant: only requests for two hosts wait; for others it reads one field.
 */
import { defineStreamFilter } from 'holdfast/sdk';
import { workFor } from './slow-work.ts';

export default defineStreamFilter({
  name: 'bench-slow',
  needs: { requestHeaders: ['host'] },
  offload: new URL('./slow-work.ts', import.meta.url),
  onRequest(request, { offload }) {
    const work = workFor(request.headers.get('host'));
    return work === undefined ? undefined : offload(work, null).then(() => undefined);
  },
});
