/**
 * What was counted about HTTP, as JSON: the part of `GET /v1/stats` that gateways with HTTP have.
 *
 * Path: routes-process.ts -> here -> the board.
 * Invariant: of a gateway without HTTP nothing is read; lists are empty then. Times are
 * microseconds, as the core counts them.
 */
import type { Latency } from '../../../native/epoll/index.ts';
import type { AdminParts } from './parts.ts';

/** Values by the names of their table. */
export function named(
  table: readonly { readonly name: string }[],
  values: readonly number[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(table.map(({ name }, index) => [name, values[index] ?? 0]));
}

/** Listeners, routes and clusters of HTTP. */
export function httpStats(parts: AdminParts): {
  readonly http: readonly unknown[];
  readonly routes: readonly unknown[];
  readonly clusters: readonly unknown[];
} {
  const { abi, board, ids } = parts;
  const routes = [...ids.routes()];
  const listeners = [...new Set(routes.map(({ listener }) => listener))];
  return {
    http: listeners.flatMap((name) => {
      const id = ids.findListener(name);
      return id === undefined ? [] : [describeListener(parts, name, id)];
    }),
    routes: routes.map(({ listener, name, id }) => ({
      listener,
      name,
      counters: named(
        abi.http.routeCounters.map((counter) => ({ name: counter })),
        board.routeCounters(id),
      ),
      latency: describeLatency(parts, board.routeLatency(id)),
    })),
    clusters:
      routes.length === 0
        ? []
        : Array.from(ids.clusters(), ({ name, id }) => ({
            name,
            counters: {
              ...named(abi.clusterCounters, board.clusterCounters(id)),
              ...named(abi.http.clusterCounters, board.clusterHttpCounters(id)),
            },
            latency: describeLatency(parts, board.clusterLatency(id)),
          })),
  };
}

function describeListener({ abi, board }: AdminParts, name: string, id: number): unknown {
  const { fromClients, fromEndpoints, framesFromClients, framesFromEndpoints } =
    board.httpViolations(id);
  const broken = (rules: readonly string[], values: readonly number[]): unknown =>
    Object.fromEntries(
      rules.flatMap((rule, index) => {
        const value = values[index] ?? 0;
        return index === 0 || value === 0 ? [] : [[rule, value]];
      }),
    );
  return {
    name,
    counters: named(abi.http.counters, board.httpCounters(id)),
    ends: named(abi.http.ends, board.httpEnds(id)),
    violations: {
      client: broken(abi.http.violations, fromClients),
      endpoint: broken(abi.http.violations, fromEndpoints),
      clientFrames: broken(abi.http.frameViolations, framesFromClients),
      endpointFrames: broken(abi.http.frameViolations, framesFromEndpoints),
    },
  };
}

/** `p50Micros`, `p99Micros`, `p999Micros` and so on; null before the first request. */
function describeLatency({ abi }: AdminParts, latency: Latency | null): unknown {
  if (latency === null) return null;
  const { count, sumMicros, quantileMicros } = latency;
  return {
    count,
    meanMicros: Math.round(sumMicros / count),
    ...Object.fromEntries(
      abi.http.latencyPermilles.map((permille, index) => [
        `p${String(permille / 10).replace('.', '')}Micros`,
        quantileMicros[index] ?? 0,
      ]),
    ),
  };
}
