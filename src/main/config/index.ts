/**
 * The face of the configuration module: the normalized types, the loader, and the findings it
 * makes.
 *
 * Path: gateway.ts and the command line load through here; nothing else reads configuration text.
 */
export { formatAddress, formatHostPort, parseBind } from './address.ts';
export { findingByCode } from './codes.ts';
export type {
  BindAddress,
  ClusterConfig,
  Config,
  DnsConfig,
  EndpointConfig,
  HealthCheckConfig,
  ListenerConfig,
} from './config.ts';
export type { Diagnostic } from './diagnostic.ts';
export { createJsonSchema } from './json-schema.ts';
export { type LoadResult, loadConfigFile, loadConfigText, placeFindings } from './load.ts';
export { createPaint, type Paint, wantsColor } from './paint.ts';
export { countFindings, renderGithub, renderHuman, renderJson } from './render.ts';
export { suggest } from './suggest.ts';
export { parseCount, parseDuration } from './units.ts';
export { readSecretFile } from './world.ts';
