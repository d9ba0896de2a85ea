/**
 * `holdfast filter`: write a filter, test it, measure it.
 *
 * Path: works on files of the user and on no gateway.
 * Invariant: never replaces a file; a bench whose filter failed says so and exits with 1.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import type { BenchScript, HookCost, ScaffoldKind } from '../filters/tools/index.ts';
import type { CliWorld } from './cli-world.ts';
import { CliError, EXIT } from './exit.ts';
import { formatTable } from './table.ts';

interface NewOptions {
  readonly kind: ScaffoldKind;
  readonly directory: string;
}

interface BenchOptions {
  readonly with?: unknown;
  readonly target: string;
  readonly header: readonly (readonly [string, string])[];
  readonly message: string;
  readonly seconds: number;
}

const NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const SECONDS_MAX = 60;
/** What can be written. */
const KINDS = ['stream', 'message', 'network'] as const satisfies readonly ScaffoldKind[];

/** The tools are loaded for their own verb only: they bring everything that runs filters. */
function loadTools(): Promise<typeof import('../filters/tools/index.ts')> {
  return import('../filters/tools/index.ts');
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new InvalidArgumentError('write JSON, such as \'{"header":"x-user"}\'');
  }
}

type Header = readonly [name: string, value: string];

function readHeader(text: string, before: readonly Header[]): Header[] {
  const colon = text.indexOf(':');
  if (colon < 1) throw new InvalidArgumentError('write NAME: VALUE');
  return [...before, [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim()]];
}

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (seconds > 0 && seconds <= SECONDS_MAX) return seconds;
  throw new InvalidArgumentError(`write a number up to ${SECONDS_MAX}`);
}

async function writeNew(name: string, options: NewOptions, world: CliWorld): Promise<void> {
  if (!NAME.test(name)) {
    const hint = 'write lower case letters, digits and dashes';
    throw new CliError(`"${name}" is no name for a filter`, { exitCode: EXIT.usage, hint });
  }
  const { scaffoldFilter } = await loadTools();
  const files = scaffoldFilter(name, options.kind);
  for (const file of files) {
    const path = join(options.directory, file.name);
    try {
      writeFileSync(path, file.text, { flag: 'wx' });
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'EEXIST') throw new CliError(`${path} exists`, { hint: 'choose another name' });
      throw new CliError(`${path} cannot be written: ${message}`, { exitCode: EXIT.failed });
    }
  }
  const { out, paint } = world.terminal;
  const [filter, test] = files.map((file) => join(options.directory, file.name));
  out(
    `${paint.green(`wrote ${filter} and ${test}`)}\n` +
      `Next: "holdfast filter test ${test}", "holdfast filter bench ${filter}".\n` +
      `Then, on a listener or a route of the configuration: filters: [./${files[0]?.name}]\n`,
  );
}

function formatCosts(costs: readonly HookCost[], world: CliWorld): string {
  const rows = costs.map(({ hook, batch, nanoseconds, crossings }) => [
    hook,
    String(batch),
    nanoseconds.toLocaleString('en'),
    crossings.toFixed(3),
  ]);
  return formatTable(
    [
      { title: 'HOOK' },
      { title: 'BATCH', align: 'right' },
      { title: 'NS PER HOOK', align: 'right' },
      { title: 'CROSSINGS', align: 'right' },
    ],
    rows,
    { paint: world.terminal.paint, width: world.terminal.columns },
  );
}

async function bench(file: string, options: BenchOptions, world: CliWorld): Promise<void> {
  const { terminal } = world;
  const { benchFilter, loadFilter } = await loadTools();
  let costs: HookCost[];
  try {
    const { filter, config } = await loadFilter(file, options.with);
    const script: BenchScript = {
      config,
      target: options.target,
      headers: options.header,
      message: options.message,
      msPerFigure: options.seconds * 1000,
    };
    costs = await benchFilter(filter, script);
  } catch (cause) {
    throw new CliError((cause as Error).message, { exitCode: EXIT.failed });
  }
  terminal.out(formatCosts(costs, world));
  const failures = costs.reduce((sum, cost) => sum + cost.failures, 0);
  if (failures > 0) {
    terminal.note(`the filter failed ${failures} times; these are not its figures\n`);
    terminal.exit(EXIT.failed);
  }
}

/** The actions of the verb. */
const ACTIONS = ['new', 'test', 'bench'] as const;
type Action = (typeof ACTIONS)[number];

async function act(
  action: Action,
  names: readonly string[],
  options: NewOptions & BenchOptions,
  world: CliWorld,
): Promise<void> {
  const [first = ''] = names;
  if (action === 'test') {
    const { runFilterTests } = await loadTools();
    world.terminal.exit(await runFilterTests(names));
    return;
  }
  if (names.length > 1) {
    throw new CliError(`"filter ${action}" takes one name`, { exitCode: EXIT.usage });
  }
  if (action === 'new') await writeNew(first, options, world);
  else await bench(first, options, world);
}

/** Adds the verb. */
export function addFilterVerb(program: Command, world: CliWorld): void {
  program
    .command('filter')
    .summary('write, test and measure filters')
    .description(
      'Works on filters, policy in TypeScript that runs in the gateway: "new" writes one with a ' +
        'test, "test" runs tests of filters, "bench" prints what each hook costs.',
    )
    .addArgument(new Argument('<action>', 'what to do').choices(ACTIONS))
    .argument('<names...>', 'new: a name; test: test files; bench: a filter, as "use" names it')
    .addOption(new Option('--kind <kind>', 'new: what it sees').choices(KINDS).default('stream'))
    .option('--directory <directory>', 'new: where to write', '.')
    .option('--with <json>', 'bench: the configuration of the filter', readJson)
    .option('--target <target>', 'bench: target of the requests', '/')
    .option('--header <field>', 'bench: a field of the heads; repeatable', readHeader, [])
    .option('--message <text>', 'bench: what messages say', 'hello, world')
    .option('--seconds <count>', 'bench: how long for each figure', readSeconds, 0.3)
    .addHelpText(
      'after',
      '\nExamples:\n  holdfast filter new who-is-it --kind stream\n  holdfast filter test who-is-it.test.ts\n' +
        "  holdfast filter bench who-is-it.ts --header 'x-user: ann'\n\n" +
        'Figures are CPU time of the filter and its host; the crossing itself is not in them.\n',
    )
    .action((action: Action, names: string[], options: NewOptions & BenchOptions) =>
      act(action, names, options, world),
    );
}
