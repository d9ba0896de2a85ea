/**
 * Checks modules that a configuration names, before anything runs them.
 *
 * Path: plan-filters.ts and `holdfast validate`.
 */
export { CHECK_MS_MAX, checkModule } from './check-module.ts';
export { checkTypes, type TypesOutcome } from './check-types.ts';
export type {
  CheckOrder,
  CheckReply,
  ConfigFault,
  ModuleSummary,
  SourceFault,
} from './protocol.ts';
