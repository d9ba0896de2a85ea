/**
 * The face of the configuration module: the normalized types, the loader, and the findings it makes.
 *
 * Path: gateway.ts and the command line load through here; nothing else reads configuration text.
 */
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
