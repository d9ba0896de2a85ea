/**
 * The face of the admin API: its routes and what answers them.
 *
 * Path: gateway.ts makes both; the command line is a client of it.
 */

export { AdminApi } from './api.ts';
export type { AdminParts } from './parts.ts';
export { createRoutes } from './routes.ts';
export { readAdminToken } from './token.ts';
