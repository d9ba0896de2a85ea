/**
 * The face of the shard supervisor: start shards, ship snapshots to them, ask them, watch them.
 *
 * Path: gateway.ts composes these; snapshot/ publishes through the supervisor, admin/ asks through
 * it.
 */
export { Drain, type DrainPlan, type DrainState } from './drain.ts';
export {
  CALL_TIMEOUT_MS,
  type PendingCall,
  ShardCallError,
  ShardLink,
  type ShardNews,
  type ShardPort,
  type SpawnShard,
} from './link.ts';
export { createLossCounter } from './lost-connections.ts';
export { SerialLock } from './serial-lock.ts';
export { SharedSnapshot } from './shared-snapshot.ts';
export {
  type ShardFollower,
  ShardSupervisor,
  type ShardView,
  type SupervisorOptions,
} from './supervisor.ts';
export { spawnShardThread } from './thread.ts';
export { type StallCount, TICK_MS, Watchdog } from './watchdog.ts';
