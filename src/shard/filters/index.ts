/**
 * The filter host of a shard: what the shard's worker, main and the test kit use of it.
 *
 * Path: src/shard/worker.ts makes a host; src/main/filters makes its plans and reads its counters.
 */
export { BUILT_IN_MODULES } from './built-in.ts';
export type { FilterCore, FilterMemory, FilterPort } from './core.ts';
export {
  CELL_FIELDS,
  type CellField,
  type CounterMemory,
  createCounterMemory,
  FilterCounters,
  USES_MAX,
} from './counters.ts';
export { FilterFailure } from './failure.ts';
export { createFilterMemory, FilterHost, type HostOptions } from './host.ts';
export { type AnyFilter, FilterInstance, type FilterLine, type WriteLine } from './instance.ts';
export {
  ANSWER,
  ANSWER_FROM_ENDPOINT,
  CHAIN_ID_MAX,
  CONNECTION,
  EDIT_WORDS,
  END,
  FIELD_NAMED,
  FIELD_WORDS,
  HEAD,
  HOLDER,
  HOOK,
  HOOK_COUNT,
  HOOK_NAMES,
  RECORD,
  RECORD_LATE,
  VERDICT_NAMES,
} from './layout.ts';
export type { LeaseMode } from './message-view.ts';
export { ModuleLoader } from './module-loader.ts';
export { OffloadClient, type OffloadPort } from './offload-client.ts';
export type { OffloadReply, OffloadRequest } from './offload-protocol.ts';
export type { ChainMember, ChainPlan, FilterPlan, InstancePlan, Program } from './plan.ts';
export { type FilterFault, type Prepared, prepareInstances, releasePrepared } from './prepare.ts';
export type { Offloader, OffloadJob } from './scope.ts';
export { ShardFilters, type ShardFiltersOptions } from './shard-filters.ts';
export { followStrays, originOf, type StrayOptions, type StrayOwner } from './stray.ts';
