/**
 * Where keys come from: a file or a URL that is read again and again.
 *
 * Path: `setup` of jwt.ts makes one; verify.ts asks for the set, and for a new one when a token
 * names a key that is not there.
 * Invariant: one read at a time. A read that fails changes nothing: the keys that are there stay,
 * up to `staleMs`. Tokens cannot make it read more often than once for each cool-down.
 */
import type { FilterLog } from 'holdfast/sdk';
import { type KeySet, parseKeySet } from './key-set.ts';

/** How keys are read. */
export interface KeySourceOptions {
  /** The text of a set. */
  readonly read: () => Promise<string>;
  /** What it is read from, for the log. */
  readonly name: string;
  readonly algorithms: readonly string[];
  readonly refreshMs: number;
  readonly cooldownMs: number;
  /** How long the last keys are taken while reads fail. */
  readonly staleMs: number;
  readonly log: FilterLog;
  /** The set is another one now. */
  readonly onChange: () => void;
}

/** After a read that failed, at least this long goes by until the next one by itself. */
const RETRY_MS_MIN = 1000;

/** Keys that are kept fresh. */
export class KeySource {
  readonly #options: KeySourceOptions;
  #text = '';
  #set: KeySet | null = null;
  #failingSinceMs: number | null = null;
  #triedAtMs = -Infinity;
  #reading: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: KeySourceOptions) {
    this.#options = options;
  }

  /** The keys; null when there are none, or only ones that are too old. */
  get keys(): KeySet | null {
    const since = this.#failingSinceMs;
    const isStale = since !== null && performance.now() - since >= this.#options.staleMs;
    return isStale ? null : this.#set;
  }

  /** Reads the set, and goes on reading. Rejects with why the first read failed. */
  async start(): Promise<void> {
    let isRead = false;
    try {
      await this.#readOnce();
      isRead = true;
    } finally {
      this.#schedule(isRead);
    }
  }

  /** Reads now, unless that was done within the cool-down. Never rejects. */
  async readAgain(): Promise<void> {
    const sinceMs = performance.now() - this.#triedAtMs;
    if (this.#reading === null && sinceMs < this.#options.cooldownMs) return;
    await this.#readQuietly();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #schedule(isRead: boolean): void {
    if (this.#isClosed) return;
    const { refreshMs, cooldownMs } = this.#options;
    const retryMs = Math.min(refreshMs, Math.max(cooldownMs, RETRY_MS_MIN));
    const again = async (): Promise<void> => this.#schedule(await this.#readQuietly());
    this.#timer = setTimeout(() => void again(), isRead ? refreshMs : retryMs);
    this.#timer.unref();
  }

  async #readQuietly(): Promise<boolean> {
    const { name, log } = this.#options;
    try {
      await this.#readOnce();
      return true;
    } catch (error) {
      const kept = this.keys === null ? 'there are none' : 'the last ones stay';
      log.warn(`keys cannot be read from ${name}: ${(error as Error).message}; ${kept}`);
      return false;
    }
  }

  async #readOnce(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    await this.#reading;
  }

  async #read(): Promise<void> {
    this.#triedAtMs = performance.now();
    try {
      const text = await this.#options.read();
      if (text !== this.#text) {
        this.#set = parseKeySet(text, this.#options.algorithms);
        this.#text = text;
        this.#options.onChange();
      }
      this.#failingSinceMs = null;
    } catch (error) {
      this.#failingSinceMs ??= performance.now();
      throw error;
    }
  }
}
