/**
 * Addresses behind DNS names, kept fresh by TTL.
 *
 * Path: resolve.ts reads it when endpoints are compiled; a change makes gateway.ts publish a
 * snapshot.
 * Invariant: a name that once resolved keeps its last good addresses until better ones come; no
 * failure removes an endpoint. Each name has one query under way at most, and at most
 * {@link RECORDS_MAX} addresses.
 */
import type { DnsConfig } from '../config/index.ts';
import type { Log } from '../observe/index.ts';
import type { Answer, Lookups } from './dns-lookups.ts';

/** Addresses kept for one name. */
export const RECORDS_MAX = 256;
/** How much later than due a name is asked again, at most; spreads queries. */
const JITTER = 0.1;

/** A name, and how its cluster wants it resolved. */
export interface DnsQuery {
  readonly host: string;
  readonly dns: DnsConfig;
}

/** One name as status and metrics show it. */
export interface DnsView {
  readonly host: string;
  readonly addresses: readonly string[];
  readonly lastError: string | null;
  readonly failures: number;
}

/** What the table needs from the world. */
export interface DnsTableOptions {
  readonly lookups: Lookups;
  readonly log: Log;
  /** 0 to 1. */
  readonly random: () => number;
  /** Called when a name's addresses differ from before. */
  readonly onChange: () => void;
}

interface Entry {
  readonly query: DnsQuery;
  addresses: readonly string[] | null;
  failuresInRow: number;
  failures: number;
  lastError: string | null;
  timer: NodeJS.Timeout | null;
  readonly firstOutcome: PromiseWithResolvers<void>;
  isRetired: boolean;
}

/** Follows names. */
export class DnsTable {
  readonly #options: DnsTableOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: DnsTableOptions) {
    this.#options = options;
  }

  /** Starts following these names too, and waits for their first outcomes, for at most `timeoutMs`. */
  async add(queries: readonly DnsQuery[], timeoutMs: number): Promise<void> {
    const entries = queries.map((query) => this.#follow(query));
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      Promise.all(entries.map((entry) => entry.firstOutcome.promise)),
      new Promise((resolve) => {
        timer = setTimeout(resolve, timeoutMs);
      }),
    ]);
    clearTimeout(timer);
  }

  /** Stops following every name that is not among these. */
  retain(queries: readonly DnsQuery[]): void {
    const wanted = new Set(queries.map(keyOf));
    for (const [key, entry] of this.#entries) {
      if (!wanted.has(key)) {
        retire(entry);
        this.#entries.delete(key);
      }
    }
  }

  /** The addresses of a name; null when it never resolved. */
  addresses(query: DnsQuery): readonly string[] | null {
    return this.#entries.get(keyOf(query))?.addresses ?? null;
  }

  view(): DnsView[] {
    return Array.from(this.#entries.values(), (entry) => ({
      host: entry.query.host,
      addresses: entry.addresses ?? [],
      lastError: entry.lastError,
      failures: entry.failures,
    }));
  }

  close(): void {
    this.retain([]);
    this.#options.lookups.close();
  }

  #follow(query: DnsQuery): Entry {
    const key = keyOf(query);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      return known;
    }
    const entry: Entry = {
      query,
      addresses: null,
      failuresInRow: 0,
      failures: 0,
      lastError: null,
      timer: null,
      firstOutcome: Promise.withResolvers<void>(),
      isRetired: false,
    };
    this.#entries.set(key, entry);
    void this.#refresh(entry);
    return entry;
  }

  async #refresh(entry: Entry): Promise<void> {
    const { host, dns } = entry.query;
    entry.timer = null;
    let delayMs: number;
    try {
      const answer = await this.#options.lookups.resolve(host, dns);
      delayMs = this.#accept(entry, answer);
    } catch (error) {
      delayMs = this.#noteFailure(entry, error);
    }
    entry.firstOutcome.resolve();
    if (!entry.isRetired) {
      const jitteredMs = delayMs * (1 + JITTER * this.#options.random());
      entry.timer = setTimeout(() => void this.#refresh(entry), jitteredMs);
      entry.timer.unref();
    }
  }

  #accept(entry: Entry, answer: Answer): number {
    const { host, dns } = entry.query;
    if (answer.addresses.length === 0) {
      throw new Error('the answer has no addresses');
    }
    const addresses = answer.addresses.slice(0, RECORDS_MAX);
    if (answer.addresses.length > RECORDS_MAX) {
      this.#options.log.warn(
        { host, records: answer.addresses.length, kept: RECORDS_MAX },
        'a name has more addresses than are used',
      );
    }
    if (entry.failuresInRow > 0) {
      this.#options.log.info({ host, addresses }, 'a name resolves again');
    }
    entry.failuresInRow = 0;
    entry.lastError = null;
    const isChanged = entry.addresses?.join(' ') !== addresses.join(' ');
    entry.addresses = addresses;
    if (isChanged && !entry.isRetired) {
      this.#options.onChange();
    }
    return clamp(answer.ttlMs ?? dns.refreshMinMs, dns.refreshMinMs, dns.refreshMaxMs);
  }

  #noteFailure(entry: Entry, error: unknown): number {
    const { host, dns } = entry.query;
    entry.failures++;
    entry.failuresInRow++;
    entry.lastError = error instanceof Error ? error.message : String(error);
    if (entry.failuresInRow === 1 && !entry.isRetired) {
      const kept = entry.addresses?.length ?? 0;
      this.#options.log.warn(
        { host, err: entry.lastError, kept },
        'a name does not resolve; its last good addresses stay in use',
      );
    }
    const backedOffMs = dns.refreshMinMs * 2 ** Math.min(entry.failuresInRow - 1, 16);
    return clamp(backedOffMs, dns.refreshMinMs, dns.refreshMaxMs);
  }
}

function keyOf({ host, dns }: DnsQuery): string {
  return JSON.stringify([host, dns.family, dns.resolvers, dns.refreshMinMs, dns.refreshMaxMs]);
}

function retire(entry: Entry): void {
  entry.isRetired = true;
  if (entry.timer !== null) {
    clearTimeout(entry.timer);
  }
  entry.firstOutcome.resolve();
}

function clamp(value: number, min: number, max: number): number {
  return Math.max(min, Math.min(value, max));
}
