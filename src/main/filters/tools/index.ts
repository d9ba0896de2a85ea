/**
 * What the command line does with filters: start one, test it, measure it.
 *
 * Path: cli/verb-filter.ts.
 */
export { type BenchScript, benchFilter, type HookCost } from './bench-filter.ts';
export { type LoadedFilter, loadFilter } from './load-filter.ts';
export { runFilterTests } from './run-tests.ts';
export {
  SCAFFOLD_KINDS,
  type ScaffoldFile,
  type ScaffoldKind,
  scaffoldFilter,
} from './scaffold.ts';
