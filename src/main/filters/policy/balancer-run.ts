/**
 * Runs the `weigh` of one cluster's balancer: when endpoints change, and every interval.
 *
 * Path: worker.ts makes one for each cluster with a balancer of its own.
 * Invariant: only weights that make sense leave here; after a failure the last ones hold.
 */
import { readDuration } from '../../../sdk/definition/index.ts';
import { type LoadBalancer, WEIGHT_MAX, type WeighedEndpoint } from '../../../sdk/index.ts';

/** Weights that were checked. @throws TypeError with one sentence */
export function checkWeights(weights: unknown, count: number): number[] {
  if (!Array.isArray(weights) || weights.length !== count) {
    const found = Array.isArray(weights) ? `${weights.length} weights` : typeof weights;
    throw new TypeError(`it returned ${found} for ${count} endpoints`);
  }
  return weights.map((weight: unknown) => {
    if (typeof weight !== 'number' || !(weight >= 0 && weight <= WEIGHT_MAX)) {
      throw new TypeError(
        `it returned the weight ${String(weight)}; 0 to ${WEIGHT_MAX} make sense`,
      );
    }
    return Math.round(weight);
  });
}

/** One balancer at work. */
export class BalancerRun {
  readonly #balancer: LoadBalancer<unknown>;
  readonly #config: unknown;
  readonly #onWeights: (weights: readonly number[]) => void;
  readonly #onFault: (message: string) => void;
  readonly #timer: NodeJS.Timeout | null;
  #endpoints: readonly WeighedEndpoint[] = [];
  #last = '';

  constructor(
    balancer: LoadBalancer<unknown>,
    config: unknown,
    on: {
      readonly weights: (weights: readonly number[]) => void;
      readonly fault: (message: string) => void;
    },
  ) {
    this.#balancer = balancer;
    this.#config = config;
    this.#onWeights = on.weights;
    this.#onFault = on.fault;
    const interval = readDuration(balancer.interval);
    this.#timer = interval === null ? null : setInterval(() => this.#weigh(), interval);
    this.#timer?.unref();
  }

  /** The endpoints, their health or their load changed. */
  update(endpoints: readonly WeighedEndpoint[]): void {
    const isSameList = endpoints.length === this.#endpoints.length;
    this.#endpoints = endpoints;
    if (!isSameList) this.#last = '';
    this.#weigh();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #weigh(): void {
    if (this.#endpoints.length === 0) return;
    try {
      const weights = this.#balancer.weigh(this.#endpoints, this.#config);
      const checked = checkWeights(weights, this.#endpoints.length);
      const text = checked.join();
      if (text === this.#last) return;
      this.#last = text;
      this.#onWeights(checked);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#onFault(`balancer "${this.#balancer.name}": ${reason}`);
    }
  }
}
