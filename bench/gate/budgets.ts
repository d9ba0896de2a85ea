/**
 * bench/budgets.json: what each counted figure may be, and why.
 *
 * Path: the gate compares what it measured with these; a person edits the file.
 * Invariant: a figure may exceed its budget by its tolerance (1 % unless the file says more) and
 * not by more. A budget that is higher than at the merge base needs another reason than there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageFailure } from '../rig/index.ts';

/** One line of the file. */
export interface Budget {
  readonly budget: number;
  /** Why it is this much; changes whenever the budget is raised. */
  readonly reason: string;
  /** Share above the budget that still passes; 0.01 when absent. */
  readonly tolerance?: number;
  /** Values up to this are counted as 0: what a running process does by itself meanwhile. */
  readonly noise?: number;
}

/** The file. */
export interface Budgets {
  /** Compiler and architecture that the instruction counts are from. */
  readonly toolchain: string;
  readonly figures: Readonly<Record<string, Budget>>;
}

/** What became of one figure. */
export type Verdict = 'holds' | 'exceeds' | 'not measured';

/** One judged figure. */
export interface Judgement {
  readonly name: string;
  readonly verdict: Verdict;
  readonly value?: number;
  readonly budget?: number;
  /** For the person: what is wrong, why it was not measured, or that the budget can be lowered. */
  readonly remark?: string;
}

const TOLERANCE = 0.01;
const FILE = join('bench', 'budgets.json');

/** @throws UsageFailure when the file is missing or wrong. */
export function parseBudgets(text: string): Budgets {
  const budgets = JSON.parse(text) as Budgets;
  for (const [name, { budget, reason }] of Object.entries(budgets.figures)) {
    if (typeof budget !== 'number' || typeof reason !== 'string' || reason === '') {
      throw new UsageFailure(`budgets.json: ${name} wants a budget and a reason`);
    }
  }
  return budgets;
}

/** The budgets of a project tree. */
export function readBudgets(tree: string): Budgets {
  return parseBudgets(readFileSync(join(tree, FILE), 'utf8'));
}

/** Judges one figure. `value` is a number, or the sentence that says why there is none. */
export function judge(name: string, value: number | string, budgets: Budgets): Judgement {
  if (typeof value === 'string') return { name, verdict: 'not measured', remark: value };
  const line = budgets.figures[name];
  if (line === undefined) {
    const remark = `budgets.json has no budget for it: add one with a reason`;
    return { name, verdict: 'exceeds', value, remark };
  }
  const { budget, tolerance = TOLERANCE, noise = 0 } = line;
  const counted = value <= noise ? 0 : value;
  if (counted > budget * (1 + tolerance)) {
    const share = budget === 0 ? '' : ` (+${((counted / budget - 1) * 100).toFixed(2)} %)`;
    return { name, verdict: 'exceeds', value, budget, remark: `above its budget${share}` };
  }
  const isLower = counted < budget * (1 - tolerance);
  const remark = isLower ? { remark: 'the budget can be lowered' } : {};
  return { name, verdict: 'holds', value, budget, ...remark };
}

/** Budgets that were raised without another reason, as sentences. */
export function findUnexplained(base: Budgets, head: Budgets): string[] {
  return Object.entries(head.figures).flatMap(([name, { budget, reason }]) => {
    const before = base.figures[name];
    if (before === undefined || budget <= before.budget || reason !== before.reason) return [];
    return [
      `the budget of ${name} rises from ${before.budget} to ${budget} and its reason stays the same`,
    ];
  });
}

/** Writes measured values into the file where they are lower; returns the names it lowered. */
export function lowerBudgets(tree: string, judgements: readonly Judgement[]): string[] {
  const budgets = readBudgets(tree);
  const figures: Record<string, Budget> = { ...budgets.figures };
  const lowered: string[] = [];
  for (const { name, verdict, value, budget } of judgements) {
    const line = figures[name];
    if (line === undefined || verdict !== 'holds' || value === undefined) continue;
    if (budget === undefined || value >= budget) continue;
    figures[name] = { ...line, budget: value };
    lowered.push(name);
  }
  const text = JSON.stringify({ ...budgets, figures }, null, 2);
  writeFileSync(join(tree, FILE), `${text}\n`);
  return lowered;
}
