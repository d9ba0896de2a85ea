/**
 * The verbs that steer a running gateway: reload, drain, undrain, kill, log-level.
 *
 * Path: main.ts -> here -> admin-client.ts -> src/main/admin.
 * Invariant: each says in one line what came of it, and its exit code says the same.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { countFindings, type Diagnostic, parseDuration, renderHuman } from '../config/index.ts';
import { type AdminTarget, ask, askExpecting } from './admin-client.ts';
import { addAdminOptions } from './admin-options.ts';
import type { CliWorld } from './cli-world.ts';
import { CliError, EXIT } from './exit.ts';
import { type AdminOptions, findAdmin } from './find-admin.ts';
import { shortCount, shortDuration } from './table.ts';
import type { Terminal } from './terminal.ts';

/** What POST /v1/reload and PUT /v1/config answer. */
interface ReloadAnswer {
  readonly result: 'applied' | 'unchanged' | 'valid' | 'invalid' | 'failed';
  readonly generation: number;
  readonly changes: readonly string[];
  readonly warnings: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
  readonly error: string | { readonly message?: string } | null;
}

interface DrainOptions extends AdminOptions {
  readonly over?: string;
  readonly wait?: true;
}

interface ReloadOptions extends AdminOptions {
  readonly dryRun?: string;
  readonly json?: true;
}

const WAIT_POLL_MS = 250;
const UNPROCESSABLE = 422;
const CONFLICT = 409;

/** The text that findings point into, when it can be read from here. */
function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function printReload(
  answer: ReloadAnswer,
  name: string,
  world: { text: string; terminal: Terminal },
): void {
  const { terminal, text } = world;
  const { paint, notePaint } = terminal;
  terminal.note(
    renderHuman({ diagnostics: answer.diagnostics, text, name }, { color: terminal.hasNoteColor }),
  );
  for (const warning of answer.warnings) {
    const isShown = answer.diagnostics.some(({ message }) => warning.includes(message));
    if (!isShown) terminal.note(`${notePaint.yellow('warning')}: ${warning}\n`);
  }
  if (answer.result === 'invalid') {
    throw new CliError(
      `rejected: ${countFindings(answer.diagnostics)}; the running configuration stays`,
      { exitCode: EXIT.usage },
    );
  }
  if (answer.result === 'failed') {
    const why =
      typeof answer.error === 'string'
        ? answer.error
        : (answer.error?.message ?? 'it could not be applied');
    throw new CliError(`failed: ${why}; the running configuration stays`);
  }
  const words = {
    applied: `${paint.green('applied')} as generation ${answer.generation}`,
    unchanged: `unchanged: generation ${answer.generation} says the same already`,
    valid: `${paint.green('valid')}; applying it would change:`,
  };
  terminal.out(`${words[answer.result]}\n`);
  const changes =
    answer.changes.length === 0 && answer.result === 'valid' ? ['nothing'] : answer.changes;
  for (const change of changes) terminal.out(`  ${change}\n`);
}

async function reload(options: ReloadOptions, world: CliWorld): Promise<void> {
  const target = findAdmin(options, world.terminal.env);
  const file = options.dryRun;
  let name = file ?? '';
  let text = '';
  if (file !== undefined) {
    text = readQuietly(file);
    if (text === '') throw new CliError(`${file} cannot be read`, { exitCode: EXIT.usage });
  } else {
    const { source } = await ask(target, { method: 'GET', path: '/v1/status' });
    name = typeof source === 'string' ? source : 'configuration';
    text = readQuietly(name);
  }
  const answer = await askExpecting(
    target,
    file === undefined
      ? { method: 'POST', path: '/v1/reload' }
      : { method: 'PUT', path: '/v1/config', query: { dry_run: '1' }, body: text },
    [UNPROCESSABLE, CONFLICT],
  );
  if (!('result' in answer.json)) {
    const error = answer.json['error'] as { message?: string; hint?: string } | undefined;
    throw new CliError(error?.message ?? 'the gateway refused', { hint: error?.hint ?? '' });
  }
  if (options.json === true) {
    world.terminal.out(`${JSON.stringify(answer.json, null, 2)}\n`);
    world.terminal.exit(
      answer.status === UNPROCESSABLE
        ? EXIT.usage
        : answer.status === CONFLICT
          ? EXIT.failed
          : EXIT.ok,
    );
    return;
  }
  printReload(answer.json as unknown as ReloadAnswer, name, { text, terminal: world.terminal });
}

/** Waits until nobody is connected any more. */
async function waitForDrain(target: AdminTarget, terminal: Terminal): Promise<void> {
  let before = Number.NaN;
  for (;;) {
    const { connections } = await ask(target, { method: 'GET', path: '/v1/status' });
    if (connections === 0) break;
    if (connections !== before && terminal.columns > 0) {
      terminal.note(`\r${shortCount(Number(connections))} connections left \u001b[K`);
    }
    before = Number(connections);
    await sleep(WAIT_POLL_MS);
  }
  terminal.out(`${terminal.columns > 0 ? '\r\u001b[K' : ''}drained: no connections left\n`);
}

async function drain(options: DrainOptions, world: CliWorld): Promise<void> {
  const over = options.over === undefined ? null : parseDuration(options.over);
  if (over?.ok === false) {
    throw new CliError(`--over: ${over.fault.message}`, {
      exitCode: EXIT.usage,
      hint: over.fault.hint,
    });
  }
  const target = findAdmin(options, world.terminal.env);
  const answer = await ask(target, {
    method: 'POST',
    path: '/v1/drain',
    body: over === null ? {} : { overMs: over.value },
  });
  const connections = shortCount(Number(answer['connections'] ?? 0));
  const window = shortDuration(Number(answer['overMs'] ?? 0));
  world.terminal.out(
    `draining ${connections} connections over ${window}; "holdfast undrain" takes it back\n`,
  );
  if (options.wait === true) await waitForDrain(target, world.terminal);
}

async function undrain(options: AdminOptions, world: CliWorld): Promise<void> {
  const target = findAdmin(options, world.terminal.env);
  await ask(target, { method: 'POST', path: '/v1/undrain', body: {} });
  world.terminal.out(`${world.terminal.paint.green('serving')} again\n`);
}

async function kill(ids: readonly string[], options: AdminOptions, world: CliWorld): Promise<void> {
  const target = findAdmin(options, world.terminal.env);
  for (const id of ids) {
    await ask(target, { method: 'DELETE', path: `/v1/connections/${encodeURIComponent(id)}` });
    world.terminal.out(`closed ${id}\n`);
  }
}

async function setLogLevel(
  level: string | undefined,
  options: AdminOptions,
  world: CliWorld,
): Promise<void> {
  const target = findAdmin(options, world.terminal.env);
  const method = level === undefined ? 'GET' : 'POST';
  const body = level === undefined ? undefined : { level };
  const answer = await ask(target, { method, path: '/v1/log-level', body });
  const former = typeof answer['former'] === 'string' ? ` (was ${answer['former']})` : '';
  world.terminal.out(`log level: ${String(answer['level'])}${former}\n`);
}

/** Adds the verbs. */
export function addAdminVerbs(program: Command, world: CliWorld): void {
  addAdminOptions(program.command('reload'))
    .summary('load the configuration again')
    .description(
      'Loads the configuration again and waits for the result. Established connections are never touched; a wrong ' +
        'file changes nothing (exit code 2).',
    )
    .addOption(new Option('--dry-run <file>', 'only say what this file would change'))
    .option('--json', 'print the answer as JSON')
    .action((options: ReloadOptions) => reload(options, world));

  addAdminOptions(program.command('drain'))
    .summary('ask everyone to leave, spread over time')
    .description('Fails readiness, then closes connections at random moments of a window.')
    .option('--over <duration>', 'the window, such as 5m; default: drain.over of the configuration')
    .option('--wait', 'wait until nobody is connected')
    .addHelpText(
      'after',
      '\nExamples:\n  holdfast drain --over 5m\n  holdfast drain --over 30s --wait\n',
    )
    .action((options: DrainOptions) => drain(options, world));

  addAdminOptions(program.command('undrain'))
    .summary('take a drain back')
    .description('Ends a drain: readiness returns, and connections are accepted again.')
    .action((options: AdminOptions) => undrain(options, world));

  addAdminOptions(program.command('kill'))
    .summary('close connections by their id')
    .description(
      'Closes connections by the ids that "holdfast conns" shows. An id names one connection and no later one.',
    )
    .argument('<id...>', 'ids of connections')
    .action((ids: readonly string[], options: AdminOptions) => kill(ids, options, world));

  addAdminOptions(program.command('log-level'))
    .summary('show or change the log level')
    .description(
      'Changes the level of the process log until the next start; without an argument shows it.',
    )
    .argument('[level]', 'trace, debug, info, warn, error or fatal')
    .action((level: string | undefined, options: AdminOptions) =>
      setLogLevel(level, options, world),
    );
}
