/**
 * A chain laid out for running: for each moment the steps, in the order in which they run.
 *
 * Path: host.ts looks chains up by the id in a record; run-chain.ts runs the steps.
 * Invariant: made once when a generation is committed, never changed. Requests and messages of
 * clients pass filters in the order of the configuration, what comes back passes them in reverse.
 */
import { NEED } from '../../sdk/definition/index.ts';
import type { FieldNames } from './head-record.ts';
import type { HeadRights } from './head-view.ts';
import type { FilterInstance, HookFunction, HookMethod } from './instance.ts';
import { HOLDER, HOOK, HOOK_COUNT, type HookName } from './layout.ts';
import type { ChainMember, ChainPlan } from './plan.ts';

/** One hook of one filter. */
export interface Step {
  readonly instance: FilterInstance;
  readonly method: HookMethod;
  readonly run: HookFunction;
  /** Like `stream.onRequest`. */
  readonly name: string;
  /** In the counters. */
  readonly cell: number;
  readonly rights: HeadRights;
  readonly isSerial: boolean;
}

/** A member of a chain with its instance. */
export interface Member {
  readonly instance: FilterInstance;
  readonly place: ChainMember['place'];
}

const HOOK_OF: Readonly<Record<HookMethod, HookName>> = {
  onAccept: 'accept',
  onOpen: 'open',
  onRequest: 'request',
  onRouted: 'routed',
  onEndpoint: 'endpoint',
  onResponse: 'response',
  onMessage: 'message',
  onEnd: 'end',
};

/** What runs when, by the kind of filter. A route's onRequest runs when the route took the request. */
const MOMENTS = {
  network: [
    { holder: 'connection', hook: 'accept', method: 'onAccept' },
    { holder: 'connection', hook: 'open', method: 'onOpen' },
    { holder: 'connection', hook: 'end', method: 'onEnd' },
  ],
  stream: [
    { holder: 'exchange', hook: 'request', method: 'onRequest', place: 'listener' },
    { holder: 'exchange', hook: 'routed', method: 'onRequest', place: 'route' },
    { holder: 'exchange', hook: 'routed', method: 'onRouted' },
    { holder: 'exchange', hook: 'endpoint', method: 'onEndpoint' },
    { holder: 'exchange', hook: 'response', method: 'onResponse' },
    { holder: 'exchange', hook: 'end', method: 'onEnd' },
  ],
  message: [
    { holder: 'tunnel', hook: 'open', method: 'onOpen' },
    { holder: 'tunnel', hook: 'message', method: 'onMessage' },
    { holder: 'tunnel', hook: 'end', method: 'onEnd' },
  ],
} as const;

function rightsAt(instance: FilterInstance, hook: HookName): HeadRights {
  if (hook === 'response') return instance.responseRights;
  const isTunnel = instance.filter.kind === 'message';
  const mayRewrite = hook === 'request' || hook === 'routed';
  return { ...instance.requestRights, mayEdit: !isTunnel, mayRewrite: mayRewrite && !isTunnel };
}

function stepOf(instance: FilterInstance, method: HookMethod, hook: HookName): Step | null {
  const { filter } = instance;
  const run = filter[method];
  if (run === undefined) return null;
  return {
    instance,
    method,
    run: run.bind(filter),
    name: `${filter.kind}.${method}`,
    cell: instance.plan.cell + HOOK[HOOK_OF[method]],
    rights: rightsAt(instance, hook),
    isSerial: filter.order === 'serial',
  };
}

function createNames(list: readonly string[]): FieldNames {
  return { list, index: new Map(list.map((name, index) => [name, index])) };
}

const NO_STEPS: readonly Step[] = [];

/** The filters of a listener or route in one generation. */
export class Chain {
  readonly plan: ChainPlan;
  readonly members: readonly Member[];
  readonly requestNames: FieldNames;
  readonly responseNames: FieldNames;
  /** The core says when a holder of this chain ends, so something may be kept until then. */
  readonly isEndTold: boolean;
  readonly #steps: (readonly Step[])[];
  readonly #messagesBack: readonly Step[];

  constructor(plan: ChainPlan, members: readonly Member[]) {
    this.plan = plan;
    this.members = members;
    this.requestNames = createNames(plan.requestHeaders);
    this.responseNames = createNames(plan.responseHeaders);
    this.isEndTold = (plan.mask & NEED.end) !== 0;
    const steps: Step[][] = Array.from({ length: 3 * HOOK_COUNT }, () => []);
    for (const { instance, place } of members) {
      for (const moment of MOMENTS[instance.filter.kind]) {
        if ('place' in moment && moment.place !== place) continue;
        const step = stepOf(instance, moment.method, moment.hook);
        if (step !== null)
          steps[HOLDER[moment.holder] * HOOK_COUNT + HOOK[moment.hook]]?.push(step);
      }
    }
    for (const [at, list] of steps.entries()) {
      const hook = at % HOOK_COUNT;
      if (hook === HOOK.response || hook === HOOK.end) list.reverse();
    }
    this.#steps = steps;
    this.#messagesBack = this.steps(HOLDER.tunnel, HOOK.message).toReversed();
  }

  steps(holder: number, hook: number): readonly Step[] {
    return this.#steps[holder * HOOK_COUNT + hook] ?? NO_STEPS;
  }

  messageSteps(isFromEndpoint: boolean): readonly Step[] {
    return isFromEndpoint ? this.#messagesBack : this.steps(HOLDER.tunnel, HOOK.message);
  }
}
