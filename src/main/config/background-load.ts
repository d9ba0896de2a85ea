/**
 * Loads configurations on a thread of their own, so that a reload takes no turn from the shards.
 *
 * Path: the command line reloads through it -> load-worker.ts -> load.ts.
 * Invariant: the outcome is that of a load on the main thread. Where the thread finds a fault,
 * dies, or gets no turn in time, the main thread loads as well: a machine without an idle moment
 * delays a reload but never prevents it. One load at a time, in the order of the requests.
 * Does not know filters.
 */
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { type LoadResult, loadConfigFile, loadConfigText } from './load.ts';
import { createWorld } from './world.ts';

/** How long the thread may take at least, and how often as long as the main thread took. */
const WAIT_MS = 250;
const WAIT_TIMES = 4;
/** The thread ends when nothing was loaded for so long. */
const IDLE_MS = 10_000;
/** Its heap: a configuration of 4 MiB takes a tenth of it. */
const HEAP_MIB_MAX = 1024;

const WORKER_URL = new URL(
  import.meta.url.endsWith('.ts') ? './load-worker.ts' : './load-worker.js',
  import.meta.url,
);

/** What is to be loaded. */
export interface LoadSource {
  /** Null: what the file holds. */
  readonly text: string | null;
  readonly path: string | null;
}

/** What the thread is asked. */
export interface LoadRequest extends LoadSource {
  readonly id: number;
}

/** What it answers. */
export interface LoadAnswer {
  readonly id: number;
  readonly result: Omit<LoadResult, 'material'>;
}

/** What is needed of a thread; `worker_threads.Worker` has it. */
export interface LoadPort {
  postMessage(request: LoadRequest): void;
  on(event: 'message', listener: (answer: LoadAnswer) => void): unknown;
  on(event: 'error' | 'exit', listener: () => void): unknown;
  terminate(): Promise<unknown>;
  unref(): void;
}

/** For tests. */
export interface BackgroundLoaderOptions {
  readonly spawn?: () => LoadPort;
  readonly waitMs?: number;
}

function spawnThread(): LoadPort {
  return new Worker(WORKER_URL, {
    name: 'config',
    env: SHARE_ENV,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
  });
}

/** Loads here or there. */
export class BackgroundLoader {
  readonly #spawn: () => LoadPort;
  readonly #waitMs: number;
  #last: Promise<unknown> = Promise.resolve();
  #port: LoadPort | null = null;
  #idleTimer: NodeJS.Timeout | null = null;
  /** The request that the thread has not answered; its answer may not be waited for any more. */
  #asked: { readonly id: number; readonly resolve: (answer: LoadAnswer | null) => void } | null =
    null;
  #nextId = 1;
  #tookMs = 0;

  constructor({ spawn = spawnThread, waitMs = WAIT_MS }: BackgroundLoaderOptions = {}) {
    this.#spawn = spawn;
    this.#waitMs = waitMs;
  }

  /** Loads on this thread. */
  loadHere({ text, path }: LoadSource): LoadResult {
    const startMs = performance.now();
    const result = text === null ? loadConfigFile(path ?? '') : loadConfigText(text, path);
    this.#tookMs = performance.now() - startMs;
    return result;
  }

  /** Loads on the other thread, where that is possible. Never rejects. */
  load(source: LoadSource): Promise<LoadResult> {
    const outcome = this.#last.then(() => this.#load(source));
    this.#last = outcome.catch(() => {});
    return outcome;
  }

  async #load(source: LoadSource): Promise<LoadResult> {
    const result = (await this.#ask(source))?.result ?? null;
    if (result === null || result.config === null) return this.loadHere(source);
    const { material, problems } = createWorld(source.path).loadTls(result.config);
    return problems.length === 0 ? { ...result, material } : this.loadHere(source);
  }

  /** Null: no answer in time, or none at all. */
  async #ask(source: LoadSource): Promise<LoadAnswer | null> {
    // It did not get to what it was asked last.
    if (this.#asked !== null) return null;
    const port = this.#start();
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<LoadAnswer | null>();
    const timer = setTimeout(resolve, this.#waitMs + WAIT_TIMES * this.#tookMs, null);
    this.#asked = { id, resolve };
    port.postMessage({ ...source, id });
    const answer = await promise;
    clearTimeout(timer);
    return answer;
  }

  #start(): LoadPort {
    if (this.#port !== null) return this.#port;
    const port = this.#spawn();
    port.unref();
    port.on('message', (answer) => {
      if (this.#asked?.id !== answer.id) return;
      const { resolve } = this.#asked;
      this.#asked = null;
      resolve(answer);
      this.#endLater(port);
    });
    const drop = (): void => {
      if (this.#port !== port) return;
      this.#port = null;
      this.#asked?.resolve(null);
      this.#asked = null;
    };
    port.on('error', drop);
    port.on('exit', drop);
    this.#port = port;
    return port;
  }

  #endLater(port: LoadPort): void {
    this.#idleTimer = setTimeout(() => {
      if (this.#port !== port || this.#asked !== null) return;
      this.#port = null;
      void port.terminate();
    }, IDLE_MS);
    this.#idleTimer.unref();
  }
}
