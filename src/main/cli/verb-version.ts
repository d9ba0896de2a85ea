/**
 * `holdfast version`: what runs here, for a report of a fault.
 *
 * Path: main.ts -> here. Reads package.json; the only place that does for the command line.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import type { CliWorld } from './cli-world.ts';

const UNKNOWN = '0.0.0';

/** The version of this installation: package.json of the clone, or beside dist/. */
export function readVersion(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (const up of [join('..', '..', '..'), join('..', '..', '..', '..')]) {
    try {
      const found = JSON.parse(readFileSync(join(here, up, 'package.json'), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (found.name === 'holdfast') return found.version ?? UNKNOWN;
    } catch {
      // The next place is tried.
    }
  }
  return UNKNOWN;
}

function version(options: { readonly json?: true }, world: CliWorld): void {
  const facts = {
    holdfast: readVersion(),
    node: process.versions.node,
    openssl: process.versions.openssl,
    uv: process.versions.uv,
    v8: process.versions.v8,
    platform: `${process.platform}-${process.arch}`,
  };
  if (options.json === true) {
    world.terminal.out(`${JSON.stringify(facts, null, 2)}\n`);
    return;
  }
  for (const [name, value] of Object.entries(facts))
    world.terminal.out(`${name.padEnd(9)} ${value}\n`);
}

/** Adds the verb. */
export function addVersionVerb(program: Command, world: CliWorld): void {
  program
    .command('version')
    .summary('print versions, for a report of a fault')
    .description('Prints the versions of Holdfast and of what it runs on.')
    .option('--json', 'print them as JSON')
    .action((options: { readonly json?: true }) => version(options, world));
}
