/**
 * Drains the gateway: readiness fails, listening ends, connections close over a window.
 *
 * Path: SIGTERM and `POST /v1/drain` start it, `POST /v1/undrain` takes it back, `/readyz` asks it.
 * Invariant: readiness fails before anything else happens, and a drain ends at its deadline at the
 * latest, however little the clients cooperate.
 *
 *   serving --start()--> draining --no connection left, or deadline--> drained
 *   draining, drained --undrain()--> serving
 */
import type { Board, CutPage } from '../../../native/epoll/index.ts';
import type { Log } from '../observe/index.ts';
import { ShardCallError } from './link.ts';
import type { ShardSupervisor } from './supervisor.ts';

/** How often the number of connections is looked at. */
const POLL_MS = 50;
/** How often progress is logged. */
const PROGRESS_MS = 10_000;
/** How long peers may take to read the answers and ends that the cut gave them. */
const CUT_MS = 1_000;
/** Pages of slots that one shard is asked to cut at most; a page has thousands. */
const CUT_PAGES_MAX = 16_384;

export type DrainState = 'serving' | 'draining' | 'drained';

/** How to drain. */
export interface DrainPlan {
  /** Between the moment readiness fails and the moment listening ends. */
  readonly readinessDelayMs: number;
  /** Closes are spread over this window. */
  readonly overMs: number;
  /** How long the last ones may take after the window; then they are cut. */
  readonly graceMs: number;
}

/** What draining needs from the world. */
export interface DrainOptions {
  readonly board: Board;
  readonly supervisor: ShardSupervisor;
  readonly listening: {
    readonly stop: () => Promise<void>;
    /** Rejects when an address is taken. */
    readonly resume: () => Promise<void>;
  };
  readonly log: Log;
}

/** The drain of the whole gateway. */
export class Drain {
  readonly #options: DrainOptions;
  #state: DrainState = 'serving';
  #abort: AbortController | null = null;
  #done: Promise<void> = Promise.resolve();

  constructor(options: DrainOptions) {
    this.#options = options;
  }

  get state(): DrainState {
    return this.#state;
  }

  /**
   * Starts draining, or changes the window of a drain under way. Resolves when no connection is
   * left, when the deadline has come, or when the drain was taken back.
   */
  start(plan: DrainPlan): Promise<void> {
    const isFirst = this.#state === 'serving';
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.#state = 'draining';
    const former = this.#done;
    this.#done = former
      .catch(() => {})
      .then(() => this.#run(isFirst ? plan : { ...plan, readinessDelayMs: 0 }, abort.signal));
    return this.#done;
  }

  /** Takes the drain back. Rejects with ListenError when an address was taken meanwhile. */
  async undrain(): Promise<void> {
    if (this.#state === 'serving') {
      return;
    }
    this.#abort?.abort();
    await this.#done;
    await this.#options.supervisor.callAll('undrain', null);
    await this.#options.listening.resume();
    this.#state = 'serving';
    this.#options.log.info('undrained; the gateway serves again');
  }

  /** Stops waiting; what is under way in the shards goes on. */
  close(): void {
    this.#abort?.abort();
  }

  async #run(plan: DrainPlan, signal: AbortSignal): Promise<void> {
    const { board, supervisor, listening, log } = this.#options;
    log.info({ ...plan, connections: board.connections() }, 'draining');
    await pause(plan.readinessDelayMs, signal);
    if (signal.aborted) {
      return;
    }
    await listening.stop();
    await supervisor.callAll('drain', { overMs: plan.overMs });
    const isEmpty = await this.#waitEmpty(plan.overMs + plan.graceMs, signal);
    if (signal.aborted) {
      return;
    }
    if (!isEmpty) {
      log.warn({ connections: board.connections() }, 'the drain is over its deadline; cutting');
      await this.#cut(signal);
    }
    this.#state = 'drained';
    log.info({ connections: board.connections() }, 'drained');
  }

  /** Resolves when each shard said that nothing is under way and peers had time to read their end. */
  async #cut(signal: AbortSignal): Promise<void> {
    const first = await this.#options.supervisor.callAll('cutDrained', { cursor: 0 });
    const ended = await Promise.all([...first].map(([shard, page]) => this.#cutRest(shard, page)));
    if (ended.some((count) => count > 0)) {
      await this.#waitEmpty(CUT_MS, signal);
    }
  }

  /** How many connections of one shard were given an end. What a shard that goes had goes with it. */
  async #cutRest(shard: number, first: CutPage): Promise<number> {
    let { ended, next } = first;
    for (let page = 1; next >= 0 && page < CUT_PAGES_MAX; page++) {
      try {
        const cut = await this.#options.supervisor.call(shard, 'cutDrained', { cursor: next });
        ended += cut.ended;
        next = cut.next;
      } catch (error) {
        if (error instanceof ShardCallError) {
          return ended;
        }
        throw error;
      }
    }
    return ended;
  }

  async #waitEmpty(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const { board, log } = this.#options;
    const deadline = performance.now() + timeoutMs;
    let reportAt = performance.now() + PROGRESS_MS;
    while (!signal.aborted && board.connections() > 0) {
      const now = performance.now();
      if (now >= deadline) {
        return false;
      }
      if (now >= reportAt) {
        reportAt = now + PROGRESS_MS;
        log.info({ connections: board.connections() }, 'draining');
      }
      await pause(POLL_MS, signal);
    }
    return true;
  }
}

/** Waits, or stops waiting when the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || ms === 0) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
