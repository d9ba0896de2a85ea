/**
 * How the command line ends: exit codes, and failures that are told in one sentence.
 *
 * Path: every verb throws CliError for what a person can mend; main.ts prints it and sets the code.
 * Invariant: the codes are a documented interface (docs/cli.md); a stack trace means a bug.
 */

/** Exit codes of the command line. */
export const EXIT = {
  /** Done. */
  ok: 0,
  /** It could not be done, or something was found wrong. */
  failed: 1,
  /** The configuration or the command line is wrong; nothing was changed. */
  usage: 2,
  /** The admin endpoint does not answer. */
  unreachable: 3,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A failure that is told in one sentence, with what to do about it. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  readonly hint: string;

  constructor(
    message: string,
    options: { readonly exitCode?: ExitCode; readonly hint?: string } = {},
  ) {
    super(message);
    this.name = 'CliError';
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.hint = options.hint ?? '';
  }
}
