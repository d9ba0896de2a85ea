/**
 * The stream filter of the benchmark: reads one field of a request and sets one.
 *
 * Path: bench/peers/holdfast.ts names it in the configuration of one measurement.
 * Invariant: what the issue of filters calls the smallest useful one, and nothing else.
 */
import { defineStreamFilter } from 'holdfast/sdk';

export default defineStreamFilter({
  name: 'bench-header',
  needs: { requestHeaders: ['accept'] },
  onRequest(request) {
    request.headers.set('x-seen', request.headers.get('accept') ?? 'nothing');
  },
});
