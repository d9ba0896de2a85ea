/**
 * Filters on the main thread: checking and planning them, their pool, what they count, and tools.
 *
 * Path: snapshot/reload plans with it, gateway.ts composes pool and metrics, cli/ has the tools.
 */
export { type CellOwner, FilterPlanner, type Planned } from './planner.ts';
export type { FilterFinding, FilterSite, FilterUse, SitePath } from './sites.ts';
