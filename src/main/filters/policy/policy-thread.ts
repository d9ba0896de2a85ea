/**
 * Owns the policy thread: tells it what there is, and starts it again when it ends or hangs.
 *
 * Path: steering.ts makes one when a cluster has a balancer or discovery of its own.
 * Invariant: code of users cannot hold up the main thread. A thread that does not answer for
 * SILENCE_MS_MAX is given up, and a new one gets everything again; the last weights and lists hold.
 */
import { Worker } from 'node:worker_threads';
import type { FoundEndpoint, WeighedEndpoint } from '../../../sdk/index.ts';
import type { PolicyReply, PolicyRequest, PolicyUse, WeightsByAddress } from './protocol.ts';

const WORKER_URL = new URL(
  import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js',
  import.meta.url,
);
const PING_MS = 2000;
const SILENCE_MS_MAX = 10_000;
const RESTART_MS = 1000;
/** Beside the silence: what a thread may take to load its modules. */
const START_MS_MAX = 20_000;
const HEAP_MIB_MAX = 128;

/** The end waits for a thread that will not end, but not longer. */
const END_MS_MAX = 1000;

/** What the thread yields. A null means: the same as before. */
export interface PolicyEvents {
  readonly weights: (id: string, weights: WeightsByAddress | null) => void;
  readonly found: (id: string, endpoints: readonly FoundEndpoint[] | null) => void;
  readonly fault: (id: string, message: string) => void;
  /** A cluster's balancer wants {@link PolicyThread.update} with the loads of now. */
  readonly ask: (cluster: string) => void;
  /** The thread hangs or ended; another one starts. */
  readonly lost: (why: string) => void;
}

/** How patient the owner is; tests are less so. */
export interface PolicyPatience {
  readonly pingMs: number;
  readonly silenceMsMax: number;
  readonly restartMs: number;
}

const PATIENCE: PolicyPatience = {
  pingMs: PING_MS,
  silenceMsMax: SILENCE_MS_MAX,
  restartMs: RESTART_MS,
};

/** The thread of balancers and discoveries. */
export class PolicyThread {
  readonly #events: PolicyEvents;
  readonly #patience: PolicyPatience;
  readonly #endpoints = new Map<string, readonly WeighedEndpoint[]>();
  readonly #timer: NodeJS.Timeout;
  #uses: readonly PolicyUse[] = [];
  #worker: Worker | null = null;
  #heardMs = 0;
  #restart: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(events: PolicyEvents, patience: PolicyPatience = PATIENCE) {
    this.#events = events;
    this.#patience = patience;
    this.#timer = setInterval(() => this.#look(), patience.pingMs);
    this.#timer.unref();
  }

  /** Replaces all balancers and discoveries; those that did not change go on. */
  apply(uses: readonly PolicyUse[]): void {
    this.#uses = uses;
    const clusters = new Set(uses.map((use) => use.cluster));
    for (const cluster of this.#endpoints.keys()) {
      if (!clusters.has(cluster)) this.#endpoints.delete(cluster);
    }
    if (uses.length === 0) void this.#stop();
    else if (this.#worker === null && this.#restart === null) this.#start();
    else this.#post({ kind: 'apply', uses });
  }

  /** What a cluster's balancer weighs from now on. */
  update(cluster: string, endpoints: readonly WeighedEndpoint[]): void {
    this.#endpoints.set(cluster, endpoints);
    this.#post({ kind: 'endpoints', cluster, endpoints });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    // The timer is no reason for the process to stay.
    const patience = new Promise((resolve) => setTimeout(resolve, END_MS_MAX).unref());
    await Promise.race([this.#stop(), patience]);
  }

  async #stop(): Promise<void> {
    if (this.#restart !== null) clearTimeout(this.#restart);
    this.#restart = null;
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  #post(request: PolicyRequest): void {
    this.#worker?.postMessage(request);
  }

  #start(): void {
    this.#restart = null;
    if (this.#isClosed) return;
    const worker = new Worker(WORKER_URL, {
      name: 'policy',
      execArgv: ['--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
    });
    worker.unref();
    this.#worker = worker;
    this.#heardMs = performance.now() + START_MS_MAX;
    worker.on('message', (reply: PolicyReply) => {
      if (worker === this.#worker) this.#take(reply);
    });
    worker.once('error', (error: Error) => this.#lose(worker, error.message));
    worker.once('exit', (code) => this.#lose(worker, `it ended with code ${code}`));
    this.#post({ kind: 'apply', uses: this.#uses });
    for (const [cluster, endpoints] of this.#endpoints) {
      this.#post({ kind: 'endpoints', cluster, endpoints });
    }
  }

  #take(reply: PolicyReply): void {
    this.#heardMs = performance.now();
    if (reply.kind === 'weights') this.#events.weights(reply.id, reply.weights);
    else if (reply.kind === 'found') this.#events.found(reply.id, reply.endpoints);
    else if (reply.kind === 'fault') this.#events.fault(reply.id, reply.message);
    else if (reply.kind === 'ask') this.#events.ask(reply.cluster);
  }

  #lose(worker: Worker, why: string): void {
    if (worker !== this.#worker) return;
    this.#worker = null;
    this.#events.lost(why);
    this.#restart = setTimeout(() => this.#start(), this.#patience.restartMs);
    this.#restart.unref();
  }

  #look(): void {
    const worker = this.#worker;
    if (worker === null) return;
    if (performance.now() - this.#heardMs > this.#patience.silenceMsMax) {
      this.#lose(worker, `it did not answer for ${this.#patience.silenceMsMax} ms`);
      void worker.terminate();
      return;
    }
    worker.postMessage({ kind: 'ping' });
  }
}
