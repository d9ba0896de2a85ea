/**
 * `holdfast bench`: how much an HTTP/1.1 address answers, closed loop, every answer checked.
 *
 * Path: starts load processes of its own; touches no gateway unless the address is one.
 * Invariant: a run whose figures must not be used says why and exits with 1; nothing is left
 * running, also after Ctrl-C.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { formatSaturation, saturate } from '../saturate/index.ts';
import type { CliWorld } from './cli-world.ts';
import { CliError, EXIT } from './exit.ts';

interface BenchOptions {
  readonly connections: number;
  readonly seconds: number;
  readonly processes: number;
  readonly pipelining: number;
}

const COUNT_MAX = 100_000;

function readWhole(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > COUNT_MAX) {
    throw new InvalidArgumentError(`write a whole number from 1 to ${COUNT_MAX}`);
  }
  return count;
}

function readUrl(text: string): string {
  if (!URL.canParse(text) || !text.startsWith('http://')) {
    throw new InvalidArgumentError('write an address such as http://127.0.0.1:8080/');
  }
  return text;
}

async function bench(url: string, options: BenchOptions, world: CliWorld): Promise<void> {
  const interrupt = new AbortController();
  const abort = (): void => interrupt.abort();
  process.once('SIGINT', abort);
  process.once('SIGTERM', abort);
  try {
    const saturation = await saturate({ url, ...options, signal: interrupt.signal });
    world.terminal.out(formatSaturation(saturation));
    world.terminal.exit(saturation.flaws.length > 0 ? EXIT.failed : EXIT.ok);
  } catch (cause) {
    if (interrupt.signal.aborted) throw new CliError('interrupted', { exitCode: EXIT.failed });
    throw cause;
  } finally {
    process.off('SIGINT', abort);
    process.off('SIGTERM', abort);
  }
}

/** Adds the verb. */
export function addBenchVerb(program: Command, world: CliWorld): void {
  program
    .command('bench')
    .summary('how much an HTTP address answers')
    .description(
      'Sends HTTP/1.1 requests as fast as they are answered, and says how much passes, how long ' +
        'answers take at that load, and whether every answer was right.',
    )
    .argument('<url>', 'what to ask, such as http://127.0.0.1:8080/', readUrl)
    .option('--connections <count>', 'connections, in all processes together', readWhole, 64)
    .option('--seconds <count>', 'how long', readWhole, 5)
    .option('--processes <count>', 'processes that make the load', readWhole, 1)
    .option('--pipelining <count>', 'requests under way on each connection', readWhole, 1)
    .addHelpText(
      'after',
      '\nExample:\n  holdfast bench http://127.0.0.1:8080/ --connections 64 --seconds 5\n\n' +
        'Latencies are those at saturation, not what a user sees at a normal load.\n',
    )
    .action((url: string, options: BenchOptions) => bench(url, options, world));
}
