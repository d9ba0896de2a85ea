/**
 * Measures counted figures of this tree and judges them by their budgets.
 *
 * Path: gate.ts and the self-test choose the figures; each becomes one line.
 * Invariant: a figure of the whole product that exceeds its budget is measured again, because what
 * disturbs it (a busy machine, Node's own work) only ever adds; the least counts. Figures of the
 * core are the same each time, so they are measured once.
 */
import { explain, Interrupted, type RigParts, ROOT, UsageFailure } from '../rig/index.ts';
import { type Budgets, type Judgement, judge, readBudgets } from './budgets.ts';
import { type CountedFigure, prepareSubject, type Subject } from './figures.ts';
import { describeJudgement } from './report.ts';

/** How often a figure of the product is measured at the most. */
const TRIES = { core: 1, product: 3 } as const;

async function measure(figure: CountedFigure, subject: Subject): Promise<number | string> {
  return figure.measure(subject).catch((cause: unknown) => {
    if (subject.parts.signal.aborted) throw new Interrupted();
    throw new UsageFailure(`${figure.name} could not be measured: ${explain(cause)}`, { cause });
  });
}

async function judgeFigure(
  figure: CountedFigure,
  subject: Subject,
  budgets: Budgets,
): Promise<Judgement> {
  let best: Judgement | undefined;
  for (let tried = 0; tried < TRIES[figure.kind]; tried += 1) {
    const isLast = tried + 1 === TRIES[figure.kind];
    let judgement: Judgement;
    try {
      judgement = judge(figure.name, await measure(figure, subject), budgets);
    } catch (cause) {
      if (isLast || cause instanceof Interrupted) throw cause;
      continue;
    }
    if (best?.value === undefined || (judgement.value ?? 0) < best.value) best = judgement;
    if (best.verdict !== 'exceeds') break;
  }
  if (best === undefined) throw new UsageFailure(`${figure.name} could not be measured`);
  return best;
}

/**
 * Judges figures in their order, a line for each as soon as it is known.
 *
 * @throws UsageFailure when a figure cannot be measured although its instrument is there.
 */
export async function judgeFigures(
  figures: readonly CountedFigure[],
  parts: RigParts,
  write: (line: string) => void,
): Promise<Judgement[]> {
  const judgements: Judgement[] = [];
  if (figures.length === 0) return judgements;
  const budgets = readBudgets(ROOT);
  const subject = await prepareSubject(ROOT, parts, budgets.toolchain);
  for (const figure of figures) {
    const judgement = await judgeFigure(figure, subject, budgets);
    judgements.push(judgement);
    write(describeJudgement(judgement));
  }
  return judgements;
}
