/**
 * The face of the configuration module: the normalized types, the loader, and the findings it makes.
 *
 * Path: gateway.ts and the command line load through here; nothing else reads configuration text.
 */
export { formatAddress, formatHostPort, isLoopback, parseAddress, parseBind, parseEndpoint } from './address.ts';
export type { Address } from './address.ts';
export { findingByCode, FINDINGS } from './codes.ts';
export type { FindingName } from './codes.ts';
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
export { diffConfig } from './diff.ts';
export type { ConfigChange } from './diff.ts';
export { toDiagnostic } from './findings.ts';
export { loadConfigFile, loadConfigText } from './load.ts';
export type { LoadResult } from './load.ts';
export { createPaint, wantsColor } from './paint.ts';
export type { Paint } from './paint.ts';
export { countFindings, renderGithub, renderHuman, renderJson } from './render.ts';
export { suggest } from './suggest.ts';
export { formatCount, formatDuration, formatSize, parseCount, parseDuration, parseSize, quote } from './units.ts';
export type { Parsed } from './units.ts';
export { createWorld, descriptorLimit, readSecretFile } from './world.ts';
export type { World } from './world.ts';
