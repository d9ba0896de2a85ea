/**
 * `holdfast version`: what runs here, for a report of a fault.
 *
 * Path: main.ts -> here.
 * Invariant: reads versions only; starts nothing.
 */
import type { Command } from 'commander';
import { readVersion } from '../version.ts';
import type { CliWorld } from './cli-world.ts';

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
