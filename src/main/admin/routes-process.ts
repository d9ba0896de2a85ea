/**
 * The routes about the process: status, numbers, drain, log level, probes for orchestrators.
 *
 * Path: router.ts -> here -> the parts.
 * Invariant: `/readyz` says no from the first moment of a drain; `/livez` says yes while the main
 * thread answers at all.
 */
import {
  EXPOSITION_TYPE,
  isLogLevel,
  LOG_LEVELS,
  METRIC_SCOPES,
  parseScopes,
  writeMetrics,
} from '../observe/index.ts';
import { AdminError, type AdminRequest, type AdminResponse, badRequest, ok } from './http.ts';
import { httpStats, named } from './http-stats.ts';
import type { AdminParts } from './parts.ts';
import { checkParameters, readFields, toDurationMs } from './query.ts';
import type { Route } from './router.ts';

/** The routes about the process. */
export function processRoutes(parts: AdminParts): Route[] {
  const guarded = { access: 'guarded' } as const;
  return [
    { method: 'GET', pattern: '/livez', access: 'open', handle: () => ok({ status: 'alive' }) },
    { method: 'GET', pattern: '/readyz', access: 'open', handle: () => readiness(parts) },
    {
      method: 'GET',
      pattern: '/metrics',
      ...guarded,
      handle: (request) => metrics(parts, request),
    },
    { method: 'GET', pattern: '/v1/status', ...guarded, handle: () => ok(status(parts)) },
    { method: 'GET', pattern: '/v1/stats', ...guarded, handle: () => ok(stats(parts)) },
    { method: 'GET', pattern: '/v1/shards', ...guarded, handle: () => ok(shards(parts)) },
    {
      method: 'GET',
      pattern: '/v1/log-level',
      ...guarded,
      handle: () => ok({ level: parts.log.level }),
    },
    {
      method: 'POST',
      pattern: '/v1/log-level',
      ...guarded,
      handle: (request) => setLevel(parts, request),
    },
    {
      method: 'POST',
      pattern: '/v1/drain',
      ...guarded,
      handle: (request) => drain(parts, request),
    },
    { method: 'POST', pattern: '/v1/undrain', ...guarded, handle: () => undrain(parts) },
  ];
}

function readiness(parts: AdminParts): AdminResponse {
  const { drain: draining, supervisor, applier } = parts;
  const isAnyReady = supervisor.view().some(({ state }) => state === 'ready');
  const reason =
    draining.state !== 'serving'
      ? draining.state
      : isAnyReady && applier.isListening
        ? null
        : 'no shard is ready';
  return reason === null
    ? ok({ status: 'ready' })
    : { status: 503, json: { status: 'not ready', reason } };
}

function metrics(parts: AdminParts, { query }: AdminRequest): AdminResponse {
  checkParameters(query, ['scope']);
  const scopes = parseScopes(query.get('scope'));
  if (scopes === null) {
    throw badRequest('"scope" names an unknown part', `the parts are ${METRIC_SCOPES.join(', ')}`);
  }
  return { status: 200, type: EXPOSITION_TYPE, pieces: writeMetrics(parts.metrics, scopes) };
}

function status(parts: AdminParts): unknown {
  const { applier, board, drain: draining, reloader, sockets, supervisor } = parts;
  const { config, serial, overlays } = applier.current;
  return {
    version: parts.version,
    pid: process.pid,
    node: process.version,
    state: draining.state,
    source: parts.source,
    startedAt: new Date(parts.startedAtMs).toISOString(),
    uptimeMs: Date.now() - parts.startedAtMs,
    generation: reloader.generation,
    snapshot: serial,
    connections: board.connections(),
    connectionsMax: config.limits.connections,
    shards: supervisor.view().map(({ shard, state }) => ({ shard, state })),
    listeners: sockets.view(),
    clusters: config.clusters.map(({ name }) => ({ name, isPatched: overlays.has(name) })),
    names: parts.dns.view(),
  };
}

function stats(parts: AdminParts): unknown {
  const { abi, board, ids, metrics: sources } = parts;
  return {
    process: {
      ...sources.native.processInfo(),
      connections: board.connections(),
      mainStalls: parts.watchdog.mainStalls,
      acceptErrors: sources.acceptErrors(),
      reloads: sources.reloads(),
    },
    listeners: Array.from(ids.listeners(), ({ name, id }) => ({
      name,
      connections: board.listenerConnections(id),
      counters: named(abi.listenerCounters, board.listenerCounters(id)),
      closed: named(abi.closeReasons, board.closeReasons(id)),
      refused: named(abi.refusals, board.refusals(id)),
    })),
    endpoints: Array.from(ids.endpoints(), ({ cluster, address, id }) => ({
      cluster,
      address,
      counters: named(abi.endpointCounters, board.endpointCounters(id)),
    })),
    shards: Array.from({ length: parts.supervisor.count }, (_, shard) => ({
      shard,
      counters: named(abi.shardCounters, board.shardCounters(shard)),
    })),
    ...httpStats(parts),
  };
}

function shards(parts: AdminParts): unknown {
  const { abi, board, supervisor, watchdog } = parts;
  const connections = board.shardConnections();
  const stalls = watchdog.counts();
  return {
    shards: supervisor.view().map((view) => {
      const pulse = board.pulse(view.shard);
      return Object.assign(view, {
        connections: connections[view.shard] ?? 0,
        heartbeats: pulse.heartbeats,
        doing: pulse.isInTurn ? (abi.activities[pulse.activity] ?? null) : null,
        ...stalls[view.shard],
      });
    }),
    recordBytes: abi.sizes,
  };
}

async function setLevel(parts: AdminParts, { json }: AdminRequest): Promise<AdminResponse> {
  const { level } = readFields(await json(), ['level']);
  if (!isLogLevel(level)) {
    throw badRequest('"level" is no log level', `the levels are ${LOG_LEVELS.join(', ')}`);
  }
  const former = parts.log.level;
  parts.log.level = level;
  return ok({ level, former });
}

async function drain(parts: AdminParts, { json }: AdminRequest): Promise<AdminResponse> {
  const fields = readFields(await json(), ['overMs']);
  const configured = parts.applier.current.config.drain;
  const overMs =
    fields['overMs'] === undefined ? configured.overMs : toDurationMs(fields['overMs'], 'overMs');
  const connections = parts.board.connections();
  parts.drain.start({ ...configured, overMs }).catch((error: unknown) => {
    parts.log.error({ err: error }, 'the drain failed');
  });
  return { status: 202, json: { state: parts.drain.state, overMs, connections } };
}

async function undrain(parts: AdminParts): Promise<AdminResponse> {
  try {
    await parts.drain.undrain();
  } catch (error) {
    throw new AdminError(409, 'APPLY_FAILED', {
      message: error instanceof Error ? error.message : String(error),
      hint: 'the gateway stays drained',
    });
  }
  return ok({ state: parts.drain.state });
}
