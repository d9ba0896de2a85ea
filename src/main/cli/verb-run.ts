/**
 * `holdfast run`: a gateway in the foreground, from a file.
 *
 * Path: main.ts -> here -> startGateway.
 * Invariant: with an error in the file nothing is started and the exit code is 2; a reload with an
 * error changes nothing.
 */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { CliWorld } from './cli-world.ts';
import { CliError, EXIT } from './exit.ts';
import { DEFAULT_FILES } from './find-admin.ts';
import { CheckedLoader } from './load-checked.ts';
import { requireConfig } from './report.ts';

interface RunOptions {
  readonly config?: string;
  readonly watch: boolean;
}

/** The file that a verb means: named, or the first default that exists. @throws CliError */
export function findConfigFile(named: string | undefined): string {
  const path = named ?? DEFAULT_FILES.find((file) => existsSync(file));
  if (path !== undefined) return path;
  throw new CliError(`name a configuration file; there is no ${DEFAULT_FILES[0]} here`, {
    exitCode: EXIT.usage,
    hint: '"holdfast init" writes one; "holdfast proxy --from 8080 --to 3000" needs none',
  });
}

async function run(file: string | undefined, options: RunOptions, world: CliWorld): Promise<void> {
  const path = findConfigFile(file ?? options.config);
  const loader = new CheckedLoader();
  const { config, material } = requireConfig(await loader.file(path), path, world.terminal);
  const startGateway = await world.loadGateway();
  const gateway = await startGateway({
    config,
    material,
    source: path,
    reloadConfig: () => loader.fileAgain(path),
    parseConfig: (text) => loader.textAgain(text, path),
    filterModules: () => loader.modules,
    watchFile: options.watch ? path : null,
    signals: 'process',
  });
  world.terminal.exit(await gateway.closed);
}

/** Adds the verb. */
export function addRunVerb(program: Command, world: CliWorld): void {
  program
    .command('run')
    .summary('run a gateway from a file')
    .description(
      'Runs a gateway in the foreground. SIGHUP and changes of the file reload it, changed certificates are taken over; ' +
        'SIGTERM drains it and ends it; ' +
        'a second SIGTERM ends it at once.',
    )
    .argument('[file]', `configuration; without it, ${DEFAULT_FILES.join(', ')} of this directory`)
    .option('-c, --config <file>', 'the same as the argument')
    .option('--no-watch', 'do not reload when the file changes, or one of TLS or of filters')
    .addHelpText(
      'after',
      '\nExamples:\n  holdfast run gateway.yaml\n  holdfast run -c /etc/holdfast/gateway.yaml --no-watch\n',
    )
    .action((file: string | undefined, options: RunOptions) => run(file, options, world));
}
