/**
 * One live shard thread as main sees it: calls with answers, timeouts, and the end of the thread.
 *
 * Path: supervisor.ts makes one for each thread it starts; src/shard/worker.ts is at the other end.
 * Invariant: each call settles exactly once as seen by its caller (answer, failure, timeout, or the
 * thread's end), and `settled` resolves only when the thread can no longer act on the call. A
 * descriptor lent to a call may be closed after `settled`, never earlier.
 * Does not restart anything.
 */
import type { Transferable } from 'node:worker_threads';
import type {
  ShardCallName,
  ShardCalls,
  ShardEnvelope,
  ShardEvent,
  ShardMessage,
  ShardReply,
  ShardStart,
} from '../../shard/index.ts';

/** How long a shard may take to answer a call. */
export const CALL_TIMEOUT_MS = 5_000;

/** What a link needs of a worker thread; `worker_threads.Worker` has it. */
export interface ShardPort {
  postMessage(envelope: ShardEnvelope, transfer?: readonly Transferable[]): void;
  on(event: 'message', listener: (message: ShardMessage) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'exit', listener: (code: number) => void): unknown;
  terminate(): Promise<unknown>;
}

/** What a shard says after it has started, without being asked. */
export type ShardNews = Exclude<ShardEvent, { kind: 'started' }>;

/** Starts a shard's thread. */
export type SpawnShard = (index: number, start: ShardStart) => ShardPort;

/** Why a call has no answer. */
export class ShardCallError extends Error {
  /** `gone`: the thread ended; `timeout`: no answer in time; `failed`: the shard refused. */
  readonly reason: 'gone' | 'timeout' | 'failed';

  constructor(reason: ShardCallError['reason'], message: string) {
    super(message);
    this.name = 'ShardCallError';
    this.reason = reason;
  }
}

/** A call under way. */
export interface PendingCall<Result> {
  /** The answer. Rejects with {@link ShardCallError}. */
  readonly answer: Promise<Result>;
  /** Resolves when the thread has handled the call or has ended, whatever `answer` said earlier. */
  readonly settled: Promise<void>;
}

interface OpenCall {
  readonly timer: NodeJS.Timeout;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: ShardCallError) => void;
  readonly settle: () => void;
}

/** Why a thread ended. */
export interface ShardEnd {
  readonly exitCode: number;
  /** The error nobody caught, if that is what ended it. */
  readonly error: Error | null;
}

/** The link to one shard thread. */
export class ShardLink {
  readonly index: number;
  /** Resolves when the shard's reactor runs. Rejects when the thread ends first. */
  readonly started: Promise<void>;
  /** Resolves when the thread has ended and its native part is gone. */
  readonly ended: Promise<ShardEnd>;
  readonly #port: ShardPort;
  readonly #calls = new Map<number, OpenCall>();
  #nextCall = 1;
  #error: Error | null = null;
  #isEnded = false;

  constructor(index: number, port: ShardPort, onNews: (news: ShardNews) => void = () => {}) {
    this.index = index;
    this.#port = port;
    const started = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<ShardEnd>();
    this.started = started.promise;
    this.ended = ended.promise;
    this.started.catch(() => {});
    port.on('message', (message) => {
      if (message.kind === 'started') {
        started.resolve();
      } else if (message.kind === 'reply' || message.kind === 'failure') {
        this.#settle(message);
      } else {
        onNews(message);
      }
    });
    port.on('error', (error) => {
      this.#error = error;
    });
    port.on('exit', (exitCode) => {
      this.#isEnded = true;
      started.reject(this.#goneError());
      this.#abandonCalls();
      ended.resolve({ exitCode, error: this.#error });
    });
  }

  /** Asks the shard for something. */
  call<Name extends ShardCallName>(
    name: Name,
    argument: ShardCalls[Name]['argument'],
    options: { readonly timeoutMs?: number; readonly transfer?: readonly Transferable[] } = {},
  ): PendingCall<ShardCalls[Name]['result']> {
    const { timeoutMs = CALL_TIMEOUT_MS, transfer = [] } = options;
    const answer = Promise.withResolvers<unknown>();
    const settled = Promise.withResolvers<void>();
    answer.promise.catch(() => {});
    if (this.#isEnded) {
      answer.reject(this.#goneError());
      settled.resolve();
    } else {
      const call = this.#nextCall++;
      const timer = setTimeout(() => {
        answer.reject(
          new ShardCallError(
            'timeout',
            `shard ${this.index} did not answer "${name}" within ${timeoutMs} ms`,
          ),
        );
      }, timeoutMs);
      timer.unref();
      this.#calls.set(call, { ...answer, timer, settle: settled.resolve });
      this.#port.postMessage({ call, name, argument }, transfer);
    }
    return {
      answer: answer.promise as Promise<ShardCalls[Name]['result']>,
      settled: settled.promise,
    };
  }

  /** Ends the thread from outside; what it held is closed by its native clean-up. */
  async terminate(): Promise<void> {
    await this.#port.terminate();
  }

  #settle(message: ShardReply): void {
    const open = this.#calls.get(message.call);
    if (open === undefined) {
      return;
    }
    this.#calls.delete(message.call);
    clearTimeout(open.timer);
    if (message.kind === 'reply') {
      open.resolve(message.result);
    } else {
      open.reject(new ShardCallError('failed', `shard ${this.index}: ${message.message}`));
    }
    open.settle();
  }

  #abandonCalls(): void {
    for (const open of this.#calls.values()) {
      clearTimeout(open.timer);
      open.reject(this.#goneError());
      open.settle();
    }
    this.#calls.clear();
  }

  #goneError(): ShardCallError {
    const cause = this.#error === null ? '' : `: ${this.#error.message}`;
    return new ShardCallError('gone', `shard ${this.index} has ended${cause}`);
  }
}
