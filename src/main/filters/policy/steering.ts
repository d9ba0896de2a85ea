/**
 * Steering: what balancers and discoveries of users say, as the rest of the gateway asks for it.
 *
 * Path: src/main/gateway-steering.ts makes one when a cluster first has such code; snapshot/apply.ts
 * resolves endpoints with what it knows, and is told when that changed.
 * Invariant: the last good list and the last good weights hold, whatever becomes of the code and
 * its thread. New uses run beside those that live until a change is settled; a change that fails
 * leaves the live ones as they were. At most one change in CHANGES_GAP_MS is announced.
 */
import { isDeepStrictEqual } from 'node:util';
import type { WeighedEndpoint } from '../../../sdk/index.ts';
import type { DiscoveredEndpoint } from '../../clusters/index.ts';
import type { Family, Log } from '../../observe/index.ts';
import { type PolicyEvents, type PolicyPatience, PolicyThread } from './policy-thread.ts';
import type { PolicyUse, SteeringKind, WeightsByAddress } from './protocol.ts';
import { steeringFamilies } from './steering-metrics.ts';
import { SteeringRun, type SteeringView } from './steering-run.ts';

/** How long a change waits for the first answers of new discoveries. */
export const FIRST_LIST_WAIT_MS = 2000;
/** Changes of lists and weights are announced so far apart at least. */
export const CHANGES_GAP_MS = 500;
/** How often health and lists of endpoints with a balancer are looked at. */
const LOOK_MS = 250;

/** What steering needs of the gateway. */
export interface SteeringOptions {
  readonly log: Log;
  /** Endpoints of a cluster as its balancer sees them. */
  readonly weighed: (cluster: string) => readonly WeighedEndpoint[];
  /** Something changed: endpoints are to be resolved again. */
  readonly onChange: () => void;
  /** Endpoints of all discoveries together. */
  readonly endpointsMax: number;
  readonly nowMs: () => number;
  readonly patience?: PolicyPatience;
}

/** What a balancer is told when it changes; the load changes all the time. */
function withoutLoad(endpoints: readonly WeighedEndpoint[]): unknown {
  return endpoints.map(({ active: _active, ...endpoint }) => endpoint);
}

/** Balancers and discoveries of all clusters. */
export class Steering {
  readonly #options: SteeringOptions;
  readonly #thread: PolicyThread;
  /** Those that live, and those that a change under way brings. */
  readonly #runs = new Map<string, SteeringRun>();
  readonly #told = new Map<string, unknown>();
  #live: readonly PolicyUse[] = [];
  #restarts = 0;
  #lookTimer: NodeJS.Timeout | null = null;
  #announceTimer: NodeJS.Timeout | null = null;
  #announcedMs = -Infinity;

  constructor(options: SteeringOptions) {
    this.#options = options;
    const events: PolicyEvents = {
      weights: (id, weights) => this.#onWeights(id, weights),
      found: (id, endpoints) => this.#onFound(id, endpoints),
      fault: (id, message) => this.#onFault(id, message),
      ask: (cluster) => {
        // Before it lives there is nothing to weigh.
        if (this.#runOf(this.#live, cluster, 'balancer') !== undefined) this.#tell(cluster);
      },
      lost: (why) => this.#onLost(why),
    };
    this.#thread = new PolicyThread(events, options.patience);
  }

  /** Starts what is new, and waits for first lists, for at most FIRST_LIST_WAIT_MS. */
  async prepare(uses: readonly PolicyUse[]): Promise<void> {
    const fresh = uses.filter(({ id }) => !this.#runs.has(id));
    if (fresh.length === 0) return;
    for (const use of fresh) {
      const former = this.#runOf(this.#live, use.cluster, use.kind);
      this.#runs.set(use.id, new SteeringRun(use, former, this.#options.nowMs()));
    }
    this.#thread.apply([...this.#live, ...fresh]);
    const firsts = fresh
      .filter(({ kind }) => kind === 'discovery')
      .map(({ id }) => this.#runs.get(id)?.first.promise ?? Promise.resolve());
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, FIRST_LIST_WAIT_MS);
    });
    await Promise.race([Promise.all(firsts), patience]);
    clearTimeout(timer);
  }

  /** These live from now on, and no others. */
  settle(uses: readonly PolicyUse[]): void {
    const wanted = new Set(uses.map(({ id }) => id));
    const isSame = wanted.size === this.#runs.size && uses.every(({ id }) => this.#runs.has(id));
    this.#live = uses;
    if (!isSame) {
      for (const id of this.#runs.keys()) if (!wanted.has(id)) this.#runs.delete(id);
      this.#thread.apply(uses);
    }
    const balanced = new Set(uses.filter(({ kind }) => kind === 'balancer').map(clusterOf));
    for (const cluster of this.#told.keys()) if (!balanced.has(cluster)) this.#told.delete(cluster);
    this.#keepLooking(balanced.size > 0);
    this.#look();
  }

  /** The list of a cluster's discovery; null: there is none yet. */
  discovered(uses: readonly PolicyUse[], cluster: string): readonly DiscoveredEndpoint[] | null {
    return this.#runOf(uses, cluster, 'discovery')?.discovered ?? null;
  }

  /** The weights of a cluster's balancer; null: there are none yet. */
  weights(uses: readonly PolicyUse[], cluster: string): WeightsByAddress | null {
    return this.#runOf(uses, cluster, 'balancer')?.weights ?? null;
  }

  /** What operators see of a cluster's balancer or discovery; null: it has none. */
  view(cluster: string, kind: SteeringKind): SteeringView | null {
    return this.#runOf(this.#live, cluster, kind)?.view(this.#options.nowMs()) ?? null;
  }

  families(): Family[] {
    const rows = this.#live.flatMap(({ id, cluster, kind }) => {
      const view = this.#runs.get(id)?.view(this.#options.nowMs());
      return view === undefined ? [] : [{ cluster, kind, view }];
    });
    return steeringFamilies(rows, this.#restarts);
  }

  async close(): Promise<void> {
    this.#keepLooking(false);
    if (this.#announceTimer !== null) clearTimeout(this.#announceTimer);
    await this.#thread.close();
  }

  #runOf(uses: readonly PolicyUse[], cluster: string, kind: SteeringKind): SteeringRun | undefined {
    const use = uses.find((one) => one.cluster === cluster && one.kind === kind);
    return use === undefined ? undefined : this.#runs.get(use.id);
  }

  #onWeights(id: string, weights: WeightsByAddress | null): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    run.noteGood(this.#options.nowMs());
    if (weights === null) return;
    run.weigh(weights);
    const { cluster, name } = run.use;
    this.#options.log.debug(
      { cluster, balancer: name, weights: Object.fromEntries(weights) },
      'a balancer changed weights',
    );
    this.#announce();
  }

  #onFound(id: string, endpoints: Parameters<PolicyEvents['found']>[1]): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    const { log, endpointsMax, nowMs } = this.#options;
    const count = endpoints?.length ?? 0;
    const others = this.#live.filter(({ cluster }) => cluster !== run.use.cluster);
    const taken = others.reduce((sum, use) => sum + (this.#discoveredBy(use)?.length ?? 0), 0);
    if (taken + count > endpointsMax) {
      const message = `it yielded ${count} endpoints; with those of other clusters that is more than ${endpointsMax}`;
      this.#onFault(id, message);
      return;
    }
    run.noteGood(nowMs());
    if (endpoints === null) return;
    run.find(endpoints);
    const { cluster, name } = run.use;
    const level = run.isChangeSaid(nowMs()) ? 'info' : 'debug';
    log[level]({ cluster, discovery: name, endpoints: count }, 'a discovery found endpoints');
    this.#announce();
  }

  #discoveredBy({ id }: PolicyUse): readonly DiscoveredEndpoint[] | null {
    return this.#runs.get(id)?.discovered ?? null;
  }

  #onFault(id: string, message: string): void {
    const run = this.#runs.get(id);
    if (run === undefined || !run.noteFault(message, this.#options.nowMs())) return;
    const { cluster, kind, name, specifier } = run.use;
    const kept = kind === 'balancer' ? 'weights' : 'endpoints';
    this.#options.log.warn(
      { cluster, [kind]: name, use: specifier, err: message },
      `a ${kind} failed; its last ${kept} hold`,
    );
  }

  #onLost(why: string): void {
    this.#restarts++;
    const uses = [...this.#runs.values()].map(
      ({ use }) => `${use.kind} "${use.name}" of ${use.cluster}`,
    );
    this.#options.log.error(
      { err: why, uses },
      'the policy thread is started again; the last endpoints and weights hold',
    );
  }

  /** Tells a balancer what to weigh. */
  #tell(cluster: string): void {
    const endpoints = this.#options.weighed(cluster);
    this.#told.set(cluster, withoutLoad(endpoints));
    this.#thread.update(cluster, endpoints);
  }

  #look(): void {
    for (const { cluster, kind } of this.#live) {
      if (kind !== 'balancer') continue;
      const now = withoutLoad(this.#options.weighed(cluster));
      if (!isDeepStrictEqual(now, this.#told.get(cluster))) this.#tell(cluster);
    }
  }

  #keepLooking(isWanted: boolean): void {
    if (isWanted) {
      this.#lookTimer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    } else if (this.#lookTimer !== null) {
      clearInterval(this.#lookTimer);
      this.#lookTimer = null;
    }
  }

  #announce(): void {
    if (this.#announceTimer !== null) return;
    const { nowMs, onChange } = this.#options;
    const waitMs = Math.max(0, this.#announcedMs + CHANGES_GAP_MS - nowMs());
    this.#announceTimer = setTimeout(() => {
      this.#announceTimer = null;
      this.#announcedMs = nowMs();
      onChange();
    }, waitMs).unref();
  }
}

function clusterOf({ cluster }: PolicyUse): string {
  return cluster;
}
