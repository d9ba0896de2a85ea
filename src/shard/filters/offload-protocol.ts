/**
 * What a shard and the pool on the main thread say to each other, as types and nothing else.
 *
 * Path: offload-client.ts sends over a MessagePort; src/main/filters/offload answers.
 * Invariant: each job has one answer, unless it was cancelled: then it has one or none.
 */
import type { OffloadFailure } from '../../sdk/index.ts';

/** Shard to main. */
export type OffloadRequest =
  | {
      readonly kind: 'run';
      readonly job: number;
      readonly program: string;
      readonly filter: string;
      readonly task: string;
      readonly payload: unknown;
      /** Buffers of the payload that move instead of being copied. */
      readonly transfer: readonly ArrayBuffer[];
      readonly deadlineMs: number;
    }
  | { readonly kind: 'cancel'; readonly job: number };

/** Main to shard. */
export type OffloadReply =
  | { readonly kind: 'done'; readonly job: number; readonly value: unknown }
  | {
      readonly kind: 'failed';
      readonly job: number;
      readonly failure: OffloadFailure;
      readonly message: string;
    };
