/**
 * Discoveries of your own: an iterator that yields the endpoints of a cluster.
 *
 * Path: a thread of its own iterates; each list replaces the endpoints of the cluster. Connections
 * to endpoints that are not found any more stay.
 * Invariant: when the iterator throws or ends, the last list stays and `watch` is called again
 * after a pause that grows from one second to one minute.
 */
import type { ConfigSchema } from './config-schema.ts';
import { API_VERSION, type Defined } from './filter.ts';

/** An endpoint that was found. */
export interface FoundEndpoint {
  /** `10.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock`; no names. */
  readonly address: string;
  /** 1 to 1000; without it 1. */
  readonly weight?: number;
  /** At most 32, keys and texts of 1 to 63 visible characters. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** What `watch` gets. */
export interface DiscoveryEnv<Config> {
  readonly config: Config;
  /** Name of the cluster. */
  readonly cluster: string;
  /** URL of the configuration file: paths in `config` should lead from it. */
  readonly base: string;
  /** Aborts when the cluster is gone or its configuration changes; stop yielding then. */
  readonly signal: AbortSignal;
}

/** A discovery. */
export interface Discovery<Config> {
  readonly name: string;
  readonly config?: ConfigSchema<Config>;
  /**
   * Yields the whole list whenever it changes, up to 4096 endpoints; an empty list is an answer
   * too. It is asked for the next list 100 ms later at the earliest.
   */
  watch(env: DiscoveryEnv<Config>): AsyncIterable<readonly FoundEndpoint[]>;
}

/** Defines a discovery. */
export function defineDiscovery<Config = undefined>(
  discovery: Discovery<Config>,
): Discovery<Config> & Defined<'discovery'> {
  return Object.freeze({ ...discovery, kind: 'discovery', apiVersion: API_VERSION });
}
