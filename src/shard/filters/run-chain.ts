/**
 * Runs the hooks of a chain in order, and applies the policy of those that fail.
 *
 * Path: host.ts hands calls to `advance`; a call that waits comes back through `onSettled`.
 * Invariant: no exception of a filter leaves this file, and every call that is begun settles: by
 * its filter, by the filter's timeout, or because the holder ended. Views and scopes end with their
 * hook, and the edits of a hook that failed are taken back.
 */
import type { Call, Lease, Waiting } from './call.ts';
import type { Step } from './chain.ts';
import { LeasedConnection } from './connection-view.ts';
import type { FilterCounters } from './counters.ts';
import { type Decision, decide, readDecision } from './decision.ts';
import { describeThrown, type FailureKind, FilterFailure } from './failure.ts';
import { HeadView } from './head-view.ts';
import type { FilterInstance } from './instance.ts';
import { HOLDER, VERDICT } from './layout.ts';
import { LeasedMessage, type LeaseMode } from './message-view.ts';
import { HookScope, type Offloader } from './scope.ts';
import type { HolderStates } from './states.ts';
import { wantsMessage } from './wants-message.ts';

/** Calls of one shard that may wait at once; beyond it the policy of the filter applies. */
export const PARKED_MAX = 16_384;
/** A hook that runs for so long holds up everything else of its shard, and is told. */
export const BLOCKING_MS = 20;
const NS_PER_MS = 1e6;

/** Close codes (RFC 6455 7.4.1 and the registry). */
const CLOSE_TOO_BIG = 1009;
const CLOSE_INTERNAL_ERROR = 1011;
const CLOSE_TRY_LATER = 1013;
const STATUS_FAILED = 500;
const STATUS_UNAVAILABLE = 503;

type Outcome = 'next' | 'stop' | 'parked';

/** What running chains needs. */
export interface RunnerOptions {
  readonly counters: FilterCounters;
  readonly states: HolderStates;
  readonly mode: LeaseMode;
  readonly offloader: Offloader | null;
  /** A hook that runs for so long is told. */
  readonly blockingMs: number;
  /** A parked call has its answer. */
  readonly onSettled: (call: Call) => void;
}

interface Running {
  readonly call: Call;
  readonly step: Step;
  readonly view: Lease;
  readonly scope: HookScope;
  readonly editsBefore: number;
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value;
}

/** The language's own, whatever a Promise says its own is. */
const THEN = Reflect.get(Promise.prototype, 'then') as (...callbacks: unknown[]) => unknown;

/** Follows a Promise or thenable by what the language has for that, whatever it says of itself. */
function follow(
  promise: unknown,
  onValue: (value: unknown) => void,
  onThrown: (thrown: unknown) => void,
): void {
  void Reflect.apply(THEN, Promise.resolve(promise), [onValue, onThrown]);
}

/** Takes the rejection of a Promise that nobody waits for. */
function ignoreRejection(promise: unknown): void {
  try {
    follow(
      promise,
      () => {},
      () => {},
    );
  } catch {
    // Then it is none.
  }
}

/** How work came to nothing that was given away; null: it is not about that. */
function offloadFailureOf(thrown: unknown): unknown {
  try {
    if (!(thrown instanceof Error) || thrown.name !== 'OffloadError') return null;
    return (thrown as Error & { readonly failure?: unknown }).failure;
  } catch {
    return null;
  }
}

/** What a failure does where the policy is `closed`. */
function closedDecision(holder: number, kind: FailureKind): Decision {
  const isPassing = kind !== 'threw' && kind !== 'rejected' && kind !== 'nonsense';
  if (holder === HOLDER.exchange) {
    const fields = isPassing ? [{ what: 'add', name: 'retry-after', value: '1' } as const] : [];
    return decide('respond', isPassing ? STATUS_UNAVAILABLE : STATUS_FAILED, undefined, fields);
  }
  if (holder === HOLDER.connection) return decide('close');
  const isLater = isPassing && kind !== 'timeout';
  return decide('close', isLater ? CLOSE_TRY_LATER : CLOSE_INTERNAL_ERROR);
}

/** Runs chains. */
export class ChainRunner {
  readonly #options: RunnerOptions;
  #parkedCount = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Calls that wait now. */
  get parkedCount(): number {
    return this.#parkedCount;
  }

  /** Runs steps until the chain ends, stops or waits. True when it waits. */
  advance(call: Call): boolean {
    while (call.at < call.steps.length) {
      const step = call.steps[call.at] as Step;
      call.at++;
      const outcome = this.#runStep(call, step);
      if (outcome === 'parked') return true;
      if (outcome === 'stop') break;
    }
    return false;
  }

  /** The holder of a waiting call ended; its hook is over and nothing is answered. */
  cancel(call: Call): void {
    const { waiting } = call;
    if (waiting === null) return;
    this.#unpark(call, waiting);
    waiting.step.instance.breaker.undecided();
    waiting.view.end();
    waiting.scope.end('the client is gone');
  }

  /** Runs onEnd of every filter of the chain. */
  runEnds(call: Call, record: unknown): void {
    const { counters, states, offloader } = this.#options;
    for (const step of call.steps) {
      const { instance, cell } = step;
      const startMs = performance.now();
      counters.enter(cell);
      try {
        const state = states.lastOf(call.origin, instance);
        const returned = step.run(record, new HookScope(instance, state, offloader, null));
        this.#leave(step, startMs);
        if (isThenable(returned)) {
          ignoreRejection(returned);
          throw new TypeError('it returned a Promise; onEnd cannot wait');
        }
      } catch (thrown) {
        counters.leave(cell, 0);
        counters.add(cell, 'failures', 1);
        this.#report(step, 'threw', describeThrown(thrown), thrown);
      }
    }
  }

  #runStep(call: Call, step: Step): Outcome {
    const { counters, states, offloader } = this.#options;
    const { instance, cell } = step;
    if (call.message !== null) {
      const wants = wantsMessage(instance, call);
      if (wants === 'too-big') {
        call.decision = decide('close', CLOSE_TOO_BIG);
        return 'stop';
      }
      if (wants === 'no') return 'next';
    }
    const startMs = performance.now();
    if (!instance.breaker.mayCall(startMs)) {
      counters.add(cell, 'skipped', 1);
      return this.#applyPolicy(call, instance, 'breaker');
    }
    const editsBefore = call.edits.count;
    if (step.isSerial) call.keep();
    const view = this.#viewOf(call, step);
    let scope: HookScope | null = null;
    let returned: unknown;
    let isWaiting = false;
    counters.enter(cell);
    try {
      scope = new HookScope(instance, states.valueOf(call.origin, instance), offloader, call);
      returned = step.run(view, scope);
      isWaiting = isThenable(returned);
    } catch (thrown) {
      this.#leave(step, startMs);
      scope ??= new HookScope(instance, undefined, offloader, call);
      return this.#fail({ call, step, view, scope, editsBefore }, kindOf(thrown, 'threw'), thrown);
    }
    this.#leave(step, startMs);
    const running = { call, step, view, scope, editsBefore };
    if (isWaiting) return this.#park(running, returned);
    return this.#settle(running, returned);
  }

  /** The hook returned or threw; how long it ran is counted, and told when it was long. */
  #leave(step: Step, startMs: number): void {
    const { counters } = this.#options;
    const ranMs = performance.now() - startMs;
    counters.leave(step.cell, ranMs * NS_PER_MS);
    if (ranMs < this.#options.blockingMs) return;
    counters.add(step.cell, 'blocked', 1);
    this.#report(step, 'blocked', `it held up its shard for ${Math.round(ranMs)} ms`, undefined);
  }

  #viewOf(call: Call, step: Step): Lease {
    if (call.message !== null) {
      const { isFromEndpoint } = call.origin;
      return new LeasedMessage(
        call.message,
        { isText: call.isText, isFromEndpoint },
        this.#options.mode,
      );
    }
    if (call.head !== null) return new HeadView(call.head, step.rights);
    if (call.connection !== null) return new LeasedConnection(call.connection);
    throw new TypeError('a call without a record');
  }

  #park(running: Running, promise: unknown): Outcome {
    const { call, step, view, scope, editsBefore } = running;
    if (step.method === 'onMessage' && !step.isSerial) {
      ignoreRejection(promise);
      const error = new TypeError("it returned a Promise; say order: 'serial' to be waited for");
      return this.#fail(running, 'nonsense', error);
    }
    if (this.#parkedCount >= PARKED_MAX) {
      ignoreRejection(promise);
      return this.#fail(running, 'overload', new Error(`${PARKED_MAX} calls wait already`));
    }
    const { timeoutMs } = step.instance;
    try {
      follow(
        promise,
        (value) => this.#resume(waiting, call, () => this.#settle(running, value)),
        (thrown) =>
          this.#resume(waiting, call, () =>
            this.#fail(running, kindOf(thrown, 'rejected'), thrown),
          ),
      );
    } catch (thrown) {
      return this.#fail(running, 'nonsense', thrown);
    }
    call.keep();
    this.#parkedCount++;
    this.#options.counters.add(step.cell, 'parked', 1);
    const timer = setTimeout(() => {
      const error = new Error(`no answer within ${timeoutMs} ms`);
      this.#resume(waiting, call, () => this.#fail(running, 'timeout', error));
    }, timeoutMs);
    const waiting: Waiting = { step, view, scope, editsBefore, timer };
    call.waiting = waiting;
    return 'parked';
  }

  #unpark(call: Call, waiting: Waiting): void {
    clearTimeout(waiting.timer);
    call.waiting = null;
    this.#parkedCount--;
  }

  /** A waiting hook has an outcome; the first one counts. */
  #resume(waiting: Waiting, call: Call, conclude: () => Outcome): void {
    if (call.waiting !== waiting) return;
    this.#unpark(call, waiting);
    try {
      if (conclude() === 'next' && this.advance(call)) return;
    } catch {
      call.decision = closedDecision(call.origin.holder, 'threw');
    }
    this.#options.onSettled(call);
  }

  /** Takes what a hook returned. */
  #settle(running: Running, returned: unknown): Outcome {
    const { call, step, view, scope } = running;
    let outcome: Outcome = 'next';
    if (returned !== undefined) {
      try {
        outcome = this.#take(call, readDecision(returned, step.name, call.isText));
      } catch (thrown) {
        return this.#fail(running, 'nonsense', thrown);
      }
    }
    view.end();
    scope.end(null);
    step.instance.breaker.succeeded();
    return outcome;
  }

  #take(call: Call, decision: Decision): Outcome {
    const former = call.decision;
    call.decision = decision;
    if (decision.verdict === VERDICT.replace) {
      call.message = { bytes: decision.first, start: 0, end: decision.first.length };
      return 'next';
    }
    if (decision.verdict !== VERDICT.choose) return 'stop';
    // The last filter to name a cluster or a key wins; what it leaves out stays.
    if (former !== null && former.verdict === VERDICT.choose) {
      const first = decision.first.length > 0 ? decision.first : former.first;
      const second = decision.second.length > 0 ? decision.second : former.second;
      call.decision = { ...decision, first, second };
    }
    return 'next';
  }

  #fail(running: Running, kind: FailureKind, thrown: unknown): Outcome {
    const { call, step, view, scope, editsBefore } = running;
    const { counters } = this.#options;
    view.end();
    scope.end(kind === 'timeout' ? 'the filter took too long' : null);
    call.edits.truncate(editsBefore);
    counters.add(step.cell, kind === 'timeout' ? 'timeouts' : 'failures', 1);
    if (kind === 'shed' || kind === 'overload') step.instance.breaker.undecided();
    else step.instance.breaker.failed(performance.now());
    this.#report(step, kind, describeThrown(thrown), thrown);
    return this.#applyPolicy(call, step.instance, kind);
  }

  #applyPolicy(call: Call, instance: FilterInstance, kind: FailureKind): Outcome {
    if (instance.isOpenOnError) return 'next';
    call.decision = closedDecision(call.origin.holder, kind);
    return 'stop';
  }

  #report(step: Step, kind: FailureKind, detail: string, cause: unknown): void {
    const { filter, generation } = step.instance.plan;
    const where = { filter, generation, hook: step.method };
    step.instance.report(new FilterFailure(where, kind, detail, cause));
  }
}

function kindOf(thrown: unknown, otherwise: FailureKind): FailureKind {
  const failure = offloadFailureOf(thrown);
  if (failure === 'deadline') return 'timeout';
  return failure === 'shed' ? 'shed' : otherwise;
}

/** What a call gets that nothing else could be made of: the end of its holder. */
export function lastResort(call: Call): void {
  call.decision = closedDecision(call.origin.holder, 'threw');
}
