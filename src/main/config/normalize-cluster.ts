/**
 * Renames what the schema yields for clusters into their normalized form.
 *
 * Path: normalize.ts calls it for each cluster.
 * Invariant: total; whatever passed the schema and the checks becomes a complete ClusterConfig.
 */
import { pathToFileURL } from 'node:url';
import type { ClusterConfig, EndpointConfig, HealthCheckConfig, SocketConfig } from './config.ts';
import { toFilters } from './normalize-http.ts';
import { toClusterTls } from './normalize-tls.ts';
import type { ParsedConfig } from './schema.ts';
import type { World } from './world.ts';

type ParsedCluster = ParsedConfig['clusters'][number];
type ParsedEndpoint = NonNullable<ParsedCluster['endpoints']>[number];

/** Options of one side's sockets in their normalized form. */
export function toSocket(socket: ParsedCluster['socket']): SocketConfig {
  return {
    nodelay: socket.nodelay,
    keepaliveIdleSeconds: socket.keepalive.idle,
    keepaliveIntervalSeconds: socket.keepalive.interval,
    keepaliveCount: socket.keepalive.count,
    userTimeoutMs: socket.userTimeout,
  };
}

function toEndpoint(endpoint: ParsedEndpoint): EndpointConfig {
  const { address, weight, connections, labels = {} } = endpoint;
  const settings = { weight, connections, labels };
  if (address.kind === 'unix') return { path: address.path, ...settings };
  const host = address.kind === 'ip' ? address.ip : address.host;
  return { host, port: address.port, ...settings };
}

function toHealthCheck(check: NonNullable<ParsedCluster['healthCheck']>): HealthCheckConfig {
  const { type, method, path, host = '', headers = {}, status } = check;
  const http = { method, target: path, host, headers: Object.entries(headers), statuses: status };
  return {
    type,
    http: type === 'http' ? http : null,
    intervalMs: check.interval,
    timeoutMs: check.timeout,
    unhealthyAfter: check.unhealthyAfter,
    healthyAfter: check.healthyAfter,
    jitterPermille: check.jitter,
  };
}

function toClusterHttp({ keepAlive, limits }: ParsedCluster['http']): ClusterConfig['http'] {
  return {
    idleMs: keepAlive.idle,
    ageMs: keepAlive.maxAge,
    requestsMax: keepAlive.requests,
    idlePerEndpoint: keepAlive.connections,
    connectionsMax: limits.connections,
    requestsActiveMax: limits.requests,
    pendingMax: limits.pending,
    retriesMax: limits.retries,
    retryBudgetPermille: limits.retryBudget,
  };
}

/** A cluster in its normalized form. */
export function toCluster(cluster: ParsedCluster, world: World): ClusterConfig {
  const { healthCheck, ejection, dns } = cluster;
  const endpoints = (cluster.endpoints ?? []).map(toEndpoint);
  const base = pathToFileURL(world.resolvePath('configuration')).href;
  const toCode = (code: ParsedCluster['balancer']): ClusterConfig['balancer'] =>
    toFilters(code === undefined ? [] : [code], base)[0] ?? null;
  return {
    name: cluster.name,
    balance: cluster.balance,
    balancer: toCode(cluster.balancer),
    endpoints,
    discovery: toCode(cluster.discovery),
    connect: { timeoutMs: cluster.connect.timeout, retries: cluster.connect.retries },
    healthCheck: healthCheck === undefined ? null : toHealthCheck(healthCheck),
    ejection: {
      afterFailures: ejection.afterFailures,
      afterErrors: ejection.afterErrors,
      latencyPermille: ejection.latencyFactor,
      baseMs: ejection.base,
      maxMs: ejection.max,
      percentMax: ejection.atMost,
      panicPercent: ejection.panic,
    },
    slowStartMs: cluster.slowStart,
    proxyProtocol: ({ off: 0, v1: 1, v2: 2 } as const)[cluster.proxyProtocol],
    netns: cluster.netns ?? null,
    socket: toSocket(cluster.socket),
    dns: {
      refreshMinMs: dns.refreshMin,
      refreshMaxMs: dns.refreshMax,
      resolvers: dns.resolvers ?? null,
      family: dns.family,
    },
    tls: toClusterTls(cluster.tls, endpoints, world),
    http: toClusterHttp(cluster.http),
  };
}
