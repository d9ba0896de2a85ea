/**
 * The face of the configuration module: the normalized types, the loader, and the findings it
 * makes.
 *
 * Path: gateway.ts and the command line load through here; nothing else reads configuration text.
 */
export { formatAddress, formatHostPort, parseBind } from './address.ts';
export { BackgroundLoader } from './background-load.ts';
export { type FindingName, findingByCode } from './codes.ts';
export type {
  BindAddress,
  ClientAuthConfig,
  ClusterConfig,
  ClusterTlsConfig,
  Config,
  DnsConfig,
  EndpointConfig,
  FilterConfig,
  HealthCheckConfig,
  HttpCheckConfig,
  HttpConfig,
  KeyPairConfig,
  LabelsConfig,
  ListenerCertificateConfig,
  ListenerConfig,
  ListenerTlsConfig,
  TlsTuning,
} from './config.ts';
export type { Diagnostic } from './diagnostic.ts';
export type { ValuePath } from './findings.ts';
export { toHttpInput } from './http-input.ts';
export { createJsonSchema } from './json-schema.ts';
export {
  isErrorFinding,
  type LoadResult,
  loadConfigFile,
  loadConfigText,
  placeFindings,
} from './load.ts';
export { createPaint, type Paint, wantsColor } from './paint.ts';
export { countFindings, renderGithub, renderHuman, renderJson } from './render.ts';
export { suggest } from './suggest.ts';
export { type Parsed, parseCount, parseDuration, parsePercent, parseSize, units } from './units.ts';
export { parseHeaderName, parseHostName, parseLabel } from './values-http.ts';
export { createWorld, readSecretFile, withoutTls } from './world.ts';
export type { FilterPlace, WrittenFilter } from './written-filters.ts';
