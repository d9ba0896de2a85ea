/**
 * `holdfast validate`, `holdfast schema` and `holdfast explain`: what a configuration says, before
 * it runs.
 *
 * Path: main.ts -> here -> src/main/config. Starts nothing.
 * Invariant: exit code 0 only without errors, 2 with one; every finding is shown.
 */
import { type Command, Option } from 'commander';
import {
  countFindings,
  createJsonSchema,
  findingByCode,
  type LoadResult,
  renderGithub,
  renderHuman,
  renderJson,
} from '../config/index.ts';
import type { CliWorld } from './cli-world.ts';
import { checkDeep } from './deep.ts';
import { CliError, EXIT } from './exit.ts';
import { CheckedLoader } from './load-checked.ts';
import { explainHint } from './report.ts';
import { countRoutes, showRoutes } from './show-routes.ts';
import { findConfigFile } from './verb-run.ts';

type Format = 'human' | 'json' | 'github';

interface ValidateOptions {
  readonly format: Format;
  readonly deep?: true;
}

/** Forms that programs read; they are results and go to stdout. */
const RENDERERS = {
  json: renderJson,
  github: renderGithub,
} as const;

async function validate(
  file: string | undefined,
  options: ValidateOptions,
  world: CliWorld,
): Promise<void> {
  const { terminal } = world;
  const name = findConfigFile(file);
  const loader = new CheckedLoader();
  let result: LoadResult = await loader.file(name);
  if (options.deep === true && result.config !== null) {
    const found = await checkDeep(result, result.config);
    result = { ...result, diagnostics: [...result.diagnostics, ...found] };
  }
  const { diagnostics, text } = result;
  const hasErrors = diagnostics.some((diagnostic) => diagnostic.severity === 'error');
  terminal.exit(hasErrors ? EXIT.usage : EXIT.ok);
  if (options.format !== 'human') {
    terminal.out(RENDERERS[options.format]({ diagnostics, text, name }));
    return;
  }
  terminal.note(renderHuman({ diagnostics, text, name }, { color: terminal.hasNoteColor }));
  if (hasErrors) {
    const hint = explainHint(diagnostics);
    terminal.note(
      `${terminal.notePaint.red(`${name}: ${countFindings(diagnostics)}`)}\n${terminal.notePaint.dim(hint)}\n`,
    );
    return;
  }
  if (!loader.hasCompiler) {
    const message =
      'the types of filters were not checked: there is no TypeScript compiler with @types/node';
    terminal.note(`${terminal.notePaint.dim(message)}\n`);
  }
  const warnings = diagnostics.length === 0 ? '' : `, ${countFindings(diagnostics)}`;
  terminal.out(`${terminal.paint.green(`${name} is valid`)}${warnings}${summary(result)}\n`);
  const routes = result.config === null ? [] : showRoutes(result.config);
  if (routes.length > 0) terminal.out(`\n${routes.join('\n')}\n`);
}

/** What the file amounts to, in one line. */
function summary({ config }: LoadResult): string {
  if (config === null) return '';
  const plural = (count: number, word: string): string =>
    `${count} ${word}${count === 1 ? '' : 's'}`;
  const endpoints = config.clusters.reduce((sum, cluster) => sum + cluster.endpoints.length, 0);
  const parts = [
    plural(config.listeners.length, 'listener'),
    ...(countRoutes(config) === 0 ? [] : [plural(countRoutes(config), 'route')]),
    plural(config.clusters.length, 'cluster'),
    plural(endpoints, 'endpoint'),
    plural(config.shards, 'shard'),
  ];
  return `: ${parts.join(', ')}`;
}

function explain(code: string, world: CliWorld): void {
  const row = findingByCode(code);
  if (row === null) {
    throw new CliError(`there is no code ${JSON.stringify(code)}`, {
      exitCode: EXIT.usage,
      hint: 'codes look like HF1012; docs/errors.md lists them',
    });
  }
  const { paint, out } = world.terminal;
  out(`${paint.bold(row.code)} (${row.severity})  ${row.title}\n\n  ${row.mend}\n`);
}

/** Adds the verbs. */
export function addValidateVerbs(program: Command, world: CliWorld): void {
  program
    .command('validate')
    .summary('check a configuration, and show everything that is wrong')
    .description(
      'Checks a configuration and shows every finding at once, with its place, its code and what to write instead. ' +
        'Exit code 0: no errors; 2: errors.',
    )
    .argument('[file]', 'configuration')
    .addOption(
      new Option('--format <format>', 'how to print findings')
        .choices(['human', 'json', 'github'])
        .default('human'),
    )
    .option('--deep', 'also try this machine: ports, names, namespaces, endpoints, directories')
    .addHelpText(
      'after',
      '\nExamples:\n  holdfast validate gateway.yaml\n  holdfast validate --deep gateway.yaml\n' +
        '  holdfast validate --format json gateway.yaml | jq .diagnostics\n',
    )
    .action((file: string | undefined, options: ValidateOptions) => validate(file, options, world));

  program
    .command('schema')
    .summary('print the JSON Schema of the configuration')
    .description('Prints the JSON Schema of the configuration, for editors and other programs.')
    .action(() => world.terminal.out(`${JSON.stringify(createJsonSchema(), null, 2)}\n`));

  program
    .command('explain')
    .summary('say what an error code means')
    .description('Says what an error code means and what to do about it.')
    .argument('<code>', 'a code such as HF1012')
    .action((code: string) => explain(code, world));
}
