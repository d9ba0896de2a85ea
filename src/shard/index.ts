/**
 * The face of the shard module towards the control plane: its messages, and where its thread
 * starts.
 *
 * Path: main/shards reads this; nothing else in main speaks to a shard.
 */
export { SHARD_WORKER_URL } from './entry.ts';
export type {
  FilterOrder,
  ShardCallName,
  ShardCalls,
  ShardEnvelope,
  ShardEvent,
  ShardFault,
  ShardMemory,
  ShardMessage,
  ShardReply,
  ShardStart,
} from './protocol.ts';
