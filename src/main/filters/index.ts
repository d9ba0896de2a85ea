/**
 * Filters on the main thread: checking and planning them, their pool, what they count, and tools;
 * and balancers and discoveries, which run in a thread of their own.
 *
 * Path: snapshot/reload plans with it, gateway.ts composes pool and metrics, cli/ has the tools.
 */
export { type CheckReply, checkModule, checkTypes, type SourceFault } from './check/index.ts';
export { FilterChecks } from './check-config.ts';
export { checkUses, type UseChecks } from './check-uses.ts';
export { CheckedModules } from './checked-modules.ts';
export { FilterControl, type FilterControlOptions, FilterRefusal } from './filter-control.ts';
export { describeBusy, filterFamilies, offloadFamilies } from './metrics.ts';
export type { OffloadCounts } from './offload/index.ts';
export { planSteering } from './plan-steering.ts';
export { type CellOwner, FilterPlanner, type Planned } from './planner.ts';
export { type PolicyUse, Steering, type SteeringKind, type SteeringView } from './policy/index.ts';
export type { FilterFinding, FilterPlace, FilterSite, FilterUse, SitePath } from './sites.ts';
export { describeFinding } from './sites.ts';
