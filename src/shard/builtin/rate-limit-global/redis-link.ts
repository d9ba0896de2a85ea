/**
 * The one connection of a shard to Redis, for one script.
 *
 * Path: rate-limit-global.ts asks; commands of one turn leave in one write.
 * Invariant: every question settles within the timeout. A connection that is lost is made again,
 * ever more slowly; one that gives no answers for STALLED_MS is thrown away, because TCP alone
 * would notice after a quarter of an hour.
 */
import { createHash } from 'node:crypto';
import { createClient } from '@redis/client';

/** Questions that may wait for their answers. */
const QUESTIONS_MAX = 4096;
const STALLED_MS = 2000;
const RECONNECT_MS_MIN = 50;
const RECONNECT_MS_MAX = 2000;
const CONNECT_MS_MAX = 2000;
/** How long the start waits for the connection. */
const START_MS_MAX = 500;

/** How to reach Redis. */
export interface RedisLinkOptions {
  /** `redis://host:port/number`, `rediss://...`, `unix:/path`. */
  readonly url: string;
  readonly password: string | undefined;
  readonly script: string;
  readonly timeoutMs: number;
  /** Tells what goes wrong; called often. */
  readonly tell: (message: string) => void;
}

function openClient({ url, password, tell }: RedisLinkOptions) {
  const path = /^unix:(.*)$/.exec(url)?.[1];
  const reconnectStrategy = (tries: number): number => {
    const limitMs = Math.min(RECONNECT_MS_MAX, RECONNECT_MS_MIN * 2 ** Math.min(tries, 10));
    return Math.round(limitMs * (0.5 + Math.random() / 2));
  };
  const timing = { connectTimeout: CONNECT_MS_MAX, reconnectStrategy };
  const client = createClient({
    ...(path === undefined
      ? { url, socket: timing }
      : { socket: { ...timing, path, tls: false as const } }),
    ...(password !== undefined && { password }),
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandsQueueMaxLength: QUESTIONS_MAX,
  });
  client.on('error', (error: Error) => tell(error.message));
  return client;
}

/** Rejects when a promise does not settle in time. */
async function withDeadline<Value>(promise: Promise<Value>, ms: number): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A connection that runs one script. */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #digest: string;
  #client: ReturnType<typeof openClient>;
  /** When the first question was asked since the last answer; null when there is none. */
  #silentSinceMs: number | null = null;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#digest = createHash('sha1').update(options.script).digest('hex');
    this.#client = openClient(options);
  }

  /** Connects, and gives up waiting for it, but not trying, after the limit. Never rejects. */
  async start(): Promise<void> {
    const connecting = this.#client.connect();
    connecting.catch(() => {});
    await withDeadline(connecting, START_MS_MAX).catch((error: Error) => {
      this.#options.tell(error.message);
    });
  }

  /** Runs the script. Rejects with the reason when there is no answer in time. */
  async run(key: string, args: readonly string[]): Promise<unknown> {
    this.#silentSinceMs ??= performance.now();
    try {
      return await withDeadline(this.#ask(key, args), this.#options.timeoutMs);
    } catch (error) {
      if (!this.#client.isReady) this.#silentSinceMs = null;
      const sinceMs = this.#silentSinceMs ?? Infinity;
      if (performance.now() - sinceMs > STALLED_MS) this.#replace();
      throw error;
    }
  }

  close(): void {
    this.#client.destroy();
  }

  async #ask(key: string, args: readonly string[]): Promise<unknown> {
    try {
      return await this.#send(['EVALSHA', this.#digest, '1', key, ...args]);
    } catch (error) {
      if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
      return await this.#send(['EVAL', this.#options.script, '1', key, ...args]);
    }
  }

  async #send(command: string[]): Promise<unknown> {
    const client = this.#client;
    try {
      return await client.sendCommand(command);
    } finally {
      // An answer that says no is an answer, and so is one that comes too late.
      if (client === this.#client) this.#silentSinceMs = null;
    }
  }

  #replace(): void {
    this.#silentSinceMs = null;
    this.#options.tell(`no answers for ${STALLED_MS} ms; connecting anew`);
    this.#client.destroy();
    this.#client = openClient(this.#options);
    void this.start();
  }
}
