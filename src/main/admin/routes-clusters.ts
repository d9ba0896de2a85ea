/**
 * `/v1/clusters`: endpoints with their health and load, and changing them at run time.
 *
 * Path: router.ts -> here -> overlay -> applier.
 * Invariant: a change touches no connection: new ones follow it, established ones stay where they
 * are. Run-time changes last until a configuration is loaded.
 */
import { EMPTY_OVERLAY, patchOverlay, type ResolvedEndpoint } from '../clusters/index.ts';
import type { SteeringView } from '../filters/index.ts';
import { type Applied } from '../snapshot/index.ts';
import { AdminError, type AdminResponse, badRequest, notFound, ok } from './http.ts';
import type { AdminParts } from './parts.ts';
import type { Route } from './router.ts';

/** The routes about clusters. */
export function clusterRoutes(parts: AdminParts): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/v1/clusters',
      access: 'guarded',
      handle: () => {
        const { current } = parts.applier;
        return ok({
          clusters: current.config.clusters.map(({ name }) => describe(parts, current, name)),
        });
      },
    },
    {
      method: 'GET',
      pattern: '/v1/clusters/:name',
      access: 'guarded',
      handle: ({ params }) => {
        const name = params['name'] ?? '';
        checkCluster(parts.applier.current, name);
        return ok(describe(parts, parts.applier.current, name));
      },
    },
    {
      method: 'PATCH',
      pattern: '/v1/clusters/:name/endpoints',
      access: 'guarded',
      handle: async ({ params, json }) => patch(parts, params['name'] ?? '', await json()),
    },
  ];
}

async function patch(parts: AdminParts, name: string, body: unknown): Promise<AdminResponse> {
  let changes: readonly string[] = [];
  try {
    const { applied, warnings } = await parts.applier.apply((running) => {
      const current = running ?? parts.applier.current;
      checkCluster(current, name);
      const addresses = new Set((current.endpoints.get(name) ?? []).map(({ text }) => text));
      const outcome = patchOverlay(current.overlays.get(name) ?? EMPTY_OVERLAY, addresses, body);
      if ('problem' in outcome) {
        throw badRequest(outcome.problem, 'GET /v1/clusters shows what is there');
      }
      changes = outcome.changes;
      return {
        ...current,
        overlays: new Map(current.overlays).set(name, outcome.overlay),
      };
    });
    parts.log.info({ cluster: name, changes }, 'endpoints changed by an operator');
    return ok({ result: 'applied', changes, warnings, ...describe(parts, applied, name) });
  } catch (error) {
    if (error instanceof AdminError) {
      throw error;
    }
    throw new AdminError(409, 'APPLY_FAILED', {
      message: error instanceof Error ? error.message : String(error),
      hint: 'the running endpoints stay',
    });
  }
}

function checkCluster(current: Applied, name: string): void {
  if (!current.endpoints.has(name)) {
    throw notFound(`there is no cluster "${name}"`, 'GET /v1/clusters lists them');
  }
}

/** A cluster as the API shows it; null: it has no such code. */
interface ClusterAnswer {
  readonly name: string;
  readonly balancer: SteeringView | null;
  readonly discovery: SteeringView | null;
  readonly endpoints: readonly unknown[];
}

function describe(parts: AdminParts, current: Applied, name: string): ClusterAnswer {
  const endpoints = current.endpoints.get(name) ?? [];
  return {
    name,
    balancer: parts.filters.steering(name, 'balancer'),
    discovery: parts.filters.steering(name, 'discovery'),
    endpoints: endpoints.map((each) => describeEndpoint(parts, name, each)),
  };
}

function describeEndpoint(parts: AdminParts, cluster: string, endpoint: ResolvedEndpoint): unknown {
  const { abi, board, health, ids } = parts;
  const { text, host, weight, balanced = null, labels, connections, isDraining } = endpoint;
  const id = ids.findEndpoint({ cluster, address: text });
  const view = id === undefined ? null : health.view(id);
  const ejectedMs = id === undefined ? 0 : board.endpointEjectedMs(id);
  const state = isDraining
    ? 'draining'
    : view?.isHealthy === false
      ? 'unhealthy'
      : ejectedMs > 0
        ? 'ejected'
        : 'healthy';
  const values = id === undefined ? [] : board.endpointCounters(id);
  return {
    address: text,
    host,
    weight,
    balanced,
    labels,
    connectionsMax: connections,
    state,
    isChecked: view !== null,
    lastError: view?.lastError ?? null,
    ejectedMs,
    connections: id === undefined ? 0 : board.endpointConnections(id),
    counters: Object.fromEntries(
      abi.endpointCounters.map((counter, index) => [counter.name, values[index] ?? 0]),
    ),
  };
}
