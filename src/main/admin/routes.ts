/**
 * All routes of the admin API in one table.
 *
 * Path: gateway.ts -> here -> api.ts.
 * Invariant: docs/operating.md lists each of them.
 */
import type { AdminParts } from './parts.ts';
import type { Route } from './router.ts';
import { certificateRoutes } from './routes-certificates.ts';
import { clusterRoutes } from './routes-clusters.ts';
import { configRoutes } from './routes-config.ts';
import { connectionRoutes } from './routes-connections.ts';
import { faultRoutes } from './routes-faults.ts';
import { processRoutes } from './routes-process.ts';

/** Makes the table. */
export function createRoutes(parts: AdminParts): Route[] {
  return [
    ...processRoutes(parts),
    ...configRoutes(parts),
    ...connectionRoutes(parts),
    ...clusterRoutes(parts),
    ...certificateRoutes(parts),
    ...faultRoutes(parts),
  ];
}
