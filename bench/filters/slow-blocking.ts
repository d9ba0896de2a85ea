/**
 * The filter of the benchmark that does what no filter should: it holds up its shard for 50 ms.
 *
 * Path: bench/peers/holdfast.ts names it in the configuration of one measurement.
 * Invariant: only requests for the filtered host are slow; for others it reads one field.
 */
import { defineStreamFilter } from 'holdfast/sdk';
import { waitLong, workFor } from './slow-work.ts';

export default defineStreamFilter({
  name: 'bench-slow',
  needs: { requestHeaders: ['host'] },
  onRequest(request) {
    if (workFor(request.headers.get('host')) !== undefined) waitLong();
  },
});
