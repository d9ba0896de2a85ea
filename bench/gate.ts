/**
 * `npm run gate`: fails when a change makes the path dearer.
 *
 * Path: counted figures against bench/budgets.json, then time against the merge base, built in a
 * worktree and run interleaved with this tree. CI runs it with `--short` inside `npm test` and
 * whole against the merge base of a change.
 * Invariant: exit code 0 only when every figure that could be measured holds; what could not be is
 * named with the reason. Nothing keeps running after it, whatever ends it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  type Base,
  type CountedFigure,
  FIGURES,
  findBase,
  findUnexplained,
  judgeFigures,
  judgeTimeAgainstBase,
  listFigures,
  lowerBudgets,
  parseBudgets,
  readAt,
  readBudgets,
  removeBase,
  runSelfTest,
} from './gate/index.ts';
import {
  buildLoadgen,
  explain,
  Interrupted,
  Ports,
  type RigParts,
  ROOT,
  readMachine,
  UsageFailure,
} from './rig/index.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;
const SAME_RUNS = 20;
const SIGNAL_MS = 50;

const USAGE = `usage: npm run gate [-- OPTION ...]
       npm run gate -- self-test        plants regressions; runs one tree against itself
       npm run gate -- clean            removes the worktree of the base

options
  --short             only the figures of the core: seconds instead of minutes
  --figure NAME       only this figure (again and again with several --figure)
  --time              only the comparison of time with the base
  --base COMMIT       compare with this commit instead of the merge base with main
  --lower             write lower budgets where figures are lower
  --list              the figures

options of the self-test, which goes on from where the last call on the same tree ended
  --runs N            how many runs of one tree against itself (default ${SAME_RUNS})
  --most N            no more than N of them in this call
  --fresh             from the beginning
`;

const OPTIONS = {
  short: { type: 'boolean' },
  figure: { type: 'string', multiple: true },
  time: { type: 'boolean' },
  base: { type: 'string' },
  lower: { type: 'boolean' },
  runs: { type: 'string' },
  most: { type: 'string' },
  fresh: { type: 'boolean' },
  list: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

type Options = ReturnType<typeof parseOptions>;

function parseOptions(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (cause) {
    throw new UsageFailure(`${explain(cause).split('. ')[0]}. See --help.`, { cause });
  }
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function chooseFigures({ values }: Options): readonly CountedFigure[] {
  const names = values.figure ?? [];
  const unknown = names.find((name) => !FIGURES.some((figure) => figure.name === name));
  if (unknown !== undefined) {
    throw new UsageFailure(`there is no figure "${unknown}"; see them with --list`);
  }
  if (values.time) return [];
  if (names.length > 0) return FIGURES.filter(({ name }) => names.includes(name));
  return values.short ? FIGURES.filter(({ kind }) => kind === 'core') : FIGURES;
}

async function judgeBudgets(base: Base): Promise<string[]> {
  if ('missing' in base) return [];
  const before = await readAt(ROOT, base.commit, 'bench/budgets.json');
  return before === undefined ? [] : findUnexplained(parseBudgets(before), readBudgets(ROOT));
}

async function runGate(options: Options, parts: RigParts): Promise<boolean> {
  const { values } = options;
  const figures = chooseFigures(options);
  const base = await findBase(ROOT, values.base);
  const judgements = await judgeFigures(figures, parts, say);
  const unexplained = await judgeBudgets(base);
  for (const sentence of unexplained) say(`FAILED ${sentence}`);
  if (values.lower) {
    for (const name of lowerBudgets(ROOT, judgements)) say(`lowered ${name}`);
  }
  const isCounted =
    unexplained.length === 0 && judgements.every(({ verdict }) => verdict !== 'exceeds');
  const isOnlyFigures = values.short || (values.figure ?? []).length > 0;
  if (isOnlyFigures) return isCounted;
  const isQuick = await judgeTimeAgainstBase({ parts, base, write: say });
  return isCounted && isQuick;
}

function parseRuns(name: string, value: string | undefined, otherwise: number): number {
  const runs = Number(value ?? otherwise);
  if (!Number.isInteger(runs) || runs < 0) {
    throw new UsageFailure(`--${name} wants a whole number, not "${value}"`);
  }
  return runs;
}

/** The short form keeps nothing, so that a test of it is one. */
function testSelf(options: Options, parts: RigParts): Promise<boolean> {
  const { values } = options;
  const runs = parseRuns('runs', values.runs, SAME_RUNS);
  const kept = values.fresh ? 'fresh' : 'kept';
  return runSelfTest({
    figures: chooseFigures(options),
    parts,
    isTimed: values.short !== true,
    runs,
    runsNow: parseRuns('most', values.most, runs),
    memory: values.short ? 'alone' : kept,
    write: say,
  });
}

async function perform(argv: readonly string[], signal: AbortSignal): Promise<boolean> {
  const options = parseOptions(argv);
  const [verb, ...more] = options.positionals;
  if (options.values.help) {
    process.stdout.write(USAGE);
    return true;
  }
  if (options.values.list) {
    process.stdout.write(listFigures(FIGURES));
    return true;
  }
  if (more.length > 0 || (verb !== undefined && verb !== 'self-test' && verb !== 'clean')) {
    throw new UsageFailure(`the gate does not know "${more[0] ?? verb}"; see --help`);
  }
  if (verb === 'clean') {
    await removeBase(ROOT);
    return true;
  }
  const machine = readMachine();
  const parts = { loadgen: await buildLoadgen(), machine, ports: new Ports(), signal };
  return verb === 'self-test' ? testSelf(options, parts) : runGate(options, parts);
}

const interrupt = new AbortController();
const abort = (): void => interrupt.abort(new Interrupted());
process.on('SIGINT', abort);
process.on('SIGTERM', abort);
try {
  const isGreen = await perform(process.argv.slice(2), interrupt.signal);
  process.exitCode = isGreen ? 0 : EXIT_FAILED;
} catch (cause) {
  // A signal to the whole process group may end the load before this process hears of it.
  await delay(SIGNAL_MS);
  if (interrupt.signal.aborted) {
    process.exitCode = EXIT_INTERRUPTED;
  } else {
    process.stderr.write(`gate: ${explain(cause)}\n`);
    process.exitCode = cause instanceof UsageFailure ? EXIT_USAGE : EXIT_FAILED;
  }
}
