/**
 * Waits for a Promise of a filter, but not for ever.
 *
 * Path: prepare.ts waits for `setup` with it, instance.ts for `dispose`.
 * Invariant: what waits goes on in time; what it waited for goes on unseen, and its rejection is
 * taken.
 */

/** Rejects when `promise` does not settle in time. `what` names it, for the error. */
export async function withDeadline<Value>(
  promise: Promise<Value>,
  ms: number,
  what: string,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not end within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
