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
  buildBase,
  type CountedFigure,
  compareTrees,
  describeJudgement,
  describePlant,
  describeTime,
  EFFORT,
  FIGURES,
  findBase,
  findUnexplained,
  type Judgement,
  judge,
  judgeTime,
  listFigures,
  lowerBudgets,
  parseBudgets,
  plantAll,
  prepareSubject,
  readAt,
  readBudgets,
  removeBase,
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

options
  --short             only the figures of the core: seconds instead of minutes
  --figure NAME       only this figure (again and again with several --figure)
  --time              only the comparison of time with the merge base
  --base COMMIT       compare with this commit instead of the merge base with main
  --lower             write lower budgets where figures are lower
  --runs N            how many runs of one tree the self-test makes (default ${SAME_RUNS})
  --list              the figures
`;

const OPTIONS = {
  short: { type: 'boolean' },
  figure: { type: 'string', multiple: true },
  time: { type: 'boolean' },
  base: { type: 'string' },
  lower: { type: 'boolean' },
  runs: { type: 'string' },
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

async function judgeFigures(
  figures: readonly CountedFigure[],
  parts: RigParts,
  write: (line: string) => void,
): Promise<Judgement[]> {
  const budgets = readBudgets(ROOT);
  const judgements: Judgement[] = [];
  if (figures.length === 0) return judgements;
  const subject = await prepareSubject(ROOT, parts, budgets.toolchain);
  for (const figure of figures) {
    const value = await figure.measure(subject).catch((cause: unknown) => {
      if (parts.signal.aborted) throw new Interrupted();
      throw new UsageFailure(`${figure.name} could not be measured: ${explain(cause)}`, { cause });
    });
    const judgement = judge(figure.name, value, budgets);
    judgements.push(judgement);
    write(describeJudgement(judgement));
  }
  return judgements;
}

async function judgeBudgets(base: string | undefined): Promise<string[]> {
  const before = base === undefined ? undefined : await readAt(base, 'bench/budgets.json');
  return before === undefined ? [] : findUnexplained(parseBudgets(before), readBudgets(ROOT));
}

/** True when nothing rose. */
async function judgeTimeAgainst(
  trees: readonly [string, string],
  parts: RigParts,
  write: (line: string) => void,
): Promise<boolean> {
  const judgements = await judgeTime((which) =>
    compareTrees(parts, which === 'same' ? [trees[1], trees[1]] : trees, EFFORT),
  );
  for (const judgement of judgements) write(describeTime(judgement));
  return judgements.every(({ isAlarm }) => !isAlarm);
}

async function runGate(options: Options, parts: RigParts): Promise<boolean> {
  const { values } = options;
  const figures = chooseFigures(options);
  const base = await findBase(values.base);
  const judgements = await judgeFigures(figures, parts, say);
  const unexplained = await judgeBudgets(base);
  for (const sentence of unexplained) say(`FAILED ${sentence}`);
  if (values.lower) {
    for (const name of lowerBudgets(ROOT, judgements)) say(`lowered ${name}`);
  }
  const isCounted = judgements.every(({ verdict }) => verdict !== 'exceeds');
  const isOnlyFigures = values.short || (values.figure ?? []).length > 0;
  if (isOnlyFigures) return isCounted && unexplained.length === 0;
  if (base === undefined) {
    say('–      time: there is no commit to compare with');
    return isCounted && unexplained.length === 0;
  }
  const isQuick = await judgeTimeAgainst([await buildBase(base), ROOT], parts, say);
  return isCounted && unexplained.length === 0 && isQuick;
}

/** One run of the gate on this tree against itself; returns the lines that failed. */
async function runOnSameTree({ values }: Options, parts: RigParts): Promise<string[]> {
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  const figures = values.short ? FIGURES.filter(({ kind }) => kind === 'core') : FIGURES;
  await judgeFigures(figures, parts, write);
  if (!values.short) await judgeTimeAgainst([ROOT, ROOT], parts, write);
  return lines.filter((line) => line.startsWith('FAILED'));
}

/** Plants are caught and one tree against itself raises no alarm. */
async function runSelfTest(options: Options, parts: RigParts): Promise<boolean> {
  const runs = Number(options.values.runs ?? SAME_RUNS);
  if (!Number.isInteger(runs) || runs < 0) throw new UsageFailure('--runs wants a whole number');
  const budgets = readBudgets(ROOT);
  await prepareSubject(ROOT, parts, budgets.toolchain);
  const plants = await plantAll(budgets);
  for (const result of plants) say(describePlant(result));
  let alarms = 0;
  for (let run = 1; run <= runs; run += 1) {
    const lines = await runOnSameTree(options, parts);
    if (lines.length > 0) alarms += 1;
    for (const line of lines) say(line);
    const outcome = lines.length > 0 ? 'ALARM' : 'no alarm';
    say(`one tree against itself, run ${run} of ${runs}: ${outcome}`);
  }
  const caught = plants.filter(({ isCaught }) => isCaught).length;
  say(`${caught} of ${plants.length} plants caught, ${alarms} false alarms in ${runs} runs`);
  return alarms === 0 && plants.every(({ isCaught }) => isCaught);
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
    await removeBase();
    return true;
  }
  const machine = readMachine();
  const parts = { loadgen: await buildLoadgen(), machine, ports: new Ports(), signal };
  return verb === 'self-test' ? runSelfTest(options, parts) : runGate(options, parts);
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
