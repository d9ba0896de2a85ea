/**
 * Balancers and discoveries of a gateway, as far as one without them needs them: not at all.
 *
 * Path: gateway-filters.ts asks it for each step of a change that is about them; the admin API and
 * the metrics page for what they did.
 * Invariant: src/main/filters is loaded when a configuration first names filters or such code.
 */
import type { Board } from '../../native/epoll/index.ts';
import type { WeighedEndpoint } from '../sdk/index.ts';
import type { HealthChecks } from './clusters/index.ts';
import type { Config } from './config/index.ts';
import type {
  CheckedModules,
  PolicyUse,
  Steering,
  SteeringKind,
  SteeringView,
} from './filters/index.ts';
import type { Ids } from './model/index.ts';
import type { Family, Log } from './observe/index.ts';
import { type Applied, filterBase, listSteeringSites, type Steered } from './snapshot/index.ts';

/** What is known of endpoints, of which balancers see a part. */
export interface SteeringSources {
  readonly board: Pick<Board, 'endpointConnections' | 'endpointEjectedMs'>;
  readonly ids: Pick<Ids, 'findEndpoint'>;
  readonly health: Pick<HealthChecks, 'view'>;
  readonly current: () => Pick<Applied, 'endpoints'>;
  /** Resolves endpoints again, soon. */
  readonly refresh: () => void;
}

/** What it needs of the gateway. */
export interface GatewaySteeringOptions {
  readonly log: Log;
  readonly modules: () => Promise<CheckedModules>;
  readonly sources: () => SteeringSources;
  /** Of all clusters together. */
  readonly endpointsMax: number;
}

/** Endpoints as a balancer sees them; those that an operator drains are none of its business. */
export function weighedEndpoints(
  { board, ids, health, current }: SteeringSources,
  cluster: string,
): WeighedEndpoint[] {
  return (current().endpoints.get(cluster) ?? [])
    .filter(({ isDraining }) => !isDraining)
    .map(({ text, weight, labels }) => {
      const id = ids.findEndpoint({ cluster, address: text });
      const isChecked = id === undefined || health.view(id)?.isHealthy !== false;
      const isHealthy = isChecked && (id === undefined || board.endpointEjectedMs(id) === 0);
      const active = id === undefined ? 0 : board.endpointConnections(id);
      return { address: text, weight, labels, isHealthy, active };
    });
}

/** Balancers and discoveries of a gateway. */
export class GatewaySteering {
  readonly #options: GatewaySteeringOptions;
  #steering: Steering | null = null;

  constructor(options: GatewaySteeringOptions) {
    this.#options = options;
  }

  /** What a configuration names. Rejects with a sentence for each finding. */
  async plan(config: Config): Promise<readonly PolicyUse[]> {
    const sites = listSteeringSites(config);
    if (sites.length === 0) return [];
    const { planSteering, FilterRefusal, describeFinding } = await import('./filters/index.ts');
    const modules = await this.#options.modules();
    const checks = { modules, checkPolicies: () => [] };
    const { uses, findings } = await planSteering(sites, filterBase(config), checks);
    if (findings.length > 0) throw new FilterRefusal(findings.map(describeFinding).join('; '));
    return uses;
  }

  async prepare(uses: readonly PolicyUse[]): Promise<void> {
    if (uses.length > 0) await (await this.#load()).prepare(uses);
  }

  settle(uses: readonly PolicyUse[]): void {
    this.#steering?.settle(uses);
  }

  steer(uses: readonly PolicyUse[], cluster: string): Steered {
    const steering = this.#steering;
    return {
      discovered: steering?.discovered(uses, cluster) ?? null,
      weights: steering?.weights(uses, cluster) ?? null,
    };
  }

  view(cluster: string, kind: SteeringKind): SteeringView | null {
    return this.#steering?.view(cluster, kind) ?? null;
  }

  families(): Family[] {
    return this.#steering?.families() ?? [];
  }

  async close(): Promise<void> {
    await this.#steering?.close();
  }

  async #load(): Promise<Steering> {
    if (this.#steering !== null) return this.#steering;
    const { log, sources, endpointsMax } = this.#options;
    const { Steering: Made } = await import('./filters/index.ts');
    this.#steering ??= new Made({
      log,
      weighed: (cluster) => weighedEndpoints(sources(), cluster),
      onChange: () => sources().refresh(),
      endpointsMax,
      nowMs: () => performance.now(),
    });
    return this.#steering;
  }
}
