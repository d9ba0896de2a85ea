/**
 * `holdfast doctor`: what would stop so many connections on this machine.
 *
 * Path: main.ts -> here -> doctor-facts.ts, doctor.ts. Changes nothing.
 * Invariant: exit code 1 exactly when something stops the wanted connections.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { loadNative } from '../../../native/epoll/index.ts';
import {
  type Config,
  createWorld,
  loadConfigFile,
  parseCount,
  withoutTls,
} from '../config/index.ts';
import type { CliWorld } from './cli-world.ts';
import { judge, type Verdict, type Wanted } from './doctor.ts';
import { readFacts, readProc, readRuntime } from './doctor-facts.ts';
import { EXIT } from './exit.ts';
import { shortCount } from './table.ts';
import type { Terminal } from './terminal.ts';

interface DoctorOptions {
  readonly connections: number;
  readonly endpoints?: number;
  readonly config?: string;
  readonly json?: true;
}

function readCount(text: string): number {
  const parsed = parseCount(text);
  if (parsed.ok && parsed.value > 0) return parsed.value;
  throw new InvalidArgumentError(parsed.ok ? 'It must be above 0.' : `${parsed.fault.hint}.`);
}

/** Why the native core does not load, or null. */
function nativeFault(): string | null {
  try {
    loadNative();
    return null;
  } catch (cause) {
    const [line = ''] = (cause as Error).message.split('\n');
    return line.includes('Cannot find module')
      ? 'it is not built'
      : line.replace(/^holdfast: /, '');
  }
}

function countEndpoints(config: Config | null): number {
  const list =
    config?.clusters.flatMap((cluster) =>
      cluster.endpoints.filter((endpoint) => 'host' in endpoint),
    ) ?? [];
  return Math.max(1, list.length);
}

function print(verdicts: readonly Verdict[], wanted: Wanted, terminal: Terminal): void {
  const { paint, out } = terminal;
  const marks = {
    fine: paint.green('ok  '),
    weak: paint.yellow('weak'),
    bad: paint.red('bad '),
    unknown: paint.dim('?   '),
  };
  const width = Math.max(...verdicts.map(({ name }) => name.length));
  const endpoints = wanted.endpoints === 1 ? 'one endpoint' : `${wanted.endpoints} endpoints`;
  out(
    `${paint.bold(`${shortCount(wanted.connections)} connections to ${endpoints} on this machine`)}\n\n`,
  );
  for (const { name, state, found, why, remedy } of verdicts) {
    out(`${marks[state]}  ${name.padEnd(width)}  ${found}\n`);
    const indent = ' '.repeat(width + 8);
    if (why !== '') out(`${indent}${paint.dim(why)}\n`);
    for (const command of remedy) out(`${indent}${paint.cyan(command)}\n`);
  }
  const bad = verdicts.filter(({ state }) => state === 'bad').length;
  const weak = verdicts.filter(({ state }) => state === 'weak').length;
  const plural = (count: number): string => `${count} thing${count === 1 ? '' : 's'}`;
  const rest = weak === 0 ? '' : `, ${plural(weak)} could be better`;
  out(
    bad === 0
      ? `\n${paint.green('Nothing stops them')}${rest}.\n`
      : `\n${paint.red(`${plural(bad)} would stop them`)}${rest}.\n`,
  );
  const hasSysctl = verdicts.some(({ remedy }) =>
    remedy.some((command) => command.startsWith('sysctl')),
  );
  if (hasSysctl)
    out(
      `${paint.dim('sysctl lasts until the next boot: put the settings into /etc/sysctl.d/90-holdfast.conf to keep them.')}\n`,
    );
}

function readConfig(path: string): Config | null {
  return loadConfigFile(path, withoutTls(createWorld(path))).config;
}

function doctor(options: DoctorOptions, world: CliWorld): void {
  const config = options.config === undefined ? null : readConfig(options.config);
  const wanted = {
    connections: options.connections,
    endpoints: options.endpoints ?? countEndpoints(config),
  };
  const facts = readFacts(readProc, readRuntime(nativeFault()));
  const verdicts = judge(facts, wanted);
  const isBad = verdicts.some(({ state }) => state === 'bad');
  world.terminal.exit(isBad ? EXIT.failed : EXIT.ok);
  if (options.json === true) {
    world.terminal.out(`${JSON.stringify({ wanted, fine: !isBad, verdicts }, null, 2)}\n`);
    return;
  }
  print(verdicts, wanted, world.terminal);
}

/** Adds the verb. */
export function addDoctorVerb(program: Command, world: CliWorld): void {
  program
    .command('doctor')
    .summary('what would stop 100,000 connections on this machine')
    .description(
      'Looks at the limits of this machine and of this process, and shows the command that mends each. Exit code 1 ' +
        'when something would stop the connections.',
    )
    .option(
      '--connections <count>',
      'connections that the gateway should carry',
      readCount,
      100_000,
    )
    .option(
      '--endpoints <count>',
      'endpoint addresses they are spread over; default: those of --config, or 1',
      readCount,
    )
    .option('-c, --config <file>', 'count the endpoints of this configuration')
    .option('--json', 'print facts and verdicts as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  holdfast doctor\n  holdfast doctor --connections 1M --endpoints 20\n',
    )
    .action((options: DoctorOptions) => doctor(options, world));
}
