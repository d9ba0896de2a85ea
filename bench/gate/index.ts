/** The performance gate: counted figures with budgets, time against the merge base, and its proof. */
export { buildBase, findBase, readAt, removeBase } from './base.ts';
export {
  type Budgets,
  findUnexplained,
  type Judgement,
  judge,
  lowerBudgets,
  parseBudgets,
  readBudgets,
} from './budgets.ts';
export { type CountedFigure, FIGURES, prepareSubject, type Subject } from './figures.ts';
export { type PlantResult, plantAll } from './plants.ts';
export { describeJudgement, describePlant, describeTime, listFigures } from './report.ts';
export { compareTrees, EFFORT, type Effects, judgeEffects, judgeTime } from './time.ts';
