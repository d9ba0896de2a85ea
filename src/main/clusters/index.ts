/**
 * The face of clusters: endpoints as they are now, DNS, run-time changes, health.
 *
 * Path: snapshot/ compiles what this resolves; admin/ patches overlays and shows health.
 */
export { type Answer, createLookups, type Lookups } from './dns-lookups.ts';
export { type DnsQuery, DnsTable, type DnsTableOptions, type DnsView } from './dns-table.ts';
export {
  HealthChecks,
  type HealthTarget,
  type HealthView,
  type ProbeCount,
} from './health-checks.ts';
export { type HttpTarget, writeHttpCheck, writePrelude } from './http-check.ts';
export { EMPTY_OVERLAY, type Overlay, type PatchOutcome, patchOverlay } from './overlay.ts';
export {
  type DiscoveredEndpoint,
  listDnsQueries,
  type Resolution,
  type ResolvedEndpoint,
  resolveEndpoints,
} from './resolve.ts';
export { balanceEndpoints, scaleWeights } from './weights.ts';
