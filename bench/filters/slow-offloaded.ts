/**
 * The same filter as slow-blocking.ts, with its slow work given to the pool.
 *
 * Path: bench/peers/holdfast.ts names it in the configuration of one measurement.
 * Invariant: only requests for the filtered host wait; for others it reads one field.
 */
import { defineStreamFilter } from 'holdfast/sdk';
import { isSlow } from './slow-work.ts';

export default defineStreamFilter({
  name: 'bench-slow',
  needs: { requestHeaders: ['host'] },
  offload: new URL('./slow-work.ts', import.meta.url),
  onRequest(request, { offload }) {
    if (!isSlow(request.headers.get('host'))) return undefined;
    return offload('waitLong', null).then(() => undefined);
  },
});
