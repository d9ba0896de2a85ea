/**
 * How many connections ended because their shard did.
 *
 * Path: the supervisor asks when it buries a shard, to say what its death cost.
 * Invariant: counted from the board, so it holds however the shard ended.
 */
import type { Board, NativeAbi } from '../../../native/epoll/index.ts';

/** The reason that the core gives to connections of a shard that stopped or died. */
const REASON = 'shard-stopped';

/** Returns a counter over all listeners since the process started. */
export function createLossCounter(board: Board, abi: NativeAbi): () => number {
  const reason = abi.closeReasons.findIndex(({ name }) => name === REASON);
  return () => {
    let lost = 0;
    for (let listener = 0; listener < abi.listenersMax; listener++) {
      lost += board.closeReasons(listener)[reason] ?? 0;
    }
    return lost;
  };
}
