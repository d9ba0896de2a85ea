/**
 * What the gate says: one line for each figure, and for each failure how to see it again.
 *
 * Path: gate.ts prints these lines; their text is all that CI shows.
 * Invariant: a failing line names the figure, what was measured, the budget, and the command.
 */
import type { Judgement } from './budgets.ts';
import type { CountedFigure } from './figures.ts';
import type { PlantResult } from './plants.ts';
import type { TimeJudgement } from './time.ts';

const NAME_COLUMNS = 36;

const write = (value: number): string => `${Number(value.toFixed(4))}`;

/** The line of one counted figure. */
export function describeJudgement({ name, verdict, value, budget, remark }: Judgement): string {
  const mark = { holds: 'ok    ', exceeds: 'FAILED', 'not measured': '–     ' }[verdict];
  const numbers = value === undefined ? '' : `${write(value)} of ${budget ?? 'no budget'}`;
  const line = `${mark} ${name.padEnd(NAME_COLUMNS)} ${numbers}`;
  const said = remark === undefined ? line : `${line}  (${remark})`;
  if (verdict !== 'exceeds') return said.trimEnd();
  return `${said}\n       see it again: npm run gate -- --figure ${name}`;
}

/** The line of one figure of the soft gate. */
export function describeTime(judgement: TimeJudgement): string {
  const { name, title, effect, thresholdShare, verdict, remark } = judgement;
  const percent = (log: number): string => `${((Math.exp(log) - 1) * 100).toFixed(1)} %`;
  const mark = { holds: 'ok    ', alarm: 'FAILED', inconclusive: '–     ' }[verdict];
  const interval = `${percent(effect.low)} to ${percent(effect.high)}`;
  const line =
    `${mark} ${`time-${name}`.padEnd(NAME_COLUMNS)} ${percent(effect.median)} (${interval}), ` +
    `${effect.count} turns, alarm above ${(thresholdShare * 100).toFixed(1)} %`;
  if (verdict === 'inconclusive') return `${line}  (inconclusive: ${remark ?? 'no reason'})`;
  if (verdict === 'holds') return line;
  return `${line}\n       ${title} rose twice; see it again: npm run gate -- --time`;
}

/** The line of one planted regression. */
export function describePlant({ plant, isCaught, judgements }: PlantResult): string {
  const missing = judgements.find(({ verdict }) => verdict === 'not measured');
  const seen = judgements
    .map(({ name, value, remark }) => `${name} ${value === undefined ? remark : write(value)}`)
    .join(', ');
  const mark = isCaught ? 'caught' : missing === undefined ? 'MISSED' : '–     ';
  return `${mark} ${plant.title}: ${seen}`;
}

/** The names and titles of all counted figures, for --list. */
export function listFigures(figures: readonly CountedFigure[]): string {
  return figures.map(({ name, title }) => `${name.padEnd(NAME_COLUMNS)} ${title}\n`).join('');
}
