/**
 * What a hook has besides its view: shared value, state, signal, and the way to the pool.
 *
 * Path: run-chain.ts makes one for each hook.
 * Invariant: the signal aborts at the timeout and when the client is gone, never otherwise; work
 * that is given away is cancelled with it.
 */
import { OffloadError, type Scope } from '../../sdk/index.ts';
import type { Call } from './call.ts';
import type { FilterInstance } from './instance.ts';

/** One piece of work for the pool. */
export interface OffloadJob {
  /** Hash of the program that has the task. */
  readonly program: string;
  readonly filter: string;
  /** Name of the exported function. */
  readonly task: string;
  readonly payload: unknown;
  readonly transfer: readonly ArrayBuffer[];
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
}

/** Takes work; rejects with OffloadError. */
export interface Offloader {
  run(job: OffloadJob): Promise<unknown>;
}

/** The scope of one hook. */
export class HookScope implements Scope<unknown, unknown> {
  readonly shared: unknown;
  readonly state: unknown;
  readonly #instance: FilterInstance;
  readonly #offloader: Offloader | null;
  /** Null at the end: the record is written already. */
  readonly #call: Call | null;
  #controller: AbortController | null = null;
  #isEnded = false;

  constructor(
    instance: FilterInstance,
    state: unknown,
    offloader: Offloader | null,
    call: Call | null,
  ) {
    this.shared = instance.shared;
    this.state = state;
    this.#instance = instance;
    this.#offloader = offloader;
    this.#call = call;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** Functions by themselves, so that hooks can take them out of the scope. */
  get log(): Scope<unknown, unknown>['log'] {
    return (name, value) => this.#log(name, value);
  }

  get offload(): Scope<unknown, unknown>['offload'] {
    return (task, payload, options = {}) => this.#offload(task, payload, options);
  }

  /** The hook has settled, or will not: then `why` aborts what it started. */
  end(why: string | null): void {
    this.#isEnded = true;
    if (why !== null) this.#controller?.abort(new DOMException(why, 'AbortError'));
  }

  #log(name: string, value: string): void {
    if (this.#call === null) {
      throw new TypeError('log() comes too late in onEnd: the access record is written');
    }
    if (this.#isEnded) throw new TypeError('log() comes too late: the hook is over');
    this.#call.log(name, value);
  }

  #offload<Result>(
    task: string,
    payload: unknown,
    options: { readonly transfer?: readonly ArrayBuffer[] },
  ): Promise<Result> {
    const { plan, timeoutMs } = this.#instance;
    if (plan.offload === null || this.#offloader === null) {
      return Promise.reject(new OffloadError('failed', 'the filter has no "offload" module'));
    }
    if (this.#isEnded) return Promise.reject(new OffloadError('cancelled', 'the hook is over'));
    return this.#offloader.run({
      program: plan.offload,
      filter: plan.filter,
      task,
      payload,
      transfer: options.transfer ?? [],
      signal: this.signal,
      deadlineMs: timeoutMs,
    }) as Promise<Result>;
  }
}
