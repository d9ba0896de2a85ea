/**
 * The face of the configuration module: the normalized types, the loader, and the findings it makes.
 *
 * Path: gateway.ts and the command line load through here; nothing else reads configuration text.
 */
export { formatAddress, formatHostPort, isLoopback, parseBind, parseEndpoint } from './address.ts';
export { findingByCode } from './codes.ts';
export type {
  AdminConfig,
  AdminTcpConfig,
  Balance,
  BindAddress,
  ClusterConfig,
  Config,
  Distribution,
  DnsConfig,
  DrainConfig,
  EjectionConfig,
  EndpointConfig,
  HealthCheckConfig,
  ListenerConfig,
  ListenerLimitsConfig,
  ListenerTimeouts,
  LogConfig,
  LogLevel,
  ProcessLimits,
  SocketConfig,
} from './config.ts';
export type { Diagnostic, Severity } from './diagnostic.ts';
export { createJsonSchema } from './json-schema.ts';
export { type LoadResult, loadConfigFile, loadConfigText, placeFindings } from './load.ts';
export { createPaint, type Paint, wantsColor } from './paint.ts';
export { countFindings, renderGithub, renderHuman, renderJson } from './render.ts';
export { suggest } from './suggest.ts';
export {
  formatCount,
  formatDuration,
  formatSize,
  type Parsed,
  parseCount,
  parseDuration,
  parseSize,
  quote,
} from './units.ts';
export { createWorld, descriptorLimit, readSecretFile, type World } from './world.ts';
