/**
 * Prints what loading a configuration found, and decides whether to go on.
 *
 * Path: run, validate, proxy and reload report through here, so that findings look the same
 * everywhere.
 * Invariant: a configuration with an error ends the verb with exit code 2 before anything is
 * started.
 */
import {
  type Config,
  countFindings,
  type Diagnostic,
  type LoadResult,
  renderHuman,
} from '../config/index.ts';
import { CliError, EXIT } from './exit.ts';
import type { Terminal } from './terminal.ts';

/** Prints findings with code frames to stderr. */
export function noteFindings(result: LoadResult, name: string, terminal: Terminal): void {
  const { diagnostics, text } = result;
  terminal.note(renderHuman({ diagnostics, text, name }, { color: terminal.hasNoteColor }));
}

/** A load without an error. */
export type GoodLoad = LoadResult & { readonly config: Config };

/** The load, if it is good, or the end of the verb. @throws CliError with exit code 2 */
export function requireConfig(result: LoadResult, name: string, terminal: Terminal): GoodLoad {
  noteFindings(result, name, terminal);
  const { config } = result;
  if (config !== null) return { ...result, config };
  throw new CliError(`${name}: ${countFindings(result.diagnostics)}; nothing was started`, {
    exitCode: EXIT.usage,
    hint: explainHint(result.diagnostics),
  });
}

/** Points at the explanation of the first error. */
export function explainHint(diagnostics: readonly Diagnostic[]): string {
  const first = diagnostics.find((diagnostic) => diagnostic.severity === 'error');
  return first === undefined ? '' : `"holdfast explain ${first.code}" says more about a code`;
}
