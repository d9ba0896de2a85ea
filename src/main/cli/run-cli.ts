/**
 * Runs one command line: parses it, runs its verb, and tells failures.
 *
 * Path: main.ts -> here -> program.ts -> a verb.
 * Invariant: what a person can mend is one sentence on stderr; a stack trace means a bug. A reader
 * that goes away (`holdfast conns | head`) is no error.
 */
import { CommanderError } from 'commander';
import type { CliWorld } from './cli-world.ts';
import { CliError, EXIT } from './exit.ts';
import { createProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

function report(sentence: string, hint: string, terminal: Terminal): void {
  const { notePaint } = terminal;
  const lines = sentence.split('\n').map((line) => `${notePaint.red('error')} ${line}\n`);
  terminal.note(lines.join('') + (hint === '' ? '' : `  ${notePaint.cyan(hint)}\n`));
}

/** Runs a command line. Sets the exit code through the terminal; rejects only for bugs. */
export async function runCli(args: readonly string[], world: CliWorld): Promise<void> {
  const { terminal } = world;
  try {
    await createProgram(world).parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      terminal.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
    } else if (error instanceof CliError) {
      report(error.message, error.hint, terminal);
      terminal.exit(error.exitCode);
    } else if (error instanceof Error && error.name === 'GatewayStartError') {
      report(error.message, '', terminal);
      terminal.exit(EXIT.failed);
    } else {
      throw error;
    }
  }
}
