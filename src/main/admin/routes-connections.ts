/**
 * `GET /v1/connections`, `DELETE /v1/connections/{id}`: who is connected, and ending one of them.
 *
 * Path: router.ts -> here -> scan.ts and the shards.
 * Invariant: numbers of the core leave as names; an id names one connection and no later one.
 */
import { isIP } from 'node:net';
import type { ConnectionFilter, ConnectionInfo } from '../../../native/epoll/index.ts';
import { ShardCallError } from '../shards/index.ts';
import { AdminError, type AdminRequest, badRequest, notFound, ok } from './http.ts';
import type { AdminParts } from './parts.ts';
import { checkParameters, readCount, readDurationMs } from './query.ts';
import type { Route } from './router.ts';
import {
  formatCursor,
  parseCursor,
  type ScanCursor,
  SORT_KEYS,
  type SortKey,
  scanPage,
  scanSorted,
} from './scan.ts';

/** Connections on one page. */
const PAGE_DEFAULT = 100;
const PAGE_MAX = 1_000;
const PARAMETERS = [
  'listener',
  'cluster',
  'endpoint',
  'client',
  'older',
  'idle',
  'sort',
  'limit',
  'cursor',
];

/** The routes about connections. */
export function connectionRoutes(parts: AdminParts): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/v1/connections',
      access: 'guarded',
      handle: async ({ query }) => ok(await list(parts, query)),
    },
    {
      method: 'DELETE',
      pattern: '/v1/connections/:id',
      access: 'guarded',
      handle: async ({ params }: AdminRequest) => ok(await kill(parts, params['id'] ?? '')),
    },
  ];
}

async function list(parts: AdminParts, query: URLSearchParams): Promise<unknown> {
  checkParameters(query, PARAMETERS);
  const filter = readFilter(parts, query);
  const limit = readCount(query, 'limit', { fallback: PAGE_DEFAULT, min: 1, max: PAGE_MAX });
  const sort = readSort(query);
  const cursor = readCursor(query);
  if (filter === null) {
    return { connections: [], next: null };
  }
  if (sort === null) {
    const page = await scanPage(parts.supervisor, { filter, limit, cursor });
    return {
      connections: page.connections.map((connection) => describe(parts, connection)),
      next: page.next === null ? null : formatCursor(page.next),
    };
  }
  if (query.has('cursor')) {
    throw badRequest('a sorted list has one page', 'leave out "cursor", or raise "limit"');
  }
  const connections = await scanSorted(parts.supervisor, { filter, limit, sort });
  return { connections: connections.map((connection) => describe(parts, connection)), next: null };
}

/** Null when a name is not known: then nothing matches. */
function readFilter(parts: AdminParts, query: URLSearchParams): ConnectionFilter | null {
  const { ids } = parts;
  const listener = query.get('listener');
  const cluster = query.get('cluster');
  const endpoint = query.get('endpoint');
  const client = query.get('client');
  if (client !== null && isIP(client) === 0) {
    throw badRequest('"client" is no IP address', 'write the address without its port');
  }
  const listenerId = listener === null ? undefined : ids.findListener(listener);
  const clusterId = cluster === null ? undefined : ids.findCluster(cluster);
  const endpointIds =
    endpoint === null
      ? []
      : [...ids.endpoints()].filter(
          (each) => each.address === endpoint && (cluster === null || each.cluster === cluster),
        );
  const isUnknown =
    (listener !== null && listenerId === undefined) ||
    (cluster !== null && clusterId === undefined) ||
    (endpoint !== null && endpointIds.length === 0);
  if (isUnknown) {
    return null;
  }
  if (endpointIds.length > 1) {
    throw badRequest(`${endpoint} is in several clusters`, 'name one of them with "cluster"');
  }
  const endpointId = endpointIds[0]?.id;
  return {
    ...(listenerId === undefined ? {} : { listener: listenerId }),
    ...(clusterId === undefined ? {} : { cluster: clusterId }),
    ...(endpointId === undefined ? {} : { endpoint: endpointId }),
    ...(client === null ? {} : { client }),
    olderThanMs: readDurationMs(query, 'older', 0),
    idleMoreThanMs: readDurationMs(query, 'idle', 0),
  };
}

function readSort(query: URLSearchParams): SortKey | null {
  const text = query.get('sort');
  if (text === null) {
    return null;
  }
  const sort = SORT_KEYS.find((known) => known === text);
  if (sort === undefined) {
    throw badRequest(`cannot sort by "${text}"`, `sort by ${SORT_KEYS.join(', ')}`);
  }
  return sort;
}

function readCursor(query: URLSearchParams): ScanCursor {
  const text = query.get('cursor');
  const cursor = text === null ? { shard: 0, slot: 0 } : parseCursor(text);
  if (cursor === null) {
    throw badRequest('"cursor" is not one that a page returned');
  }
  return cursor;
}

function describe(parts: AdminParts, connection: ConnectionInfo): unknown {
  const { ids } = parts;
  const { id, listener, cluster, endpoint, route, ...rest } = connection;
  return {
    id,
    listener: ids.listenerName(listener),
    cluster: ids.clusterName(cluster),
    endpoint: endpoint < 0 ? null : (ids.endpointName(endpoint)?.address ?? null),
    route: route < 0 ? null : (ids.routeName(route)?.name ?? null),
    ...rest,
  };
}

async function kill(parts: AdminParts, id: string): Promise<unknown> {
  const match = /^([0-9a-f]{1,8})-[0-9a-f]{1,8}-[0-9a-f]{1,8}$/.exec(id);
  const shard = match === null ? Number.NaN : Number.parseInt(match[1] ?? '', 16);
  if (Number.isNaN(shard)) {
    throw badRequest(`"${id}" is no connection id`, 'GET /v1/connections shows ids');
  }
  const gone = notFound(`there is no connection ${id}`, 'it may have ended meanwhile');
  if (shard >= parts.supervisor.count) {
    throw gone;
  }
  try {
    if (!(await parts.supervisor.call(shard, 'kill', { connection: id }))) {
      throw gone;
    }
  } catch (error) {
    if (error instanceof ShardCallError) {
      throw error.reason === 'gone'
        ? gone
        : new AdminError(503, 'UNAVAILABLE', { message: error.message, hint: 'try again' });
    }
    throw error;
  }
  return { killed: id };
}
