/**
 * Gives work to the pool on the main thread, over a MessagePort.
 *
 * Path: a hook's scope -> here -> src/main/filters/offload -> a pool thread, and back.
 * Invariant: every job settles: with its answer, at its deadline, or when its signal aborts. At
 * most JOBS_MAX are under way; what comes beyond is shed at once. Nothing waits here: the queue is
 * main's.
 */
import { OffloadError } from '../../sdk/index.ts';
import { describeThrown } from './failure.ts';
import type { OffloadReply, OffloadRequest } from './offload-protocol.ts';
import type { Offloader, OffloadJob } from './scope.ts';

/** Jobs of one shard under way at once. */
export const JOBS_MAX = 4096;

/** What the client needs of a MessagePort. */
export interface OffloadPort {
  postMessage(request: OffloadRequest, transfer: ArrayBuffer[]): void;
  on(event: 'message', listener: (reply: OffloadReply) => void): unknown;
  unref(): void;
  close(): void;
}

interface Pending {
  readonly settle: (reply: OffloadReply) => void;
}

/** The way from one shard to the pool. */
export class OffloadClient implements Offloader {
  readonly #port: OffloadPort;
  readonly #pending = new Map<number, Pending>();
  #nextJob = 1;

  constructor(port: OffloadPort) {
    this.#port = port;
    port.on('message', (reply) => this.#pending.get(reply.job)?.settle(reply));
    port.unref();
  }

  /** Jobs under way. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  run(job: OffloadJob): Promise<unknown> {
    if (this.#pending.size >= JOBS_MAX) {
      const message = `${JOBS_MAX} jobs of this shard are under way already`;
      return Promise.reject(new OffloadError('shed', message));
    }
    if (job.signal.aborted)
      return Promise.reject(new OffloadError('cancelled', 'the hook is over'));
    const id = this.#nextJob++;
    return new Promise((resolve, reject) => {
      const fail = (failure: OffloadError['failure'], message: string): void => {
        this.#pending.delete(id);
        job.signal.removeEventListener('abort', abort);
        clearTimeout(timer);
        reject(new OffloadError(failure, message));
      };
      const abort = (): void => {
        this.#port.postMessage({ kind: 'cancel', job: id }, []);
        fail('cancelled', 'the hook is over');
      };
      const timer = setTimeout(() => {
        this.#port.postMessage({ kind: 'cancel', job: id }, []);
        fail('deadline', `"${job.task}" was not done within ${job.deadlineMs} ms`);
      }, job.deadlineMs);
      job.signal.addEventListener('abort', abort, { once: true });
      this.#pending.set(id, {
        settle: (reply) => {
          if (reply.kind === 'failed') {
            fail(reply.failure, reply.message);
            return;
          }
          this.#pending.delete(id);
          job.signal.removeEventListener('abort', abort);
          clearTimeout(timer);
          resolve(reply.value);
        },
      });
      this.#post(id, job, fail);
    });
  }

  /** Fails what is under way; the shard stops. */
  close(): void {
    for (const [job, { settle }] of this.#pending) {
      settle({ kind: 'failed', job, failure: 'cancelled', message: 'the shard stops' });
    }
    this.#port.close();
  }

  #post(
    id: number,
    job: OffloadJob,
    fail: (failure: OffloadError['failure'], message: string) => void,
  ): void {
    const { program, filter, task, payload, deadlineMs, transfer } = job;
    try {
      this.#port.postMessage(
        { kind: 'run', job: id, program, filter, task, payload, transfer, deadlineMs },
        [...transfer],
      );
    } catch (error) {
      fail('failed', `the payload cannot be cloned: ${describeThrown(error)}`);
    }
  }
}
