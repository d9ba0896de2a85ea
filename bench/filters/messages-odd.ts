/**
 * The other message filter of the benchmark, that reloads swap with messages.ts.
 *
 * Path: bench/peers/holdfast.ts names it in every other configuration of one measurement.
 * Invariant: no message is changed; one that begins with SOH would end the tunnel.
 */
import { close, defineMessageFilter } from 'holdfast/sdk';

export default defineMessageFilter({
  name: 'bench-messages',
  needs: { messages: { from: 'client', kinds: ['text'] } },
  onMessage(message) {
    return message.bytes[0] === 1 ? close(1008, 'SOH') : undefined;
  },
});
