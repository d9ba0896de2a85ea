/**
 * A queue of one: tasks given to it run one after the other, in order.
 *
 * Path: reloads, snapshot publication and shard start-up each go through one, so that no two change
 * the same thing at once.
 * Invariant: a task that fails does not stop the ones behind it.
 */

/** Runs tasks one at a time. */
export class SerialLock {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `task` when every earlier one has ended, and gives its outcome. */
  run<Result>(task: () => Promise<Result>): Promise<Result> {
    const outcome = this.#last.then(task, task);
    this.#last = outcome.catch(() => {});
    return outcome;
  }
}
