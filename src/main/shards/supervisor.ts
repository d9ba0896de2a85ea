/**
 * Starts the shards, keeps them running, and ships snapshots to them.
 *
 * Path: gateway.ts makes one; each shard is a worker thread behind a {@link ShardLink}.
 * Invariant: a shard that dies loses its own connections only. It leaves the distribution at once,
 * the others are not told, and its successor gets the current snapshot before it takes part again.
 * Each shard is in one state:
 *
 *   starting --reactor runs--> started --snapshot applied--> ready
 *   starting, started, ready --thread ended--> waiting (back-off) --timer--> starting
 *   any --stop()--> stopped (terminal)
 *
 * Does not look at what shards do with their time; that is watchdog.ts.
 */
import type { Acceptor, Board, NativeShardOptions } from '../../../native/epoll/index.ts';
import type { ShardCallName, ShardCalls } from '../../shard/index.ts';
import type { Log } from '../observe/index.ts';
import {
  ShardCallError,
  type ShardEnd,
  ShardLink,
  type ShardNews,
  type SpawnShard,
} from './link.ts';
import { SerialLock } from './serial-lock.ts';
import type { SharedSnapshot } from './shared-snapshot.ts';

/** First pause before a dead shard is started again; doubles with each death in a row. */
export const RESTART_DELAY_MIN_MS = 100;
/** Longest pause before a dead shard is started again. */
export const RESTART_DELAY_MAX_MS = 5_000;
/** A shard that lived this long starts with the first pause again. */
const RESTART_FORGIVEN_AFTER_MS = 60_000;
/** How long a thread may take until its reactor runs. */
const START_TIMEOUT_MS = 15_000;
/** How long a shard may take to close everything when the process ends. */
const STOP_TIMEOUT_MS = 2_000;

export type ShardState = 'starting' | 'started' | 'ready' | 'waiting' | 'stopped';

/** One shard as `GET /v1/shards` shows it. */
export interface ShardView {
  readonly shard: number;
  readonly state: ShardState;
  readonly restarts: number;
  /** Milliseconds since it became ready; 0 when it is not. */
  readonly upMs: number;
  /** Why its predecessor ended; null when there was none. */
  readonly lastEnd: string | null;
  /** True while it stands still and gets no new connections. */
  readonly isStalled: boolean;
}

/** What follows the shards for the sake of filters. */
export interface ShardFollower {
  /**
   * Makes a shard ready for a snapshot that it is about to get. Rejects with
   * {@link ShardCallError}.
   */
  ready(link: ShardLink, snapshot: SharedSnapshot): Promise<void>;
  news(shard: number, news: ShardNews): void;
  /** Its thread has ended, with all that it held. */
  ended(shard: number): void;
}

/** What the supervisor needs from the world. */
export interface SupervisorOptions {
  readonly count: number;
  readonly board: Board;
  readonly acceptor: Acceptor;
  readonly native: Omit<NativeShardOptions, 'shard'>;
  readonly faults: 'allowed' | 'refused';
  readonly spawn: SpawnShard;
  /** Connections that ended because their shard did, since the process started. */
  readonly countLost: () => number;
  readonly filters?: ShardFollower;
  readonly log: Log;
}

interface Slot {
  readonly index: number;
  state: ShardState;
  link: ShardLink | null;
  restarts: number;
  deathsInRow: number;
  readySinceMs: number;
  lastEnd: string | null;
  /** True while the watchdog found it standing still; it gets no new connections then. */
  isStalled: boolean;
  timer: NodeJS.Timeout | null;
}

/** Owns all shard threads. */
export class ShardSupervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: Slot[];
  readonly #lock = new SerialLock();
  #current: SharedSnapshot | null = null;
  #isStopped = false;
  #lost = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      index,
      state: 'starting',
      link: null,
      restarts: 0,
      deathsInRow: 0,
      readySinceMs: 0,
      lastEnd: null,
      isStalled: false,
      timer: null,
    }));
  }

  get count(): number {
    return this.#slots.length;
  }

  /**
   * Starts every shard's thread.
   *
   * Rejects when one does not come up; the caller then calls {@link stop}.
   */
  async start(): Promise<void> {
    const links = this.#slots.map((slot) => this.#spawn(slot));
    await Promise.all(links.map((link) => withTimeout(link.started, START_TIMEOUT_MS)));
    for (const slot of this.#slots) {
      slot.state = 'started';
      this.#watch(slot);
    }
  }

  /**
   * Ships a snapshot to every shard and waits until all use it. On success the supervisor holds
   * `next` until another replaces it; shards that start later get it too.
   *
   * Rejects with {@link ShardCallError} after every shard was told to use the former snapshot
   * again.
   */
  publish(next: SharedSnapshot): Promise<void> {
    return this.#lock.run(async () => {
      const former = this.#current;
      const failure = await this.#applyToAll(next);
      if (failure !== null) {
        if (former !== null) {
          await this.#applyToAll(former);
        }
        throw failure;
      }
      next.retain();
      this.#current = next;
      former?.release();
      for (const slot of this.#slots) {
        this.#markReady(slot);
      }
    });
  }

  /** Shards whose reactor runs. */
  links(): ShardLink[] {
    return this.#slots
      .filter((slot) => slot.state === 'started' || slot.state === 'ready')
      .flatMap((slot) => slot.link ?? []);
  }

  /** Asks one shard. Rejects with {@link ShardCallError}. */
  call<Name extends ShardCallName>(
    index: number,
    name: Name,
    argument: ShardCalls[Name]['argument'],
    timeoutMs?: number,
  ): Promise<ShardCalls[Name]['result']> {
    const link = this.#slots[index]?.link ?? null;
    if (link === null) {
      return Promise.reject(new ShardCallError('gone', `shard ${index} is not running`));
    }
    return link.call(name, argument, timeoutMs === undefined ? {} : { timeoutMs }).answer;
  }

  /** Asks every running shard; a shard that does not answer is left out of the result. */
  async callAll<Name extends ShardCallName>(
    name: Name,
    argument: ShardCalls[Name]['argument'],
    timeoutMs?: number,
  ): Promise<Map<number, ShardCalls[Name]['result']>> {
    const results = new Map<number, ShardCalls[Name]['result']>();
    await Promise.all(
      this.#slots.map(async (slot) => {
        try {
          results.set(slot.index, await this.call(slot.index, name, argument, timeoutMs));
        } catch (error) {
          if (!(error instanceof ShardCallError)) {
            throw error;
          }
          this.#options.log.debug({ shard: slot.index, call: name, err: error }, 'no answer');
        }
      }),
    );
    return results;
  }

  isReady(index: number): boolean {
    return this.#slots[index]?.state === 'ready';
  }

  /**
   * Keeps new connections away from a shard that stands still, or lets them come again. The last
   * shard that moves is never taken out.
   */
  setStalled(index: number, isStalled: boolean): void {
    const slot = this.#slots[index];
    if (slot === undefined || slot.state !== 'ready' || slot.isStalled === isStalled) {
      return;
    }
    const isOtherMoving = this.#slots.some(
      (other) => other !== slot && other.state === 'ready' && !other.isStalled,
    );
    if (isStalled && !isOtherMoving) {
      return;
    }
    slot.isStalled = isStalled;
    this.#options.acceptor.setShardReady(index, !isStalled);
  }

  view(): ShardView[] {
    const now = performance.now();
    return this.#slots.map((slot) => ({
      shard: slot.index,
      state: slot.state,
      restarts: slot.restarts,
      upMs: slot.state === 'ready' ? Math.round(now - slot.readySinceMs) : 0,
      lastEnd: slot.lastEnd,
      isStalled: slot.isStalled,
    }));
  }

  /** Closes everything the shards hold and ends their threads. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#slots.map((slot) => this.#stopOne(slot)));
    this.#current?.release();
    this.#current = null;
  }

  async #stopOne(slot: Slot): Promise<void> {
    slot.state = 'stopped';
    if (slot.timer !== null) {
      clearTimeout(slot.timer);
      slot.timer = null;
    }
    const link = slot.link;
    slot.link = null;
    if (link === null) {
      return;
    }
    this.#options.acceptor.setShardReady(slot.index, false);
    link.call('stop', null, { timeoutMs: STOP_TIMEOUT_MS });
    const ended = await Promise.race([link.ended, delay(STOP_TIMEOUT_MS)]);
    if (ended === undefined) {
      await link.terminate();
    }
  }

  #spawn(slot: Slot): ShardLink {
    const { native, faults, spawn } = this.#options;
    const port = spawn(slot.index, { native: { ...native, shard: slot.index }, faults });
    const link = new ShardLink(slot.index, port, (news) => {
      if (slot.link === link) this.#options.filters?.news(slot.index, news);
    });
    slot.state = 'starting';
    slot.link = link;
    return link;
  }

  /** Follows a thread to its end and plans its successor. */
  #watch(slot: Slot): void {
    const link = slot.link;
    void link?.ended.then((end) => {
      if (!this.#isStopped && slot.link === link) {
        this.#bury(slot, end);
      }
    });
  }

  #bury(slot: Slot, end: ShardEnd): void {
    const { acceptor, board, log } = this.#options;
    const livedMs = slot.state === 'ready' ? performance.now() - slot.readySinceMs : 0;
    acceptor.setShardReady(slot.index, false);
    board.resetShard(slot.index);
    this.#options.filters?.ended(slot.index);
    const lost = this.#options.countLost();
    slot.state = 'waiting';
    slot.isStalled = false;
    slot.link = null;
    slot.restarts++;
    slot.deathsInRow = livedMs >= RESTART_FORGIVEN_AFTER_MS ? 1 : slot.deathsInRow + 1;
    slot.lastEnd = end.error === null ? `exit code ${end.exitCode}` : end.error.message;
    const delayMs = restartDelayMs(slot.deathsInRow);
    log.error(
      {
        shard: slot.index,
        err: end.error ?? undefined,
        exitCode: end.exitCode,
        connectionsLost: Math.max(0, lost - this.#lost),
        restartInMs: delayMs,
      },
      'a shard died; its connections are lost, the other shards go on',
    );
    this.#lost = lost;
    slot.timer = setTimeout(() => void this.#restart(slot), delayMs);
  }

  async #restart(slot: Slot): Promise<void> {
    slot.timer = null;
    const link = this.#spawn(slot);
    this.#watch(slot);
    try {
      await withTimeout(link.started, START_TIMEOUT_MS);
      await this.#lock.run(() => this.#rejoin(slot, link));
    } catch (error) {
      if (!this.#isStopped) {
        this.#options.log.error({ shard: slot.index, err: error }, 'a shard was not restarted');
        await link.terminate();
      }
    }
  }

  async #rejoin(slot: Slot, link: ShardLink): Promise<void> {
    if (slot.link !== link || this.#isStopped) {
      return;
    }
    slot.state = 'started';
    if (this.#current !== null) {
      const failure = await this.#apply(link, this.#current);
      if (failure !== null) {
        throw failure;
      }
      this.#markReady(slot);
    }
    this.#options.log.info({ shard: slot.index, restarts: slot.restarts }, 'shard restarted');
  }

  /** Gives a snapshot to each shard whose reactor runs; the others get it when they start. */
  async #applyToAll(snapshot: SharedSnapshot): Promise<ShardCallError | null> {
    const outcomes = await Promise.all(this.links().map((link) => this.#apply(link, snapshot)));
    return outcomes.find((outcome) => outcome !== null) ?? null;
  }

  /** Lends a snapshot to one shard. A shard that ends meanwhile is no failure. */
  async #apply(link: ShardLink, snapshot: SharedSnapshot): Promise<ShardCallError | null> {
    try {
      await this.#options.filters?.ready(link, snapshot);
      snapshot.retain();
      const pending = link.call('apply', { fd: snapshot.fd });
      void pending.settled.then(() => snapshot.release());
      await pending.answer;
      return null;
    } catch (error) {
      if (error instanceof ShardCallError) {
        return error.reason === 'gone' ? null : error;
      }
      throw error;
    }
  }

  #markReady(slot: Slot): void {
    if (slot.state !== 'started' || slot.link === null) {
      return;
    }
    slot.state = 'ready';
    slot.isStalled = false;
    slot.readySinceMs = performance.now();
    this.#options.acceptor.setShardReady(slot.index, true);
  }
}

/** How long to wait before the next start, after so many deaths in a row. */
export function restartDelayMs(deathsInRow: number): number {
  return Math.min(RESTART_DELAY_MAX_MS, RESTART_DELAY_MIN_MS * 2 ** Math.min(deathsInRow - 1, 16));
}

function delay(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, undefined).unref();
  });
}

async function withTimeout(promise: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`a shard did not start within ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  try {
    await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
