/**
 * Makes a wanted state the running one: sockets, snapshot, limits, health checks; all of it or
 * nothing.
 *
 * Path: reload, PATCH and DNS changes -> here -> acceptor, shards, board. Runs on the main thread.
 * Invariant: one change at a time. New sockets are tried first, every shard acknowledges the new
 * snapshot, and only then do new sockets open, old ones close and limits change. A failure puts
 * everything back. No step touches an established connection: connections hold no snapshot.
 * Does not load or judge configuration.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Acceptor, Native } from '../../../native/epoll/index.ts';
import type { ListenPlan, ListenSockets, NetnsTable } from '../accept/index.ts';
import {
  balanceEndpoints,
  type DiscoveredEndpoint,
  type DnsQuery,
  type DnsTable,
  EMPTY_OVERLAY,
  type HealthChecks,
  listDnsQueries,
  type Overlay,
  type ResolvedEndpoint,
  resolveEndpoints,
} from '../clusters/index.ts';
import type { Config } from '../config/index.ts';
import type { Ids } from '../model/index.ts';
import type { Log } from '../observe/index.ts';
import { SerialLock, type ShardSupervisor, SharedSnapshot } from '../shards/index.ts';
import type { TicketKeys, TlsMaterial } from '../tls/index.ts';
import { compileLimits, compileSnapshotInput } from './compile.ts';
import { listClusterNames } from './compile-cluster.ts';
import { type FilterLayout, listPolicies } from './filter-layout.ts';
import { listHealthTargets } from './health-targets.ts';

/** How long a change waits for names that were not known before. */
export const FIRST_RESOLUTION_WAIT_MS = 2_000;
/** Changes of resolved endpoints are gathered for this long. */
export const REFRESH_DELAY_MS = 100;
/** How long to wait before a refresh that failed is tried again. */
const REFRESH_RETRY_MS = 1_000;

/** What should run. */
export interface Desired {
  readonly config: Config;
  /** What the files of TLS hold. Secret. */
  readonly material: TlsMaterial;
  /** Run-time changes of clusters, by name. */
  readonly overlays: ReadonlyMap<string, Overlay>;
  /** Planned, and not more than that. */
  readonly filters: FilterLayout;
}

/** What runs. */
export interface Applied extends Desired {
  /** Resolved endpoints of each cluster, by name. */
  readonly endpoints: ReadonlyMap<string, readonly ResolvedEndpoint[]>;
  readonly serial: number;
}

/** What a change did beyond succeeding. */
export interface ApplyReport {
  readonly applied: Applied;
  readonly warnings: readonly string[];
}

/** The steps of a change that are about filters; src/main/filters/filter-control.ts has the whole. */
export interface FilterSteps {
  /** Makes what is planned ready everywhere. Rejects when it cannot be; {@link settle} follows. */
  prepare(layout: FilterLayout): Promise<void>;
  /** This layout is what runs, everywhere. Never rejects. */
  settle(layout: FilterLayout): Promise<void>;
  /** What balancer and discovery of a cluster make, as far as they have answered. */
  steer(layout: FilterLayout, cluster: string): Steered;
}

/** What code of the user makes of a cluster. */
export interface Steered {
  /** Null: there is no discovery, or it has found nothing yet. */
  readonly discovered: readonly DiscoveredEndpoint[] | null;
  /** By address; null: there is no balancer, or it has not weighed yet. */
  readonly weights: ReadonlyMap<string, number> | null;
}

/** The parts that a change touches. */
export interface ApplierParts {
  readonly native: Pick<Native, 'compileSnapshot' | 'closeFd'>;
  readonly acceptor: Acceptor;
  readonly supervisor: ShardSupervisor;
  readonly ids: Ids;
  readonly netns: NetnsTable;
  readonly sockets: ListenSockets;
  readonly dns: DnsTable;
  readonly health: HealthChecks;
  readonly ticketKeys: TicketKeys;
  readonly filters: FilterSteps;
  readonly log: Log;
  /** How many connections the board was made for. */
  readonly boardConnectionsMax: number;
}

/** Applies changes, one at a time. */
export class Applier {
  readonly #parts: ApplierParts;
  readonly #lock = new SerialLock();
  #current: Applied | null = null;
  #serial = 0;
  #isListening = true;
  #refreshTimer: NodeJS.Timeout | null = null;
  #isClosed = false;
  /** True when shards may have another snapshot than the current state's. */
  #isRepublishDue = false;

  constructor(parts: ApplierParts) {
    this.#parts = parts;
  }

  /** What runs. Throws before the first {@link apply}. */
  get current(): Applied {
    if (this.#current === null) {
      throw new Error('nothing is applied yet');
    }
    return this.#current;
  }

  get isListening(): boolean {
    return this.#isListening;
  }

  /**
   * Applies what `plan` makes of the running state; `plan` sees the state that every earlier change
   * left. Rejects with ListenError, ShardCallError, IdTableFullError, FilterRefusal or what `plan`
   * throws, and then nothing has changed.
   */
  apply(plan: (current: Applied | null) => Desired | Promise<Desired>): Promise<ApplyReport> {
    return this.#lock.run(async () => this.#apply(await plan(this.#current)));
  }

  /** Publishes the running state again soon, with the endpoints that names have by then. */
  refresh(delayMs: number = REFRESH_DELAY_MS): void {
    if (this.#refreshTimer !== null || this.#isClosed) {
      return;
    }
    this.#refreshTimer = setTimeout(() => {
      this.#refreshTimer = null;
      void this.#refreshNow();
    }, delayMs);
    this.#refreshTimer.unref();
  }

  /** Publishes the running state again soon, whether it looks changed or not. */
  republish(): void {
    this.#isRepublishDue = true;
    this.refresh(0);
  }

  /** Closes every listening socket; established connections stay. */
  stopListening(): Promise<void> {
    return this.#lock.run(async () => {
      this.#isListening = false;
      this.#parts.sockets.closeAll();
      await Promise.resolve();
    });
  }

  /** Opens the listening sockets again. Rejects with ListenError. */
  resumeListening(): Promise<void> {
    return this.#lock.run(async () => {
      const plan = await this.#parts.sockets.prepare(this.current.config.listeners);
      plan.commit();
      this.#isListening = true;
    });
  }

  /** Waits for the change under way and makes no further ones by itself. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#refreshTimer !== null) {
      clearTimeout(this.#refreshTimer);
    }
    await this.#lock.run(() => Promise.resolve());
  }

  async #refreshNow(): Promise<void> {
    if (this.#isClosed || this.#current === null) {
      return;
    }
    const { endpoints } = this.#resolve(this.#current);
    if (!this.#isRepublishDue && isDeepStrictEqual(endpoints, this.#current.endpoints)) {
      return;
    }
    try {
      const before = withoutWeights(this.#current.endpoints);
      const isDue = this.#isRepublishDue;
      const { applied } = await this.apply((current) => current ?? this.current);
      // Weights may change all the time.
      const isNews = !isDeepStrictEqual(before, withoutWeights(applied.endpoints));
      const level = isNews || isDue ? 'info' : 'debug';
      this.#parts.log[level]({ snapshot: applied.serial }, 'endpoints or ticket keys changed');
    } catch (error) {
      this.#parts.log.error({ err: error }, 'a change could not be applied; trying again');
      this.refresh(REFRESH_RETRY_MS);
    }
  }

  async #apply(desired: Desired): Promise<ApplyReport> {
    const { netns, dns, sockets, filters } = this.#parts;
    let plan: ListenPlan | null = null;
    let isShipped = false;
    try {
      for (const { name, netns: namespace } of desired.config.listeners) {
        netns.open(namespace, `listener "${name}"`);
      }
      for (const { name, netns: namespace } of desired.config.clusters) {
        netns.open(namespace, `cluster "${name}"`);
      }
      plan = this.#isListening ? await sockets.prepare(desired.config.listeners) : null;
      await dns.add(desired.config.clusters.flatMap(listDnsQueries), FIRST_RESOLUTION_WAIT_MS);
      await filters.prepare(desired.filters);
      const { endpoints, warnings } = this.#resolve(desired);
      const applied: Applied = { ...desired, endpoints, serial: ++this.#serial };
      await this.#publish(applied);
      isShipped = true;
      this.#commit(applied, plan);
      await filters.settle(applied.filters);
      return { applied, warnings };
    } catch (error) {
      await this.#putBack(isShipped);
      throw error;
    }
  }

  #resolve(desired: Desired): Pick<Applied, 'endpoints'> & { warnings: string[] } {
    const endpoints = new Map<string, readonly ResolvedEndpoint[]>();
    const warnings: string[] = [];
    for (const cluster of desired.config.clusters) {
      const overlay = desired.overlays.get(cluster.name) ?? EMPTY_OVERLAY;
      const { discovered, weights } = this.#parts.filters.steer(desired.filters, cluster.name);
      const addressesOf = (query: DnsQuery): readonly string[] | null =>
        this.#parts.dns.addresses(query);
      const found = resolveEndpoints(cluster, overlay, addressesOf, discovered);
      const balanced =
        weights === null ? found.endpoints : balanceEndpoints(found.endpoints, weights);
      endpoints.set(cluster.name, balanced);
      if (cluster.discovery !== null && discovered === null) {
        warnings.push(`cluster "${cluster.name}": its discovery has found nothing yet`);
      }
      for (const host of found.unresolved) {
        warnings.push(`cluster "${cluster.name}": ${host} does not resolve yet`);
      }
    }
    return { endpoints, warnings };
  }

  async #publish(applied: Applied): Promise<void> {
    const { native, supervisor, ids, netns, ticketKeys } = this.#parts;
    const input = compileSnapshotInput({
      config: applied.config,
      material: applied.material,
      ticketKeys: ticketKeys.keys(),
      endpoints: applied.endpoints,
      ids,
      filters: applied.filters,
      netnsFd: (name) => netns.fdOf(name),
      serial: applied.serial,
    });
    const snapshot = new SharedSnapshot(
      native.compileSnapshot(input),
      applied.serial,
      (fd) => native.closeFd(fd),
      applied.filters.plan,
    );
    try {
      await supervisor.publish(snapshot);
    } finally {
      snapshot.release();
    }
  }

  #commit(applied: Applied, plan: ListenPlan | null): void {
    const { acceptor, ids, boardConnectionsMax } = this.#parts;
    plan?.commit();
    for (const listener of applied.config.listeners) {
      acceptor.setLimits(ids.listener(listener.name), compileLimits(listener));
    }
    acceptor.setConnectionsMax(Math.min(applied.config.limits.connections, boardConnectionsMax));
    acceptor.setDistribution(applied.config.distribution);
    this.#current = applied;
    this.#isRepublishDue = false;
    this.#retain(applied);
    this.#parts.health.configure(listHealthTargets(applied, this.#parts));
  }

  /** After a failure: what only the new state needed is let go, and shards get the former snapshot. */
  async #putBack(isShipped: boolean): Promise<void> {
    const current = this.#current;
    if (current === null) {
      return;
    }
    this.#retain(current);
    if (isShipped) {
      try {
        await this.#publish({ ...current, serial: ++this.#serial });
      } catch (error) {
        this.#parts.log.error({ err: error }, 'the former snapshot could not be put back yet');
        this.#isRepublishDue = true;
        this.refresh(REFRESH_RETRY_MS);
      }
    }
    await this.#parts.filters.settle(current.filters);
  }

  #retain(applied: Applied): void {
    const { ids, netns, dns } = this.#parts;
    const { listeners, clusters } = applied.config;
    ids.retain({
      listeners: listeners.map(({ name }) => name),
      clusters: listClusterNames(applied.config),
      endpoints: [...applied.endpoints].flatMap(([cluster, endpoints]) =>
        endpoints.map(({ text }) => ({ cluster, address: text })),
      ),
      policies: listPolicies(applied.filters),
      routes: listeners.flatMap(({ name: listener, http }) =>
        (http?.hosts ?? []).flatMap(({ routes }) => routes.map(({ name }) => ({ listener, name }))),
      ),
    });
    netns.retain(
      new Set(
        [...listeners, ...clusters].flatMap((item) => (item.netns === null ? [] : item.netns)),
      ),
    );
    dns.retain(clusters.flatMap(listDnsQueries));
  }
}

/** Endpoints without what balancers made of them. */
function withoutWeights(endpoints: Applied['endpoints']): unknown {
  return [...endpoints].map(([name, list]) => [
    name,
    list.map(({ balanced: _balanced, ...endpoint }) => endpoint),
  ]);
}
