/**
 * The face of snapshots: compile, apply, reload, and watch the file.
 *
 * Path: gateway.ts composes these; admin/ asks the reloader and the applier.
 */
export {
  type Applied,
  Applier,
  type ApplierParts,
  type ApplyReport,
  type Desired,
  type FilterSteps,
  type Steered,
} from './apply.ts';
export {
  describeLayoutChanges,
  type FilterLayout,
  filterBase,
  listFilterSites,
  listSteeringSites,
  NO_FILTERS,
} from './filter-layout.ts';
export { type ReloadCounts, Reloader, type ReloadReport } from './reload.ts';
export { type TlsReloadCounts, TlsReloader, type TlsReloadResult } from './reload-tls.ts';
export { FileWatch } from './watch-file.ts';
