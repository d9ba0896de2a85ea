/**
 * What the core counts, as Prometheus families: listeners, endpoints, shards.
 *
 * Path: the board's numbers, in the order of the core's own tables -> here -> metrics.ts.
 * Invariant: a counter that the core adds appears by itself, named after the core's name; the
 * tables below only give better names and base units to those that have a convention.
 */
import type { Board, NativeAbi } from '../../../native/epoll/index.ts';
import type { Ids } from '../model/index.ts';
import type { Family, Sample } from './exposition.ts';
import { byReason, type Row, type Shown, tableFamilies } from './table-families.ts';

/** The parts that are read. */
export interface CoreSources {
  readonly abi: NativeAbi;
  readonly board: Board;
  readonly ids: Ids;
  readonly shards: number;
}

const SECONDS_PER_NS = 1e-9;
const SECONDS_PER_US = 1e-6;

const LISTENER_NAMES: Readonly<Record<string, Shown>> = {
  opened: { name: 'holdfast_connections_opened_total' },
  established: { name: 'holdfast_connections_established_total' },
  bytesFromClients: {
    name: 'holdfast_bytes_total',
    labels: { direction: 'from_client' },
    help: 'Bytes received, by direction.',
  },
  bytesFromEndpoints: { name: 'holdfast_bytes_total', labels: { direction: 'from_endpoint' } },
  proxyHeaders: { name: 'holdfast_proxy_headers_total' },
  tlsHandshakesFull: {
    name: 'holdfast_tls_handshakes_total',
    labels: { result: 'full' },
    help: 'TLS handshakes with clients, by what came of them.',
  },
  tlsHandshakesResumed: { name: 'holdfast_tls_handshakes_total', labels: { result: 'resumed' } },
  tlsHandshakesFailed: { name: 'holdfast_tls_handshakes_total', labels: { result: 'failed' } },
  tlsHandshakeMicros: {
    name: 'holdfast_tls_handshake_seconds_total',
    factor: SECONDS_PER_US,
    help: 'Time from the first bytes of clients to the end of their TLS handshakes, summed.',
  },
};

const ENDPOINT_NAMES: Readonly<Record<string, Shown>> = {
  active: { name: 'holdfast_upstream_connections_active' },
  healthy: { name: 'holdfast_upstream_endpoint_healthy' },
  connectMicros: {
    name: 'holdfast_upstream_connect_seconds_total',
    factor: SECONDS_PER_US,
    help: 'Time spent in successful connects.',
  },
  answerMicros: {
    name: 'holdfast_upstream_answer_seconds_total',
    factor: SECONDS_PER_US,
    help: 'Time from requests to the first bytes of their answers, summed.',
  },
};

const SHARD_NAMES: Readonly<Record<string, Shown>> = {
  messages: { name: 'holdfast_messages_total' },
  paused: { name: 'holdfast_paused_connections' },
  pausedNanoseconds: { name: 'holdfast_backpressure_seconds_total', factor: SECONDS_PER_NS },
  throttled: { name: 'holdfast_throttled_connections' },
  throttledNanoseconds: { name: 'holdfast_throttled_seconds_total', factor: SECONDS_PER_NS },
  pickFailures: { name: 'holdfast_lb_pick_failures_total' },
  tlsInFlight: { name: 'holdfast_tls_handshakes_in_flight' },
  tlsWaiting: { name: 'holdfast_tls_handshakes_waiting' },
  tlsConnections: { name: 'holdfast_tls_sockets' },
  tlsOnEngine: { name: 'holdfast_tls_sockets_on_engine' },
  tlsReplies: { name: 'holdfast_tls_replies_total' },
};

/** Counters that are shown in another form: closed by reason. */
const LISTENER_SKIPPED = new Set(['closed']);

/** Families of the listeners. */
export function listenerFamilies({ abi, board, ids }: CoreSources): Family[] {
  const rows: Row[] = [];
  const active: Sample[] = [];
  const closed: Sample[] = [];
  const refused: Sample[] = [];
  for (const { name, id } of ids.listeners()) {
    const labels = { listener: name };
    rows.push({ labels, values: board.listenerCounters(id) });
    active.push({ labels, value: board.listenerConnections(id) });
    closed.push(...byReason(labels, abi.closeReasons, board.closeReasons(id)));
    refused.push(...byReason(labels, abi.refusals, board.refusals(id)));
  }
  return [
    ...tableFamilies(abi.listenerCounters, rows, {
      prefix: 'holdfast_listener',
      names: LISTENER_NAMES,
      skipped: LISTENER_SKIPPED,
    }),
    {
      name: 'holdfast_connections_active',
      kind: 'gauge',
      help: 'Live connections.',
      samples: active,
    },
    {
      name: 'holdfast_connections_closed_total',
      kind: 'counter',
      help: 'Connections that ended, by what ended them.',
      samples: closed,
    },
    {
      name: 'holdfast_connections_refused_total',
      kind: 'counter',
      help: 'Accepted sockets that were closed at once, by the limit that was reached.',
      samples: refused,
    },
  ];
}

/** Families of the endpoints. */
export function endpointFamilies({ abi, board, ids }: CoreSources): Family[] {
  const rows: Row[] = [];
  const ejected: Sample[] = [];
  for (const { cluster, address, id } of ids.endpoints()) {
    const labels = { cluster, endpoint: address };
    rows.push({ labels, values: board.endpointCounters(id) });
    ejected.push({ labels, value: board.endpointEjectedMs(id) > 0 ? 1 : 0 });
  }
  return [
    ...tableFamilies(abi.endpointCounters, rows, {
      prefix: 'holdfast_upstream',
      names: ENDPOINT_NAMES,
      skipped: new Set(),
    }),
    {
      name: 'holdfast_upstream_endpoint_ejected',
      kind: 'gauge',
      help: '1 while passive ejection keeps the endpoint out.',
      samples: ejected,
    },
  ];
}

/** Families of the shards. */
export function shardFamilies({ abi, board, shards }: CoreSources): Family[] {
  const indexes = Array.from({ length: shards }, (_, shard) => shard);
  const rows = indexes.map((shard) => ({
    labels: { shard: String(shard) },
    values: board.shardCounters(shard),
  }));
  const connections = board.shardConnections();
  const chunkBytes = abi.sizes['chunk'] ?? 0;
  const chunksAt = abi.shardCounters.findIndex(({ name }) => name === 'pendingChunks');
  return [
    ...tableFamilies(abi.shardCounters, rows, {
      prefix: 'holdfast_shard',
      names: SHARD_NAMES,
      skipped: new Set(),
    }),
    {
      name: 'holdfast_shard_connections_active',
      kind: 'gauge',
      help: 'Live connections of each shard.',
      samples: indexes.map((shard) => ({
        labels: { shard: String(shard) },
        value: connections[shard] ?? 0,
      })),
    },
    {
      name: 'holdfast_pending_bytes',
      kind: 'gauge',
      help: 'Memory that holds bytes for slow readers.',
      samples: rows.map(({ labels, values }) => ({
        labels,
        value: (values[chunksAt] ?? 0) * chunkBytes,
      })),
    },
  ];
}
