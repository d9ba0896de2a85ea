/**
 * Runs the `weigh` of one cluster's balancer: when endpoints change, and every interval.
 *
 * Path: worker.ts makes one for each cluster with a balancer of its own.
 * Invariant: only weights that make sense leave here; after a failure the last ones hold. The loads
 * that are weighed are never older than the question for them.
 */
import { readDuration } from '../../../sdk/definition/index.ts';
import { type LoadBalancer, WEIGHT_MAX, type WeighedEndpoint } from '../../../sdk/index.ts';
import type { WeightsByAddress } from './protocol.ts';

/** A shorter interval counts as this. */
export const INTERVAL_MS_MIN = 100;

/** Weights that were checked. @throws TypeError with one sentence */
export function checkWeights(weights: unknown, count: number): number[] {
  if (!Array.isArray(weights) || weights.length !== count) {
    const found = Array.isArray(weights) ? `${weights.length} weights` : typeof weights;
    throw new TypeError(`it returned ${found} for ${count} endpoints`);
  }
  return Array.from(weights, (weight: unknown) => {
    if (typeof weight !== 'number' || !(weight >= 0 && weight <= WEIGHT_MAX)) {
      throw new TypeError(
        `it returned the weight ${String(weight)}; 0 to ${WEIGHT_MAX} make sense`,
      );
    }
    return weight;
  });
}

/** What a balancer at work tells. */
export interface BalancerEvents {
  /** Null: the same weights as before. */
  readonly weights: (weights: WeightsByAddress | null) => void;
  readonly fault: (message: string) => void;
  /** It is time to weigh: {@link BalancerRun.update} with what holds now. */
  readonly ask: () => void;
}

/** One balancer at work. */
export class BalancerRun {
  readonly #balancer: LoadBalancer<unknown>;
  readonly #config: unknown;
  readonly #on: BalancerEvents;
  readonly #timer: NodeJS.Timeout | null;
  #last = '';

  constructor(balancer: LoadBalancer<unknown>, config: unknown, on: BalancerEvents) {
    this.#balancer = balancer;
    this.#config = config;
    this.#on = on;
    const interval = readDuration(balancer.interval);
    this.#timer =
      interval === null ? null : setInterval(on.ask, Math.max(interval, INTERVAL_MS_MIN));
    this.#timer?.unref();
  }

  /** Weighs these. */
  update(endpoints: readonly WeighedEndpoint[]): void {
    if (endpoints.length === 0) return;
    const addresses = endpoints.map(({ address }) => address);
    try {
      const weights = this.#balancer.weigh(endpoints, this.#config);
      const pairs = checkWeights(weights, addresses.length).map(
        (weight, i) => [addresses[i] ?? '', weight] as const,
      );
      const text = JSON.stringify(pairs);
      const isSame = text === this.#last;
      this.#last = text;
      this.#on.weights(isSame ? null : new Map(pairs));
    } catch (error) {
      this.#on.fault(error instanceof Error ? error.message : String(error));
    }
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }
}
