/**
 * One finding about a configuration: where it is, what is wrong, and how to mend it.
 *
 * Path: every step of load.ts makes these; render.ts prints them; the admin API returns them as
 * JSON.
 * Invariant: configuration faults are never thrown. `code` is stable and has a row in codes.ts and
 * in docs/errors.md. Messages never contain what a `${env:}` or `${file:}` reference resolved to.
 * Does not know how it is printed.
 */

/** `error` means that the configuration is not used; `warning` does not stop anything. */
export type Severity = 'error' | 'warning';

/** One finding about a configuration. Lines and columns count from 1; 0 means "no place in the text". */
export interface Diagnostic {
  /** Stable, like `HF1012`. */
  readonly code: string;
  readonly severity: Severity;
  /** JSON pointer to the value, like `/listeners/0/cluster`; empty for the whole document. */
  readonly path: string;
  readonly line: number;
  readonly column: number;
  /** How many characters the carets mark; at least 1. */
  readonly length: number;
  /** One sentence without a full stop. */
  readonly message: string;
  /** How to mend it; empty when the message says it all. */
  readonly hint: string;
}
