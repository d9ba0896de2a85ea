/**
 * What main and the policy thread say to each other, as types and nothing else.
 *
 * Path: policy-thread.ts starts worker.ts and exchanges these with it.
 * Invariant: plain values. Whatever a balancer or discovery yields is checked before it is sent,
 * and sent only when it differs from what was sent before.
 */
import type { FoundEndpoint, WeighedEndpoint } from '../../../sdk/index.ts';
import type { Program } from '../../../shard/filters/index.ts';

/** What code of the user can do for a cluster: make weights, or find endpoints. */
export type SteeringKind = 'balancer' | 'discovery';

/** A balancer or discovery of one cluster. */
export interface PolicyUse {
  /** The same as long as code, configuration and cluster are, and no longer. */
  readonly id: string;
  readonly cluster: string;
  readonly kind: SteeringKind;
  /** What the definition calls itself. */
  readonly name: string;
  /** What stands under `use`. */
  readonly specifier: string;
  readonly program: Program;
  /** What stands under `with`. */
  readonly config: unknown;
  /** URL of the configuration file. */
  readonly base: string;
}

/** Weights by address. */
export type WeightsByAddress = ReadonlyMap<string, number>;

/** Main to thread. */
export type PolicyRequest =
  | { readonly kind: 'apply'; readonly uses: readonly PolicyUse[] }
  | {
      readonly kind: 'endpoints';
      readonly cluster: string;
      readonly endpoints: readonly WeighedEndpoint[];
    }
  | { readonly kind: 'ping' };

/** Thread to main. A null means: the same as before. */
export type PolicyReply =
  | { readonly kind: 'weights'; readonly id: string; readonly weights: WeightsByAddress | null }
  | {
      readonly kind: 'found';
      readonly id: string;
      readonly endpoints: readonly FoundEndpoint[] | null;
    }
  | { readonly kind: 'fault'; readonly id: string; readonly message: string }
  /** A balancer is about to weigh, and wants to know the load of now. */
  | { readonly kind: 'ask'; readonly cluster: string }
  | { readonly kind: 'pong' };
