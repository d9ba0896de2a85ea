/**
 * An owner for what all tests of one file share, such as a gateway.
 *
 * Path: tests call it once at the top of a file and start things with it in a `before` hook.
 * Invariant: everything is undone after the last test of the file, the last thing first, even when
 * undoing one of them fails.
 */
import { after } from 'node:test';
import type { Owner } from '../harness.ts';

/** Makes the owner; only at the top of a file. */
export function createFileOwner(): Owner {
  const cleaners: (() => void | Promise<void>)[] = [];
  after(async () => {
    const outcomes = [];
    for (const clean of cleaners.toReversed()) {
      outcomes.push(await Promise.allSettled([Promise.resolve().then(clean)]));
    }
    const failed = outcomes.flat().find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) {
      throw failed.reason;
    }
  });
  return { after: (clean) => cleaners.push(clean) };
}
