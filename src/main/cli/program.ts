/**
 * The command tree: all verbs, their help, and what a wrong command line gets.
 *
 * Path: main.ts parses with it; completion.ts and reference.ts read it.
 * Invariant: a wrong command line exits with 2 and says what was meant, if that can be guessed.
 */
import { Argument, Command } from 'commander';
import { readVersion } from '../version.ts';
import type { CliWorld } from './cli-world.ts';
import { createCompletion, SHELLS, type Shell } from './completion.ts';
import { addAdminVerbs } from './verb-admin.ts';
import { addBenchVerb } from './verb-bench.ts';
import { addCertsVerb } from './verb-certs.ts';
import { addConnsVerbs } from './verb-conns.ts';
import { addDemoVerb } from './verb-demo.ts';
import { addDoctorVerb } from './verb-doctor.ts';
import { addFilterVerb } from './verb-filter.ts';
import { addInitVerb } from './verb-init.ts';
import { addProxyVerb } from './verb-proxy.ts';
import { addRunVerb } from './verb-run.ts';
import { addStatsVerb } from './verb-stats.ts';
import { addValidateVerbs } from './verb-validate.ts';
import { addVersionVerb } from './verb-version.ts';

const EXAMPLES = `
Examples:
  holdfast demo                                a gateway to look at
  holdfast proxy --from 8080 --to 3000         a gateway without a file
  holdfast init && holdfast run                a gateway from a file
  holdfast conns --older 1h --sort bytes       who is connected
  holdfast doctor                              what would stop 100,000 connections here

Exit codes: 0 done, 1 failed, 2 wrong configuration or command line, 3 no gateway answers.
`;

/** Makes the command tree. */
export function createProgram(world: CliWorld): Command {
  const { terminal } = world;
  const program = new Command('holdfast')
    .description('A gateway for massive numbers of long-lived connections.')
    .version(readVersion(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [verb]', 'show the help of a verb')
    .usage('<verb> [options]')
    .showHelpAfterError('See "holdfast --help".')
    .showSuggestionAfterError(true)
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({
      writeOut: terminal.out,
      writeErr: terminal.note,
      outputError: (text, write) =>
        write(text.replace(/^error: /, `${terminal.notePaint.red('error')} `)),
      getOutHelpWidth: () =>
        terminal.columns > 0 ? Math.min(terminal.columns, HELP_WIDTH_MAX) : HELP_WIDTH_MAX,
      getErrHelpWidth: () => HELP_WIDTH_MAX,
    });
  program.commandsGroup('Run:');
  addRunVerb(program, world);
  addProxyVerb(program, world);
  addDemoVerb(program, world);
  program.commandsGroup('Configure:');
  addInitVerb(program, world);
  addValidateVerbs(program, world);
  addFilterVerb(program, world);
  program.commandsGroup('Look at a running gateway:');
  addConnsVerbs(program, world);
  addStatsVerb(program, world);
  addCertsVerb(program, world);
  program.commandsGroup('Steer a running gateway:');
  addAdminVerbs(program, world);
  program.commandsGroup('This machine:');
  addDoctorVerb(program, world);
  addBenchVerb(program, world);
  addCompletionVerb(program, world);
  addVersionVerb(program, world);
  for (const command of program.commands)
    command.copyInheritedSettings(program).helpOption('-h, --help', 'show help');
  return program;
}

/** Help is easier to read in a column than across a wide terminal. */
const HELP_WIDTH_MAX = 100;

function addCompletionVerb(program: Command, world: CliWorld): void {
  program
    .command('completion')
    .summary('print completion for a shell')
    .description('Prints completion for a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExamples:\n  source <(holdfast completion bash)        # in ~/.bashrc\n  source <(holdfast completion zsh)         # in ~/.zshrc\n' +
        '  holdfast completion fish | source         # in config.fish\n',
    )
    .action((shell: Shell) => world.terminal.out(createCompletion(program, shell)));
}
