/** The performance gate: counted figures with budgets, time against the merge base, and its proof. */
export { judgeTimeAgainstBase } from './against-base.ts';
export { type Base, findBase, readAt, removeBase } from './base.ts';
export {
  type Budgets,
  findUnexplained,
  type Judgement,
  judge,
  lowerBudgets,
  parseBudgets,
  readBudgets,
} from './budgets.ts';
export { judgeFigures } from './count.ts';
export { type CountedFigure, FIGURES } from './figures.ts';
export { describeJudgement, describeTime, listFigures } from './report.ts';
export { runSelfTest } from './self-test.ts';
export { judgeTime, judgeTurns, type Turn } from './time.ts';
