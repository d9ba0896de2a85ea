/**
 * The names of everything the core counts: listeners, clusters, endpoints, routes.
 *
 * Path: snapshot/compile.ts asks for ids; admin and metrics ask for the names behind them.
 * Invariant: a row of the board is set up before any snapshot names its id.
 */
import type { Board, NativeAbi } from '../../../native/epoll/index.ts';
import { IdTable, IdTableFullError } from './id-table.ts';

/** An endpoint's place: its cluster and its address as people write it. */
export interface EndpointName {
  readonly cluster: string;
  /** `10.0.1.10:1883`, `[::1]:1883` or `unix:/run/x.sock`. */
  readonly address: string;
}

/** A route's place: its listener, and its name there. */
export interface RouteName {
  readonly listener: string;
  readonly name: string;
}

/** A use of a native filter: the listener or route that has it, and which of them it is. */
export interface PolicyName {
  readonly site: string;
  readonly name: string;
}

/** What the routes that found no id are counted as, all together. */
export const OTHER_ROUTES = 'other';

/** A character that no name contains. */
const SEPARATOR = '\u0000';

/** Ids and names of the process. */
export class Ids {
  readonly #board: Board;
  readonly #listeners: IdTable;
  readonly #clusters: IdTable;
  readonly #endpoints: IdTable;
  readonly #routes: IdTable;
  readonly #otherRoutes: number;
  readonly #policies: IdTable;
  readonly #otherPolicies: number;
  #isOtherUsed = false;

  constructor(board: Board, abi: NativeAbi) {
    this.#board = board;
    this.#otherRoutes = abi.http.routesMax - 1;
    this.#routes = new IdTable({
      kind: 'route',
      max: this.#otherRoutes,
      isIdle: (id) => isRouteIdle(abi, board.routeCounters(id)),
    });
    this.#otherPolicies = abi.policiesMax - 1;
    // Only adaptive limits keep what they let in.
    const active = abi.policyCounters.findIndex(({ name }) => name === 'active');
    this.#policies = new IdTable({
      kind: 'native filter',
      max: this.#otherPolicies,
      isIdle: (id) => (board.policyCounters(id)[active] ?? 0) === 0,
    });
    this.#listeners = new IdTable({
      kind: 'listener',
      max: abi.listenersMax,
      isIdle: (id) => board.listenerConnections(id) === 0,
    });
    this.#endpoints = new IdTable({
      kind: 'endpoint',
      max: abi.endpointsMax,
      isIdle: (id) => board.endpointConnections(id) === 0,
    });
    this.#clusters = new IdTable({
      kind: 'cluster',
      max: abi.clustersMax,
      isIdle: (id) => this.#isClusterIdle(id),
    });
  }

  /** @throws IdTableFullError */
  listener(name: string): number {
    const { id, isNew } = this.#listeners.intern(name);
    if (isNew) {
      this.#board.setListener(id, name);
    }
    return id;
  }

  /** @throws IdTableFullError */
  cluster(name: string): number {
    const { id, isNew } = this.#clusters.intern(name);
    if (isNew) {
      this.#board.setCluster(id, name);
    }
    return id;
  }

  /** @throws IdTableFullError */
  endpoint({ cluster, address }: EndpointName): number {
    const { id, isNew } = this.#endpoints.intern(cluster + SEPARATOR + address);
    if (isNew) {
      this.#board.setEndpoint(id, address);
      this.#board.setEndpointHealthy(id, true);
    }
    return id;
  }

  /** Routes for which there is no id left share one. @throws IdTableFullError */
  route({ listener, name }: RouteName): number {
    this.#board.setHttp(this.listener(listener));
    try {
      const { id, isNew } = this.#routes.intern(listener + SEPARATOR + name);
      if (isNew) {
        this.#board.setRoute(id, name);
      }
      return id;
    } catch (error) {
      if (!(error instanceof IdTableFullError)) {
        throw error;
      }
      this.#board.setRoute(this.#otherRoutes, OTHER_ROUTES);
      this.#isOtherUsed = true;
      return this.#otherRoutes;
    }
  }

  /** Uses of native filters for which there is no id left share one. */
  policy({ site, name }: PolicyName): number {
    try {
      const { id, isNew } = this.#policies.intern(site + SEPARATOR + name);
      if (isNew) {
        this.#board.setPolicy(id);
      }
      return id;
    } catch (error) {
      if (!(error instanceof IdTableFullError)) {
        throw error;
      }
      return this.#otherPolicies;
    }
  }

  findListener(name: string): number | undefined {
    return this.#listeners.find(name);
  }

  findCluster(name: string): number | undefined {
    return this.#clusters.find(name);
  }

  findEndpoint({ cluster, address }: EndpointName): number | undefined {
    return this.#endpoints.find(cluster + SEPARATOR + address);
  }

  listenerName(id: number): string | null {
    return this.#listeners.keyOf(id) ?? null;
  }

  clusterName(id: number): string | null {
    return this.#clusters.keyOf(id) ?? null;
  }

  endpointName(id: number): EndpointName | null {
    const key = this.#endpoints.keyOf(id);
    return key === undefined ? null : splitEndpointKey(key);
  }

  routeName(id: number): RouteName | null {
    if (id === this.#otherRoutes) {
      return { listener: '', name: OTHER_ROUTES };
    }
    const key = this.#routes.keyOf(id);
    return key === undefined ? null : splitRouteKey(key);
  }

  /** Routes in use, and removed ones that still have requests; what shares an id comes last. */
  *routes(): Generator<RouteName & { readonly id: number }> {
    for (const [key, id] of this.#routes.entries()) {
      yield { ...splitRouteKey(key), id };
    }
    if (this.#isOtherUsed) {
      yield { listener: '', name: OTHER_ROUTES, id: this.#otherRoutes };
    }
  }

  /** Clusters in use, and removed ones that still have connections. */
  *clusters(): Generator<{ readonly name: string; readonly id: number }> {
    for (const [name, id] of this.#clusters.entries()) {
      yield { name, id };
    }
  }

  /** Listeners in use, and removed ones that still have connections. */
  *listeners(): Generator<{ readonly name: string; readonly id: number }> {
    for (const [name, id] of this.#listeners.entries()) {
      yield { name, id };
    }
  }

  /** Endpoints in use, and removed ones that still have connections. */
  *endpoints(): Generator<EndpointName & { readonly id: number }> {
    for (const [key, id] of this.#endpoints.entries()) {
      yield { ...splitEndpointKey(key), id };
    }
  }

  /** Uses of native filters that are in use. */
  *policies(): Generator<PolicyName & { readonly id: number }> {
    for (const [key, id] of this.#policies.entries()) {
      const [site = '', name = ''] = key.split(SEPARATOR);
      yield { site, name, id };
    }
  }

  /** Says what the snapshots in use name; everything else is retired. */
  retain(inUse: {
    readonly listeners: readonly string[];
    readonly clusters: readonly string[];
    readonly endpoints: readonly EndpointName[];
    readonly routes: readonly RouteName[];
    readonly policies?: readonly PolicyName[];
  }): void {
    this.#listeners.retain(new Set(inUse.listeners));
    this.#clusters.retain(new Set(inUse.clusters));
    this.#endpoints.retain(
      new Set(inUse.endpoints.map(({ cluster, address }) => cluster + SEPARATOR + address)),
    );
    this.#routes.retain(
      new Set(inUse.routes.map(({ listener, name }) => listener + SEPARATOR + name)),
    );
    this.#policies.retain(
      new Set((inUse.policies ?? []).map(({ site, name }) => site + SEPARATOR + name)),
    );
  }

  #isClusterIdle(id: number): boolean {
    // A part of a cluster is called `name{label=value}` and has no endpoints of its own.
    const name = this.#clusters.keyOf(id)?.split('{')[0];
    for (const endpoint of this.endpoints()) {
      if (endpoint.cluster === name && this.#board.endpointConnections(endpoint.id) > 0) {
        return false;
      }
    }
    return true;
  }
}

function splitEndpointKey(key: string): EndpointName {
  const [cluster = '', address = ''] = key.split(SEPARATOR);
  return { cluster, address };
}

function splitRouteKey(key: string): RouteName {
  const [listener = '', name = ''] = key.split(SEPARATOR);
  return { listener, name };
}

/** Every request has ended, and no WebSocket lives. */
function isRouteIdle({ http }: NativeAbi, values: readonly number[]): boolean {
  const of = (name: string): number => values[http.routeCounters.indexOf(name)] ?? 0;
  const ended = http.routeCounters
    .filter((name) => name.startsWith('responses') || name === 'unanswered')
    .reduce((sum, name) => sum + of(name), 0);
  return of('requests') <= ended && of('webSocketsActive') === 0;
}
