/**
 * The pool that runs what filters give away: one for the process, reached from every shard by port.
 *
 * Path: src/shard/filters/offload-client.ts -> port -> here -> a thread -> back.
 * Invariant: every job is answered once, unless it was cancelled. What would wait longer than its
 * deadline is shed at once instead of queued, so the queue never holds work that nobody waits for.
 */
import { availableParallelism } from 'node:os';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { OffloadFailure } from '../../../sdk/index.ts';
import type { OffloadReply, OffloadRequest, Program } from '../../../shard/filters/index.ts';
import { type TimeCounts, Times } from './times.ts';
import type { PoolJob, PoolOutcome } from './worker.ts';

const WORKER_URL = new URL(
  import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js',
  import.meta.url,
);
/** A thread without work ends after this, the first one excepted. */
const IDLE_MS = 30_000;
const HEAP_MIB_MAX = 256;
const QUEUE_MAX = 1024;

/** How large the pool is. */
export interface OffloadPoolOptions {
  /** Without it one for each core but one. */
  readonly threads?: number;
  /** Jobs that may wait; what comes beyond is shed. */
  readonly queueMax?: number;
  /** Called when a thread ended by an error that was no job’s. */
  readonly onError?: (error: Error) => void;
}

/** What the pool counted. */
export interface OffloadCounts {
  readonly queued: number;
  readonly running: number;
  readonly done: number;
  readonly failures: Readonly<Record<OffloadFailure, number>>;
  readonly wait: TimeCounts;
  readonly run: TimeCounts;
}

type RunRequest = Extract<OffloadRequest, { kind: 'run' }>;

interface Job {
  readonly abort: AbortController;
  isLate: boolean;
}

/** The pool. */
export class OffloadPool {
  readonly #pool: Piscina<PoolJob, PoolOutcome>;
  readonly #threads: number;
  readonly #queueMax: number;
  readonly #programs = new Map<string, SharedArrayBuffer>();
  readonly #ports = new Set<MessagePort>();
  readonly #wait = new Times();
  readonly #run = new Times();
  readonly #failures = { shed: 0, deadline: 0, cancelled: 0, failed: 0 };
  #active = 0;

  constructor(options: OffloadPoolOptions = {}) {
    this.#threads = options.threads ?? Math.max(1, availableParallelism() - 1);
    this.#queueMax = options.queueMax ?? QUEUE_MAX;
    this.#pool = new Piscina({
      filename: WORKER_URL.href,
      // There is a pool once a filter needs one; its first job finds a thread.
      minThreads: 1,
      maxThreads: this.#threads,
      idleTimeout: IDLE_MS,
      maxQueue: this.#queueMax,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
    });
    // Without a listener it would end the process.
    this.#pool.on('error', (error: Error) => options.onError?.(error));
  }

  /** Programs that jobs may name. Those of former generations stay as long as they are listed. */
  setPrograms(programs: readonly Program[]): void {
    const hashes = new Set(programs.map((program) => program.hash));
    for (const hash of this.#programs.keys()) {
      if (!hashes.has(hash)) this.#programs.delete(hash);
    }
    for (const program of programs) {
      if (this.#programs.has(program.hash)) continue;
      const bytes = new TextEncoder().encode(JSON.stringify(program));
      const memory = new SharedArrayBuffer(bytes.length);
      new Uint8Array(memory).set(bytes);
      this.#programs.set(program.hash, memory);
    }
  }

  /** A port for one shard; jobs of a port that closes are cancelled. */
  connect(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    const jobs = new Map<number, Job>();
    const reply = (answer: OffloadReply): void => {
      if (!jobs.delete(answer.job)) return;
      if (answer.kind === 'failed') this.#failures[answer.failure]++;
      try {
        port1.postMessage(answer);
      } catch (error) {
        const { job } = answer;
        const message = `its result cannot be cloned: ${(error as Error).message}`;
        port1.postMessage({ kind: 'failed', job, failure: 'failed', message });
      }
    };
    port1.on('message', (request: OffloadRequest) => {
      if (request.kind === 'run') this.#start(request, jobs, reply);
      else jobs.get(request.job)?.abort.abort();
    });
    port1.once('close', () => {
      this.#ports.delete(port1);
      for (const job of jobs.values()) job.abort.abort();
      jobs.clear();
    });
    port1.unref();
    this.#ports.add(port1);
    return port2;
  }

  counts(): OffloadCounts {
    const queued = this.#pool.queueSize;
    return {
      queued,
      running: this.#active - queued,
      done: this.#run.read().count,
      failures: { ...this.#failures },
      wait: this.#wait.read(),
      run: this.#run.read(),
    };
  }

  /** Ends threads and ports; jobs under way are cancelled. */
  async close(): Promise<void> {
    for (const port of this.#ports) port.close();
    await this.#pool.destroy();
  }

  /** Why a job should not even wait; null when it may. */
  #refusal(request: RunRequest): string | null {
    const queued = this.#pool.queueSize;
    if (queued >= this.#queueMax) return `${queued} jobs wait already`;
    if (queued === 0) return null;
    const waitMs = (queued * this.#run.meanMs) / this.#threads;
    if (waitMs <= request.deadlineMs) return null;
    return `it would wait for about ${Math.round(waitMs)} ms, its deadline is ${request.deadlineMs} ms`;
  }

  #start(request: RunRequest, jobs: Map<number, Job>, reply: (answer: OffloadReply) => void): void {
    const { job, task, payload, transfer, deadlineMs } = request;
    const abort = new AbortController();
    const entry: Job = { abort, isLate: false };
    jobs.set(job, entry);
    const program = this.#programs.get(request.program);
    const refusal = program === undefined ? 'its program is not known any more' : null;
    const shed = this.#refusal(request);
    if (program === undefined || shed !== null) {
      const failure = shed === null ? 'failed' : 'shed';
      reply({ kind: 'failed', job, failure, message: shed ?? `${refusal}` });
      return;
    }
    const timer = setTimeout(() => {
      entry.isLate = true;
      abort.abort();
    }, deadlineMs);
    timer.unref();
    const askedMs = performance.timeOrigin + performance.now();
    this.#active++;
    this.#pool
      .run(
        { hash: request.program, program, task, payload },
        { name: 'runJob', signal: abort.signal, transferList: [...transfer] as never },
      )
      .then((outcome) => {
        this.#wait.record(outcome.startedMs - askedMs);
        this.#run.record(outcome.runMs);
        reply({ kind: 'done', job, value: outcome.value });
      })
      .catch((error: unknown) => reply(toFailure(request, entry, error)))
      .finally(() => {
        clearTimeout(timer);
        this.#active--;
      });
  }
}

function toFailure(request: RunRequest, entry: Job, error: unknown): OffloadReply {
  const { job, task, deadlineMs } = request;
  const message = error instanceof Error ? error.message : String(error);
  if (entry.isLate) {
    const late = `"${task}" was not done within ${deadlineMs} ms`;
    return { kind: 'failed', job, failure: 'deadline', message: late };
  }
  if (entry.abort.signal.aborted) return { kind: 'failed', job, failure: 'cancelled', message };
  const isFull = /queue is at limit/i.test(message);
  return { kind: 'failed', job, failure: isFull ? 'shed' : 'failed', message };
}
