/**
 * Balancers of your own: weights for the endpoints of a cluster, made by a function.
 *
 * Path: a thread of its own calls `weigh` when endpoints or their health change, and every
 * `interval`; the native balancer picks by the weights, so no request waits for JavaScript.
 * Invariant: a function that throws or returns nonsense changes nothing: the last weights stay.
 */

import type { ConfigSchema } from './config-schema.ts';
import { type Duration } from './duration.ts';
import { API_VERSION, type Defined } from './filter.ts';

/** An endpoint as a balancer sees it. */
export interface WeighedEndpoint {
  readonly address: string;
  /** The weight that the configuration or the discovery gives it. */
  readonly weight: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly isHealthy: boolean;
  /** Live connections or requests to it, of all shards. */
  readonly active: number;
}

/** The largest weight that a balancer may give. */
export const WEIGHT_MAX = 1000;

/** A balancer. */
export interface LoadBalancer<Config> {
  readonly name: string;
  readonly config?: ConfigSchema<Config>;
  /** How often to weigh while nothing changes, at least 100 ms; without it only on changes. */
  readonly interval?: Duration;
  /**
   * Weights in the order of `endpoints`, 0 to {@link WEIGHT_MAX}; 0 takes no new ones. If all are
   * 0, the configuration's weights hold. What counts is their proportion, to 1 in 256.
   */
  weigh(endpoints: readonly WeighedEndpoint[], config: Config): readonly number[];
}

/** Defines a balancer. */
export function defineLoadBalancer<Config = undefined>(
  balancer: LoadBalancer<Config>,
): LoadBalancer<Config> & Defined<'balancer'> {
  return Object.freeze({ ...balancer, kind: 'balancer', apiVersion: API_VERSION });
}
