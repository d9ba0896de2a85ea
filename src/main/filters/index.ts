/**
 * Filters on the main thread: checking and planning them, their pool, what they count, and tools.
 *
 * Path: snapshot/reload plans with it, gateway.ts composes pool and metrics, cli/ has the tools.
 */
export { type CheckReply, checkModule, checkTypes, type SourceFault } from './check/index.ts';
export { describeBusy, filterFamilies, offloadFamilies } from './metrics.ts';
export { type OffloadCounts, OffloadPool, type OffloadPoolOptions } from './offload/index.ts';
export { type CellOwner, FilterPlanner, type Planned } from './planner.ts';
export { type PolicyEvents, PolicyThread, type PolicyUse } from './policy/index.ts';
export { type FilterShard, prepareEverywhere, type RollOut, rollOut } from './roll-out.ts';
export type { FilterFinding, FilterSite, FilterUse, SitePath } from './sites.ts';
