/**
 * Watches each shard's heartbeat and reports threads that stand still.
 *
 * Path: gateway.ts calls {@link Watchdog.tick} every 100 ms; the pulse is read from shared memory,
 * so a stalled shard is seen although it cannot answer.
 * Invariant: one stall is logged at most three times: when it passes 100 ms, when it passes 1 s,
 * and at its end. When the main thread itself was late, a tick only counts that: a late observer
 * proves nothing. Does not end a stalled shard: its native part may still hold thousands of healthy
 * connections.
 */
import type { Board, ShardPulse } from '../../../native/epoll/index.ts';
import type { Log } from '../observe/index.ts';

/** How often the pulses are read. */
export const TICK_MS = 100;
/** How often an idle shard is asked for a heartbeat. */
const PING_INTERVAL_NS = 1_000_000_000n;
/** From here on a thread counts as stalled. */
const STALL_NS = 100_000_000n;
/** From here on it is reported as an error. */
const STALL_SEVERE_NS = 1_000_000_000n;

const NS_PER_MS = 1_000_000n;

/** What the watchdog needs from the world. */
export interface WatchdogOptions {
  readonly board: Board;
  readonly count: number;
  readonly activities: readonly string[];
  readonly log: Log;
  readonly isReady: (shard: number) => boolean;
  /** Called when a stall passes a second, and when that one ends. */
  readonly onStall: (shard: number, state: 'stalled' | 'moving') => void;
  /** What a filter of the shard does right now, in words; null: nothing. */
  readonly describeBusy?: (shard: number) => string | null;
  /** CLOCK_MONOTONIC in nanoseconds. */
  readonly nowNs: () => bigint;
}

interface Watch {
  pingedAtNs: bigint;
  isPingOpen: boolean;
  heartbeatsAtPing: number;
  stallStartNs: bigint | null;
  isSevere: boolean;
  stalls: number;
  stalledMs: number;
}

/** Stalls of one shard since the process started. */
export interface StallCount {
  readonly stalls: number;
  readonly stalledMs: number;
}

/** Detects stalls of shards, and of the main thread itself. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #watches: Watch[];
  #lastTickNs: bigint;
  #mainStalls = 0;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#lastTickNs = options.nowNs();
    this.#watches = Array.from({ length: options.count }, () => ({
      pingedAtNs: 0n,
      isPingOpen: false,
      heartbeatsAtPing: 0,
      stallStartNs: null,
      isSevere: false,
      stalls: 0,
      stalledMs: 0,
    }));
  }

  /** Reads every pulse once. */
  tick(): void {
    const now = this.#options.nowNs();
    const lateNs = now - this.#lastTickNs - BigInt(TICK_MS) * NS_PER_MS;
    this.#lastTickNs = now;
    if (lateNs > STALL_NS) {
      this.#mainStalls++;
      this.#options.log.warn({ forMs: toMs(lateNs) }, 'the main thread stalled');
      return;
    }
    for (const [shard, watch] of this.#watches.entries()) {
      if (this.#options.isReady(shard)) {
        this.#check(shard, watch, now);
      } else {
        watch.isPingOpen = false;
        watch.stallStartNs = null;
      }
    }
  }

  /** Stalls of each shard since the process started. */
  counts(): StallCount[] {
    return this.#watches.map(({ stalls, stalledMs }) => ({ stalls, stalledMs }));
  }

  /** How often the main thread was late by more than 100 ms. */
  get mainStalls(): number {
    return this.#mainStalls;
  }

  #check(shard: number, watch: Watch, now: bigint): void {
    const { board } = this.#options;
    const pulse = board.pulse(shard);
    if (watch.isPingOpen && pulse.heartbeats !== watch.heartbeatsAtPing) {
      watch.isPingOpen = false;
    }
    const inTurnNs = pulse.isInTurn ? now - pulse.turnStartNs : 0n;
    const unansweredNs = watch.isPingOpen ? now - watch.pingedAtNs : 0n;
    const stalledNs = inTurnNs > unansweredNs ? inTurnNs : unansweredNs;
    if (stalledNs > STALL_NS) {
      const activity = this.#describe(shard, pulse);
      this.#report({ shard, watch, stalledNs, now, activity });
    } else if (watch.stallStartNs !== null) {
      this.#end(shard, watch, now);
    }
    if (!watch.isPingOpen && now - watch.pingedAtNs >= PING_INTERVAL_NS) {
      watch.isPingOpen = true;
      watch.pingedAtNs = now;
      watch.heartbeatsAtPing = pulse.heartbeats;
      board.ping(shard);
    }
  }

  /** A filter is named even where the turn that called it is known: it is what can be mended. */
  #describe(shard: number, pulse: ShardPulse): string {
    const { activities, describeBusy } = this.#options;
    const filter = describeBusy?.(shard) ?? null;
    if (filter !== null) return filter;
    if (!pulse.isInTurn) return 'JavaScript';
    return activities[pulse.activity] ?? `activity ${pulse.activity}`;
  }

  #report(stall: {
    readonly shard: number;
    readonly watch: Watch;
    readonly stalledNs: bigint;
    readonly now: bigint;
    readonly activity: string;
  }): void {
    const { shard, watch, stalledNs, now, activity } = stall;
    const fields = { shard, forMs: toMs(stalledNs), doing: activity };
    if (watch.stallStartNs === null) {
      watch.stallStartNs = now - stalledNs;
      watch.isSevere = false;
      watch.stalls++;
      this.#options.log.warn(fields, 'a shard stalls');
    }
    if (!watch.isSevere && stalledNs >= STALL_SEVERE_NS) {
      watch.isSevere = true;
      this.#options.log.error(fields, 'a shard stalls for more than a second');
      this.#options.onStall(shard, 'stalled');
    }
  }

  #end(shard: number, watch: Watch, now: bigint): void {
    const forMs = toMs(now - (watch.stallStartNs ?? now));
    watch.stallStartNs = null;
    watch.stalledMs += forMs;
    if (watch.isSevere) {
      watch.isSevere = false;
      this.#options.onStall(shard, 'moving');
    }
    this.#options.log.warn({ shard, forMs }, 'a shard goes on after a stall');
  }
}

function toMs(ns: bigint): number {
  return Number(ns / NS_PER_MS);
}
