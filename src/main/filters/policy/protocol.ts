/**
 * What main and the policy thread say to each other, as types and nothing else.
 *
 * Path: policy-thread.ts starts worker.ts and exchanges these with it.
 * Invariant: plain values. Whatever a balancer or discovery yields is checked before it is sent.
 */
import type { FoundEndpoint, WeighedEndpoint } from '../../../sdk/index.ts';
import type { Program } from '../../../shard/filters/index.ts';

/** A balancer or discovery of one cluster. */
export interface PolicyUse {
  readonly cluster: string;
  readonly kind: 'balancer' | 'discovery';
  readonly program: Program;
  /** What stands under `with`. */
  readonly config: unknown;
}

/** Main to thread. */
export type PolicyRequest =
  | { readonly kind: 'apply'; readonly uses: readonly PolicyUse[] }
  | {
      readonly kind: 'endpoints';
      readonly cluster: string;
      readonly endpoints: readonly WeighedEndpoint[];
    }
  | { readonly kind: 'ping' };

/** Thread to main. */
export type PolicyReply =
  | { readonly kind: 'weights'; readonly cluster: string; readonly weights: readonly number[] }
  | {
      readonly kind: 'found';
      readonly cluster: string;
      readonly endpoints: readonly FoundEndpoint[];
    }
  | { readonly kind: 'fault'; readonly cluster: string; readonly message: string }
  | { readonly kind: 'pong' };
