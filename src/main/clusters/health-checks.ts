/**
 * Active health checks: connects to each endpoint now and then, asks where it is told to, and tells
 * the board what it found.
 *
 * Path: gateway.ts hands over the endpoints after each snapshot; the native prober connects; shards
 * read the verdict from the board when they choose an endpoint. Runs on the main thread.
 * Invariant: an endpoint counts as healthy until `unhealthyAfter` checks in a row have failed. At
 * most {@link PROBES_MAX} probes are under way; the rest wait their turn. An endpoint that is not
 * checked any more counts as healthy again.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Board, Prober, SocketAddress } from '../../../native/epoll/index.ts';
import type { HealthCheckConfig } from '../config/index.ts';
import type { Log } from '../observe/index.ts';
import { type HttpTarget, judgeStatus } from './http-check.ts';
import { type Handshake, type Question, shakeHands, type TlsTarget } from './tls-probe.ts';

/** Probes under way at once. */
export const PROBES_MAX = 128;
/** The first check of an endpoint comes within this time, or within its interval if that is shorter. */
const FIRST_CHECK_WITHIN_MS = 1_000;
const NOTHING = new Uint8Array();

/** An endpoint to be checked. */
export interface HealthTarget {
  readonly id: number;
  readonly cluster: string;
  /** The address as people write it. */
  readonly text: string;
  readonly address: SocketAddress;
  readonly netnsFd: number;
  readonly check: HealthCheckConfig;
  /** Sent before anything else. */
  readonly prelude: Uint8Array;
  /** What is spoken after connecting; null: nothing. */
  readonly tls: TlsTarget | null;
  /** What is asked then; null: nothing. */
  readonly http: HttpTarget | null;
}

/** What the checks know about an endpoint. */
export interface HealthView {
  readonly isHealthy: boolean;
  /** Why the last check failed; null when it did not. */
  readonly lastError: string | null;
  /** How long the last successful connect took, or the answer in clear; 0 before the first. */
  readonly lastMicros: number;
}

/** Checks of one cluster since the process started. */
export interface ProbeCount {
  readonly cluster: string;
  readonly succeeded: number;
  readonly failed: number;
}

/** What the checks need from the world. */
export interface HealthChecksOptions {
  readonly board: Pick<Board, 'setEndpointHealthy'>;
  readonly prober: Prober;
  readonly log: Log;
  /** 0 to 1. */
  readonly random: () => number;
}

interface Watch {
  target: HealthTarget;
  isHealthy: boolean;
  succeededInRow: number;
  failedInRow: number;
  lastError: string | null;
  lastMicros: number;
  timer: NodeJS.Timeout | null;
  isRetired: boolean;
}

/** Checks endpoints. */
export class HealthChecks {
  readonly #options: HealthChecksOptions;
  readonly #watches = new Map<number, Watch>();
  readonly #counts = new Map<string, { succeeded: number; failed: number }>();
  readonly #due: Watch[] = [];
  #underWay = 0;

  constructor(options: HealthChecksOptions) {
    this.#options = options;
  }

  /** Says which endpoints are checked from now on. What is known about those that stay is kept. */
  configure(targets: readonly HealthTarget[]): void {
    const wanted = new Map(targets.map((target) => [target.id, target]));
    for (const [id, watch] of this.#watches) {
      if (!isSameEndpoint(watch.target, wanted.get(id))) {
        this.#retire(watch);
      }
    }
    for (const target of targets) {
      const watch = this.#watches.get(target.id);
      if (watch === undefined) {
        this.#begin(target);
      } else {
        const isCheckSame = isDeepStrictEqual(watch.target.check, target.check);
        watch.target = target;
        if (!isCheckSame && watch.timer !== null) {
          this.#schedule(watch, this.#firstDelayMs(target.check));
        }
      }
    }
  }

  /** What is known about an endpoint; null when it is not checked. */
  view(id: number): HealthView | null {
    const watch = this.#watches.get(id);
    return watch === undefined
      ? null
      : { isHealthy: watch.isHealthy, lastError: watch.lastError, lastMicros: watch.lastMicros };
  }

  counts(): ProbeCount[] {
    return Array.from(this.#counts, ([cluster, count]) => ({ cluster, ...count }));
  }

  close(): void {
    for (const watch of this.#watches.values()) {
      this.#retire(watch);
    }
    this.#due.length = 0;
    this.#options.prober.close();
  }

  #begin(target: HealthTarget): void {
    const watch: Watch = {
      target,
      isHealthy: true,
      succeededInRow: 0,
      failedInRow: 0,
      lastError: null,
      lastMicros: 0,
      timer: null,
      isRetired: false,
    };
    this.#watches.set(target.id, watch);
    this.#schedule(watch, this.#firstDelayMs(target.check));
  }

  #retire(watch: Watch): void {
    watch.isRetired = true;
    if (watch.timer !== null) {
      clearTimeout(watch.timer);
      watch.timer = null;
    }
    if (!watch.isHealthy) {
      this.#options.board.setEndpointHealthy(watch.target.id, true);
    }
    this.#watches.delete(watch.target.id);
  }

  #firstDelayMs(check: HealthCheckConfig): number {
    return Math.min(check.intervalMs, FIRST_CHECK_WITHIN_MS) * this.#options.random();
  }

  #schedule(watch: Watch, delayMs: number): void {
    if (watch.timer !== null) {
      clearTimeout(watch.timer);
    }
    watch.timer = setTimeout(() => {
      watch.timer = null;
      this.#due.push(watch);
      this.#probeDue();
    }, delayMs);
    watch.timer.unref();
  }

  #probeDue(): void {
    while (this.#underWay < PROBES_MAX) {
      const watch = this.#due.shift();
      if (watch === undefined) {
        return;
      }
      if (!watch.isRetired) {
        this.#probe(watch);
      }
    }
  }

  #probe(watch: Watch): void {
    const { address, netnsFd, check, tls, http, prelude } = watch.target;
    this.#underWay++;
    const isAsked = http !== null && tls === null;
    const request = isAsked ? Buffer.concat([prelude, http.request]) : NOTHING;
    const { timeoutMs } = check;
    const spec = { address, netnsFd, timeoutMs, isKept: tls !== null, request };
    this.#options.prober.probe(spec, (error, micros, fd, status) => {
      if (error !== null || tls === null) {
        const fault = isAsked ? judgeStatus(status, http.statuses) : null;
        this.#end(watch, error ?? fault, micros);
        return;
      }
      const leftMs = Math.max(1, timeoutMs - micros / 1000);
      const question = http === null ? null : this.#questionOf(http);
      const handshake = { fd, address, tls, timeoutMs: leftMs, prelude, question };
      void this.#shakeHands(watch, handshake, micros);
    });
  }

  #questionOf({ request, statuses }: HttpTarget): Question {
    return {
      request,
      readStatus: (bytes) => this.#options.prober.readAnswer(bytes),
      judge: (status) => judgeStatus(status, statuses),
    };
  }

  async #shakeHands(watch: Watch, handshake: Handshake, micros: number): Promise<void> {
    this.#end(watch, await shakeHands(handshake), micros);
  }

  #end(watch: Watch, error: string | null, micros: number): void {
    this.#underWay--;
    if (!watch.isRetired) {
      this.#note(watch, error, micros);
      const spread = (this.#options.random() * 2 - 1) * (watch.target.check.jitterPermille / 1000);
      this.#schedule(watch, watch.target.check.intervalMs * (1 + spread));
    }
    this.#probeDue();
  }

  #note(watch: Watch, error: string | null, micros: number): void {
    const { cluster, check } = watch.target;
    const count = this.#counts.get(cluster) ?? { succeeded: 0, failed: 0 };
    this.#counts.set(cluster, count);
    watch.lastError = error;
    if (error === null) {
      count.succeeded++;
      watch.lastMicros = micros;
      watch.failedInRow = 0;
      watch.succeededInRow++;
    } else {
      count.failed++;
      watch.succeededInRow = 0;
      watch.failedInRow++;
    }
    if (watch.isHealthy && watch.failedInRow >= check.unhealthyAfter) {
      this.#turn(watch, false);
    } else if (!watch.isHealthy && watch.succeededInRow >= check.healthyAfter) {
      this.#turn(watch, true);
    }
  }

  #turn(watch: Watch, isHealthy: boolean): void {
    const { board, log } = this.#options;
    const { id, cluster, text } = watch.target;
    watch.isHealthy = isHealthy;
    board.setEndpointHealthy(id, isHealthy);
    if (isHealthy) {
      log.info({ cluster, endpoint: text }, 'an endpoint is healthy again');
    } else {
      log.warn({ cluster, endpoint: text, err: watch.lastError }, 'an endpoint is unhealthy');
    }
  }
}

function isSameEndpoint(watched: HealthTarget, wanted: HealthTarget | undefined): boolean {
  return wanted !== undefined && watched.text === wanted.text && watched.cluster === wanted.cluster;
}
