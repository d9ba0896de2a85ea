/**
 * The names of everything the core counts: listeners, clusters, endpoints.
 *
 * Path: snapshot/compile.ts asks for ids; admin and metrics ask for the names behind them.
 * Invariant: a row of the board is set up before any snapshot names its id.
 */
import type { Board, NativeAbi } from '../../../native/epoll/index.ts';
import { IdTable } from './id-table.ts';

/** An endpoint's place: its cluster and its address as people write it. */
export interface EndpointName {
  readonly cluster: string;
  /** `10.0.1.10:1883`, `[::1]:1883` or `unix:/run/x.sock`. */
  readonly address: string;
}

/** A character that no name contains. */
const SEPARATOR = '\u0000';

/** Ids and names of the process. */
export class Ids {
  readonly #board: Board;
  readonly #listeners: IdTable;
  readonly #clusters: IdTable;
  readonly #endpoints: IdTable;

  constructor(board: Board, abi: NativeAbi) {
    this.#board = board;
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

  /** Says what the snapshots in use name; everything else is retired. */
  retain(inUse: {
    readonly listeners: readonly string[];
    readonly clusters: readonly string[];
    readonly endpoints: readonly EndpointName[];
  }): void {
    this.#listeners.retain(new Set(inUse.listeners));
    this.#clusters.retain(new Set(inUse.clusters));
    this.#endpoints.retain(
      new Set(inUse.endpoints.map(({ cluster, address }) => cluster + SEPARATOR + address)),
    );
  }

  #isClusterIdle(id: number): boolean {
    const name = this.#clusters.keyOf(id);
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
