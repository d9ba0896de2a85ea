/**
 * The note that the reporter leaves for the runner: counts, the skipped tests and the failures.
 *
 * Path: test/run/reporter.ts writes it inside the process of node:test, test/run/process.ts reads
 * it.
 * Invariant: absent or damaged means that the test process did not end properly, never "all
 * passed".
 */
export interface Summary {
  readonly passed: number;
  readonly failed: number;
  /** `file: test` of each skipped test, with the reason where one was given. */
  readonly skipped: readonly string[];
  /** The failures as lines to show. */
  readonly failures: readonly string[];
}

/** Reads a summary; undefined when the text is not one. */
export function parseSummary(text: string): Summary | undefined {
  try {
    return JSON.parse(text) as Summary;
  } catch {
    return undefined;
  }
}
