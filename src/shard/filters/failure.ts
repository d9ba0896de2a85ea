/**
 * A filter that failed: which one, where, and how.
 *
 * Path: call.ts makes one for each failure; it goes to the log of the gateway, at a limited rate.
 * Invariant: the message names filter, generation and hook, so that one line is enough to act on.
 */

/** How a hook failed, or what else about it must be told. */
export type FailureKind =
  | 'threw'
  | 'rejected'
  | 'timeout'
  | 'nonsense'
  | 'breaker'
  | 'overload'
  | 'shed'
  | 'blocked';

/** One failure of one hook. */
export class FilterFailure extends Error {
  readonly filter: string;
  readonly generation: number;
  readonly hook: string;
  readonly failure: FailureKind;

  constructor(
    where: { readonly filter: string; readonly generation: number; readonly hook: string },
    failure: FailureKind,
    detail: string,
    cause?: unknown,
  ) {
    const { filter, generation, hook } = where;
    super(`filter "${filter}" (generation ${generation}), ${hook}: ${detail}`, { cause });
    this.name = 'FilterFailure';
    this.filter = filter;
    this.generation = generation;
    this.hook = hook;
    this.failure = failure;
  }
}

/** What was thrown, in words. Never throws, whatever it was. */
export function describeThrown(thrown: unknown): string {
  try {
    return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  } catch {
    return 'something that cannot be shown';
  }
}
