/**
 * What is known of one balancer or discovery: its last good answer, what it did wrong, and since
 * when.
 *
 * Path: steering.ts has one for each use; metrics and the admin API read it.
 * Invariant: an answer stays until a better one comes, from this use or from the one that takes its
 * place.
 */

import type { FoundEndpoint } from '../../../sdk/index.ts';
import type { DiscoveredEndpoint } from '../../clusters/index.ts';
import { scaleWeights } from '../../clusters/index.ts';
import { parseAddress } from '../../model/index.ts';
import type { PolicyUse, WeightsByAddress } from './protocol.ts';

/** The same fault is said again after this. */
const SAME_FAULT_MS = 60_000;
/** Another one, or another change, after this. */
const OTHER_MS = 1000;

/** What operators see of a use. */
export interface SteeringView {
  readonly use: string;
  readonly name: string;
  /** Answers that differed from the one before. */
  readonly updates: number;
  readonly failures: number;
  /** Since the last answer that made sense; without one, since the use was set up. */
  readonly ageSeconds: number;
  /** Null after an answer that made sense. */
  readonly lastError: string | null;
}

/** One use. */
export class SteeringRun {
  readonly use: PolicyUse;
  /** Settled by the first answer or fault. */
  readonly first = Promise.withResolvers<void>();
  discovered: readonly DiscoveredEndpoint[] | null = null;
  weights: WeightsByAddress | null = null;
  #updates = 0;
  #failures = 0;
  #goodAtMs: number;
  #lastError: string | null = null;
  #saidFault = '';
  #saidFaultMs = -Infinity;
  #saidChangeMs = -Infinity;

  /** @param former - whose place it takes. */
  constructor(use: PolicyUse, former: SteeringRun | undefined, nowMs: number) {
    this.use = use;
    this.#goodAtMs = nowMs;
    if (former === undefined) return;
    this.discovered = former.discovered;
    this.weights = former.weights;
    this.#updates = former.#updates;
    this.#failures = former.#failures;
    this.#goodAtMs = former.#goodAtMs;
  }

  /** Its list is this now. */
  find(endpoints: readonly FoundEndpoint[]): void {
    const weights = scaleWeights(endpoints.map(({ weight = 1 }) => weight));
    this.discovered = endpoints.flatMap(({ address, labels = {} }, i) => {
      const parsed = parseAddress(address);
      return parsed === null ? [] : [{ address: parsed, weight: weights[i] ?? 1, labels }];
    });
    this.#updates++;
  }

  /** Its weights are these now. */
  weigh(weights: WeightsByAddress): void {
    this.weights = weights;
    this.#updates++;
  }

  /** An answer made sense, whether it was a new one or not. */
  noteGood(nowMs: number): void {
    this.#goodAtMs = nowMs;
    this.#lastError = null;
    this.first.resolve();
  }

  /** True when the fault is to be said. */
  noteFault(message: string, nowMs: number): boolean {
    this.#failures++;
    this.#lastError = message;
    this.first.resolve();
    const isSame = message === this.#saidFault;
    if (nowMs - this.#saidFaultMs < (isSame ? SAME_FAULT_MS : OTHER_MS)) return false;
    this.#saidFault = message;
    this.#saidFaultMs = nowMs;
    return true;
  }

  /** True when a change is to be said. */
  isChangeSaid(nowMs: number): boolean {
    if (nowMs - this.#saidChangeMs < OTHER_MS) return false;
    this.#saidChangeMs = nowMs;
    return true;
  }

  view(nowMs: number): SteeringView {
    return {
      use: this.use.specifier,
      name: this.use.name,
      updates: this.#updates,
      failures: this.#failures,
      ageSeconds: (nowMs - this.#goodAtMs) / 1000,
      lastError: this.#lastError,
    };
  }
}
