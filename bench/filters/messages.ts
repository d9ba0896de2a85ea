/**
 * The message filter of the benchmark: sees every text message of clients and looks at one byte.
 *
 * Path: bench/peers/holdfast.ts names it in the configuration of one measurement.
 * Invariant: no message is changed; one that begins with NUL would end the tunnel.
 */
import { close, defineMessageFilter } from 'holdfast/sdk';

export default defineMessageFilter({
  name: 'bench-messages',
  needs: { messages: { from: 'client', kinds: ['text'] } },
  onMessage(message) {
    return message.bytes[0] === 0 ? close(1008, 'NUL') : undefined;
  },
});
