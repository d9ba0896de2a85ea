/**
 * What stops a benchmark before or while it runs, as one sentence for the person at the terminal.
 *
 * Path: thrown anywhere in bench/, caught once in main.ts and gate.ts.
 * Invariant: `UsageFailure` means that nothing was started; its exit code is 2. A `RunFailure` ends
 * one measurement; `Interrupted` ends them all and is not an error of anybody.
 */

/** The request cannot be carried out as asked: unknown scenario, port in use, too few descriptors. */
export class UsageFailure extends Error {
  override readonly name = 'UsageFailure';
}

/** One measurement went wrong: a candidate did not start, the load generator gave up. */
export class RunFailure extends Error {
  override readonly name = 'RunFailure';
}

/** The person pressed Ctrl-C, or the parent ended. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor() {
    super('interrupted');
  }
}

/** The message of anything that was thrown. */
export function explain(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
