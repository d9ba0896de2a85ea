/**
 * One use of a filter in this shard: its definition, what `setup` made, its breaker and its log.
 *
 * Path: prepare.ts makes instances; chains hold them; the last chain that goes disposes of them.
 * Invariant: setup ran to its end before any hook, and dispose runs once, after the last hook.
 */

import { compileNeeds, type NeedsPlan, readDuration } from '../../sdk/definition/index.ts';
import type { FilterEnv, FilterLog, Scope } from '../../sdk/index.ts';
import { Breaker } from './breaker.ts';
import { withDeadline } from './deadline.ts';
import { describeThrown } from './failure.ts';
import type { HeadRights } from './head-view.ts';
import type { InstancePlan } from './plan.ts';
import { RateLimit } from './rate-limit.ts';

export type HookMethod =
  | 'onAccept'
  | 'onOpen'
  | 'onRequest'
  | 'onRouted'
  | 'onEndpoint'
  | 'onResponse'
  | 'onMessage'
  | 'onEnd';
export type HookFunction = (view: unknown, scope: Scope<unknown, unknown>) => unknown;

/** A filter's definition, whatever its types were. Its shape was checked. */
export type AnyFilter = {
  readonly kind: 'network' | 'stream' | 'message';
  readonly name: string;
  readonly onError?: 'open' | 'closed';
  readonly order?: 'sync' | 'serial';
  readonly timeout?: string;
  readonly breaker?: { readonly failures: number; readonly cooldown: string };
  readonly needs?: {
    readonly requestHeaders?: true | readonly string[];
    readonly responseHeaders?: true | readonly string[];
  };
  setup?(env: FilterEnv<unknown>): unknown;
  dispose?(shared: unknown): unknown;
  begin?(shared: unknown): unknown;
} & { readonly [Method in HookMethod]?: HookFunction };

/** A line that a filter, or the host about a filter, wants in the log. */
export interface FilterLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly filter: string;
  readonly generation: number;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}
export type WriteLine = (line: FilterLine) => void;

const TIMEOUT_MS = 1000;
const BREAKER = { failures: 5, cooldownMs: 10_000 };
/** How long what comes next waits for `dispose`. */
export const DISPOSE_MS_MAX = 1000;
const LINES_PER_SECOND = 100;
const FAILURES_PER_SECOND = 10;

/** Lets lines of one filter through, at a limited rate. */
function createFilterLog(plan: InstancePlan, write: WriteLine): FilterLog {
  const limit = new RateLimit(LINES_PER_SECOND);
  const at =
    (level: FilterLine['level']) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      if (!limit.take(performance.now())) return;
      const { filter, generation } = plan;
      write({ level, filter, generation, message, fields });
    };
  return { info: at('info'), warn: at('warn'), error: at('error') };
}

/** A line whose fields cannot be carried is written without them; a line never throws. */
function guardWrite(write: WriteLine): WriteLine {
  return (line) => {
    try {
      write(line);
    } catch {
      const { level, filter, generation } = line;
      write({ level, filter, generation, message: 'a line that cannot be written' });
    }
  };
}

/** A filter that runs. */
export class FilterInstance {
  readonly plan: InstancePlan;
  readonly filter: AnyFilter;
  readonly needs: NeedsPlan;
  readonly timeoutMs: number;
  readonly breaker: Breaker;
  readonly requestRights: HeadRights;
  readonly responseRights: HeadRights;
  shared: unknown = undefined;
  readonly #write: WriteLine;
  readonly #failureLimit = new RateLimit(FAILURES_PER_SECOND);
  #holdCount = 0;
  #isDisposed = false;

  constructor(plan: InstancePlan, filter: AnyFilter, write: WriteLine) {
    this.plan = plan;
    this.filter = filter;
    this.needs = compileNeeds(filter);
    this.timeoutMs = readDuration(filter.timeout) ?? TIMEOUT_MS;
    const rule = filter.breaker;
    this.breaker = new Breaker(
      rule === undefined
        ? BREAKER
        : {
            failures: rule.failures,
            cooldownMs: readDuration(rule.cooldown) ?? BREAKER.cooldownMs,
          },
    );
    this.requestRights = this.#rights('requestHeaders');
    this.responseRights = this.#rights('responseHeaders');
    this.#write = guardWrite(write);
  }

  get isOpenOnError(): boolean {
    return this.filter.onError === 'open';
  }

  async setUp(config: unknown, shard: number): Promise<void> {
    const log = createFilterLog(this.plan, this.#write);
    const { base, generation } = this.plan;
    const env = { config, log, shard, base, generation };
    this.shared = await this.filter.setup?.(env);
  }

  /** A chain, or a plan that is being prepared, needs it. */
  hold(): void {
    this.#holdCount++;
  }

  /** One of them does not any more; the last one disposes of it. */
  async release(): Promise<void> {
    this.#holdCount--;
    if (this.#holdCount === 0) await this.dispose();
  }

  /** Says what failed, at a limited rate; what was left out is counted in the next line. */
  report(failure: Error): void {
    if (!this.#failureLimit.take(performance.now())) return;
    const { filter, generation } = this.plan;
    const omitted = this.#failureLimit.takeOmitted();
    const fields = { ...(omitted > 0 && { omitted }), stack: failure.stack };
    this.#write({ level: 'error', filter, generation, message: failure.message, fields });
  }

  /** Ends what setup made; a failure is reported and changes nothing. */
  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    try {
      const disposing = Promise.resolve(this.filter.dispose?.(this.shared));
      await withDeadline(disposing, DISPOSE_MS_MAX, 'it');
    } catch (thrown) {
      const { filter, generation } = this.plan;
      this.report(
        new Error(
          `filter "${filter}" (generation ${generation}), dispose: ${describeThrown(thrown)}`,
        ),
      );
    }
    this.shared = undefined;
  }

  #rights(field: 'requestHeaders' | 'responseHeaders'): HeadRights {
    const headers = this.filter.needs?.[field] === true ? true : new Set(this.needs[field]);
    return { headers, needsField: `needs.${field}`, mayEdit: true, mayRewrite: false };
  }
}
