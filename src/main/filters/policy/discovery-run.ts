/**
 * Runs the `watch` of one cluster's discovery, again and again.
 *
 * Path: worker.ts makes one for each cluster with a discovery of its own.
 * Invariant: only lists that make sense leave here, at most one in LIST_GAP_MS: who yields faster
 * waits. When the iterator throws or ends, the last list holds and it begins anew after a pause
 * that doubles from PAUSE_MIN_MS to PAUSE_MAX_MS. An abort ends it at once, whatever it waits for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Discovery, FoundEndpoint } from '../../../sdk/index.ts';
import { parseAddress } from '../../model/index.ts';

export const PAUSE_MIN_MS = 1000;
export const PAUSE_MAX_MS = 60_000;
/** A discovery is asked for its next list after this. */
export const LIST_GAP_MS = 100;
/** As many as a cluster may have. */
const ENDPOINTS_MAX = 4096;
const WEIGHT_MAX = 1000;
const LABELS_MAX = 32;
/** As the configuration has it. */
const LABEL = /^[\x21-\x7e]{1,63}$/;
/** Bytes of the path of a Unix socket (unix(7)). */
const PATH_BYTES_MAX = 107;

function checkAddress(address: unknown): string {
  if (typeof address !== 'string' || address === '') {
    throw new TypeError('it yielded an endpoint without an address');
  }
  const parsed = parseAddress(address);
  if (parsed === null) {
    throw new TypeError(
      `it yielded ${JSON.stringify(address)}, which is no IP literal with a port, and no unix:PATH`,
    );
  }
  if ('path' in parsed && Buffer.byteLength(parsed.path) > PATH_BYTES_MAX) {
    throw new TypeError(`it yielded a path of more than ${PATH_BYTES_MAX} bytes`);
  }
  return address;
}

function checkLabels(labels: unknown, address: string): Record<string, string> {
  const isMap = typeof labels === 'object' && labels !== null && !Array.isArray(labels);
  const pairs = isMap ? Object.entries(labels) : [];
  const isRight = (text: unknown): boolean => typeof text === 'string' && LABEL.test(text);
  const isPlain = pairs.every(([key, text]) => isRight(key) && isRight(text));
  if (!isMap || !isPlain || pairs.length > LABELS_MAX) {
    throw new TypeError(
      `it yielded ${address} with labels that are none: up to ${LABELS_MAX} texts of 1 to 63 ` +
        'visible characters',
    );
  }
  return Object.fromEntries(pairs) as Record<string, string>;
}

function checkEndpoint(value: unknown): FoundEndpoint {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as {
    readonly [Key in keyof FoundEndpoint]?: unknown;
  };
  const { weight = 1, labels = {} } = fields;
  const address = checkAddress(fields.address);
  if (!Number.isInteger(weight) || Number(weight) < 1 || Number(weight) > WEIGHT_MAX) {
    throw new TypeError(`it yielded ${address} with weight ${String(weight)}`);
  }
  return { address, weight: Number(weight), labels: checkLabels(labels, address) };
}

/** A list that was checked. @throws TypeError with one sentence */
export function checkEndpoints(list: unknown): FoundEndpoint[] {
  if (!Array.isArray(list)) throw new TypeError(`it yielded ${typeof list}, not a list`);
  if (list.length > ENDPOINTS_MAX) {
    throw new TypeError(`it yielded ${list.length} endpoints; ${ENDPOINTS_MAX} are possible`);
  }
  return Array.from(list, checkEndpoint);
}

/** What a discovery at work tells. */
export interface DiscoveryEvents {
  /** Null: the same list as before. */
  readonly found: (endpoints: readonly FoundEndpoint[] | null) => void;
  readonly fault: (message: string) => void;
}

/** What a discovery is run with. */
export type DiscoveryAbout = Parameters<Discovery<unknown>['watch']>[0];

/** Waits for a Promise or for the abort; of what was waited for nothing is kept. */
class Abortable {
  #stop = (): void => {};

  constructor(signal: AbortSignal) {
    signal.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** Null at the abort. */
  wait<Value>(promise: Promise<Value>): Promise<Value | null> {
    return new Promise((resolve, reject) => {
      this.#stop = () => resolve(null);
      promise.then(resolve, reject);
    });
  }
}

/** Lets go of an iterator; what it still waits for is its own business. */
async function leave(iterator: AsyncIterator<unknown> | null): Promise<void> {
  try {
    await iterator?.return?.();
  } catch {
    // Its last words have nobody to hear them.
  }
}

/** One discovery at work. */
class DiscoveryRun {
  readonly #discovery: Discovery<unknown>;
  readonly #about: DiscoveryAbout;
  readonly #events: DiscoveryEvents;
  readonly #abortable: Abortable;
  #pauseMs = PAUSE_MIN_MS;
  #last = '';

  constructor(discovery: Discovery<unknown>, about: DiscoveryAbout, events: DiscoveryEvents) {
    this.#discovery = discovery;
    this.#about = about;
    this.#events = events;
    this.#abortable = new Abortable(about.signal);
  }

  async run(): Promise<void> {
    const { signal } = this.#about;
    while (!signal.aborted) {
      const why = await this.#watchOnce();
      if (signal.aborted) return;
      this.#events.fault(`${why}; again in ${this.#pauseMs / 1000} s`);
      await sleep(this.#pauseMs, undefined, { signal, ref: false }).catch(() => {});
      this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MAX_MS);
    }
  }

  /** Iterates once; returns why it is over. */
  async #watchOnce(): Promise<string> {
    const { signal } = this.#about;
    let iterator: AsyncIterator<unknown> | null = null;
    try {
      iterator = this.#discovery.watch(this.#about)[Symbol.asyncIterator]();
      for (;;) {
        const next = await this.#abortable.wait(iterator.next());
        if (next === null || next.done === true) return 'it ended';
        this.#take(next.value);
        await sleep(LIST_GAP_MS, undefined, { signal, ref: false });
      }
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      void leave(iterator);
    }
  }

  #take(list: unknown): void {
    const endpoints = checkEndpoints(list);
    const text = JSON.stringify(endpoints);
    const isSame = text === this.#last;
    this.#last = text;
    this.#pauseMs = PAUSE_MIN_MS;
    this.#events.found(isSame ? null : endpoints);
  }
}

/** Watches until the signal aborts. Never rejects. */
export function runDiscovery(
  discovery: Discovery<unknown>,
  about: DiscoveryAbout,
  events: DiscoveryEvents,
): Promise<void> {
  return new DiscoveryRun(discovery, about, events).run();
}
