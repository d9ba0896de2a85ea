/**
 * Filters of a gateway, as far as one without filters needs them: not at all.
 *
 * Path: gateway.ts composes it; snapshot/ asks it for layouts and steps, the supervisor tells it
 * what becomes of shards.
 * Invariant: src/main/filters is loaded when a configuration first names a filter, and not before.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Native, PolicyInput } from '../../native/epoll/index.ts';
import type { FilterPlan, Program } from '../shard/filters/index.ts';
import type { Config } from './config/index.ts';
import type { CheckedModules, FilterControl, SteeringKind, SteeringView } from './filters/index.ts';
import { GatewaySteering, type SteeringSources } from './gateway-steering.ts';
import type { Family, Log } from './observe/index.ts';
import type { ShardFollower, ShardLink, ShardNews, SharedSnapshot } from './shards/index.ts';
import {
  type FilterLayout,
  type FilterSteps,
  filterBase,
  listFilterSites,
  NO_FILTERS,
  type Steered,
} from './snapshot/index.ts';

/** What they need of the gateway. */
export interface GatewayFiltersOptions {
  readonly links: () => readonly ShardLink[];
  readonly log: Log;
  /** Modules that the loader of the configuration has checked; null: none so far. */
  readonly modules: () => CheckedModules | null;
  readonly native: Pick<Native, 'checkPolicies' | 'abi'>;
  /** What balancers see of the running gateway; not asked before it runs. */
  readonly sources: () => SteeringSources;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The filters of a gateway. */
export class GatewayFilters implements ShardFollower, FilterSteps {
  readonly #options: GatewayFiltersOptions;
  readonly #steering: GatewaySteering;
  #control: FilterControl | null = null;
  #modules: CheckedModules | null = null;

  constructor(options: GatewayFiltersOptions) {
    this.#options = options;
    this.#steering = new GatewaySteering({
      log: options.log,
      modules: () => this.#loadModules(),
      sources: options.sources,
      endpointsMax: options.native.abi.endpointsMax,
    });
  }

  /**
   * What the filters, balancers and discoveries of a configuration become. Rejects with a sentence
   * for each finding.
   */
  async plan(config: Config): Promise<FilterLayout> {
    const steering = await this.#steering.plan(config);
    const layout = await this.#planFilters(config);
    const files = new Map([
      ...layout.files,
      ...steering.flatMap(({ program }) => filesOf(program)),
    ]);
    return { ...layout, steering, files };
  }

  async #planFilters(config: Config): Promise<FilterLayout> {
    const sites = listFilterSites(config);
    if (sites.length === 0 && this.#control === null) return NO_FILTERS;
    const control = await this.#load();
    const planned = await control.plan(sites, filterBase(config));
    const { plan, chainOf, policiesOf, findings } = planned;
    if (plan === null) {
      const { FilterRefusal, describeFinding } = await import('./filters/index.ts');
      throw new FilterRefusal(findings.map(describeFinding).join('; '));
    }
    return { plan, chainOf, policiesOf, steering: [], files: hashFiles(plan, planned.files) };
  }

  async prepare(layout: FilterLayout): Promise<void> {
    if (layout.plan !== null) await this.#control?.prepare(layout.plan);
    await this.#steering.prepare(layout.steering);
  }

  async settle(layout: FilterLayout): Promise<void> {
    await this.#control?.settle(layout.plan);
    this.#steering.settle(layout.steering);
  }

  steer(layout: FilterLayout, cluster: string): Steered {
    return this.#steering.steer(layout.steering, cluster);
  }

  /** What operators see of a cluster's balancer or discovery; null: it has none. */
  steering(cluster: string, kind: SteeringKind): SteeringView | null {
    return this.#steering.view(cluster, kind);
  }

  async ready(link: ShardLink, snapshot: SharedSnapshot): Promise<void> {
    await this.#control?.ensure(link, snapshot.filters);
  }

  news(shard: number, news: ShardNews): void {
    this.#control?.news(shard, news);
  }

  ended(shard: number): void {
    this.#control?.ended(shard);
  }

  families(): Family[] {
    return [...(this.#control?.families() ?? []), ...this.#steering.families()];
  }

  describeBusy(shard: number): string | null {
    return this.#control?.describeBusy(shard) ?? null;
  }

  async close(): Promise<void> {
    await Promise.all([this.#control?.close(), this.#steering.close()]);
  }

  async #loadModules(): Promise<CheckedModules> {
    const { CheckedModules: Modules } = await import('./filters/index.ts');
    this.#modules ??= this.#options.modules() ?? new Modules();
    return this.#modules;
  }

  async #load(): Promise<FilterControl> {
    if (this.#control !== null) return this.#control;
    const { links, log, native, env } = this.#options;
    const { FilterControl: Control } = await import('./filters/index.ts');
    const mode = env['NODE_ENV'] === 'development' ? 'development' : 'production';
    const checks = {
      modules: await this.#loadModules(),
      checkPolicies: (policies: readonly PolicyInput[]) => native.checkPolicies(policies),
    };
    this.#control ??= new Control({ links, log, mode, checks });
    return this.#control;
  }
}

function isWatched(url: string): boolean {
  return url.startsWith('file:') && !url.startsWith(new URL('../shard/', import.meta.url).href);
}

function filesOf(program: Program): [string, string][] {
  return Object.entries(program.files)
    .filter(([url]) => isWatched(url))
    .map(([url, text]) => [fileURLToPath(url), createHash('sha256').update(text).digest('hex')]);
}

function hashOf(path: string): [string, string][] {
  try {
    return [[path, createHash('sha256').update(readFileSync(path)).digest('hex')]];
  } catch {
    return [];
  }
}

/** The files of the user that a plan was made of, and those that native filters read. */
function hashFiles({ programs }: FilterPlan, read: readonly string[]): Map<string, string> {
  return new Map([...programs.flatMap(filesOf), ...read.flatMap(hashOf)]);
}
