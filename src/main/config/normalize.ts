/**
 * Renames what the schema yields into the normalized `Config` and works out what is `auto`.
 *
 * Path: the last step of load.ts.
 * Invariant: total; whatever passed the schema and the checks becomes a complete Config.
 * Does not check anything.
 */
import { pathToFileURL } from 'node:url';
import type { BindAddress, Config, ListenerConfig } from './config.ts';
import { DESCRIPTORS_PER_CONNECTION, DESCRIPTORS_RESERVED, SHARDS_MAX } from './limits.ts';
import { toCluster, toSocket } from './normalize-cluster.ts';
import { toFilters, toHttp } from './normalize-http.ts';
import { toListenerTls, toRoutes } from './normalize-tls.ts';
import type { ParsedConfig } from './schema.ts';
import type { World } from './world.ts';

type ParsedListener = ParsedConfig['listeners'][number];

/** Connections that a limit of open files allows. */
export function connectionsForDescriptors(descriptors: number): number {
  return Math.max(1, Math.floor((descriptors - DESCRIPTORS_RESERVED) / DESCRIPTORS_PER_CONNECTION));
}

function toBind(bind: ParsedListener['bind'][number]): BindAddress {
  const { address, mode } = bind;
  if (address.kind === 'ip') return { ip: address.ip, port: address.port };
  return mode === undefined ? { path: address.path } : { path: address.path, mode };
}

function toListener(listener: ParsedListener, world: World): ListenerConfig {
  const { limits, timeouts, proxyProtocol } = listener;
  const base = pathToFileURL(world.resolvePath('configuration')).href;
  const hasHosts = listener.protocol === 'http' && listener.http.hosts !== undefined;
  return {
    name: listener.name,
    bind: listener.bind.map(toBind),
    netns: listener.netns ?? null,
    protocol: listener.protocol,
    backlog: listener.backlog,
    proxyProtocol:
      proxyProtocol === undefined
        ? null
        : { accept: proxyProtocol.accept, timeoutMs: proxyProtocol.timeout },
    limits: {
      connections: limits.connections,
      connectionsPerAddress: limits.connectionsPerAddress,
      acceptRate: limits.acceptRate,
      bufferHigh: limits.buffer.high,
      bufferLow: limits.buffer.low,
    },
    timeouts: {
      idleMs: timeouts.idle,
      halfCloseMs: timeouts.halfClose,
      maxAgeMs: timeouts.maxAge.value,
      maxAgeJitterPermille: timeouts.maxAge.jitter,
    },
    socket: toSocket(listener.socket),
    accessLog: listener.accessLog,
    tls: toListenerTls(listener, world),
    routes: toRoutes(listener.routes),
    cluster: hasHosts ? null : (listener.cluster ?? null),
    http: toHttp(listener, base),
    filters: toFilters(listener.filters, base),
    codec: listener.codec === undefined ? null : { use: listener.codec.use, with: null, base },
  };
}

function toAdmin(admin: ParsedConfig['admin']): Config['admin'] {
  const { socket, tcp } = admin;
  if (tcp === undefined || tcp.bind.kind !== 'ip') return { socket, tcp: null };
  const { ip, port } = tcp.bind;
  return {
    socket,
    tcp: { host: ip, port, tokenFile: tcp.tokenFile ?? null, token: tcp.token ?? null },
  };
}

/** Makes the normalized configuration. */
export function normalize(parsed: ParsedConfig, world: World): Config {
  const shards = parsed.shards ?? Math.min(SHARDS_MAX, Math.max(1, world.parallelism));
  const { limits, drain, log } = parsed;
  return {
    version: parsed.version,
    shards,
    distribution: parsed.distribution,
    admin: toAdmin(parsed.admin),
    log: {
      level: log.level,
      access: log.access,
      accessFormat: log.accessFormat.format,
      accessTemplate: log.accessFormat.template,
      accessIntervalMs: log.accessInterval,
      format: log.format,
    },
    limits: {
      connections: limits.connections ?? connectionsForDescriptors(world.descriptorsMax),
      memory: limits.memory,
      memoryPerShard: limits.memoryPerShard ?? Math.floor(limits.memory / shards),
    },
    drain: { overMs: drain.over, graceMs: drain.grace, readinessDelayMs: drain.readinessDelay },
    tls: {
      ticketRotationMs: parsed.tls.ticketRotation,
      handshakeThreads: parsed.tls.handshakeThreads,
    },
    listeners: parsed.listeners.map((listener) => toListener(listener, world)),
    clusters: parsed.clusters.map((cluster) => toCluster(cluster, world)),
  };
}
