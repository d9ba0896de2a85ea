/**
 * Native filters: those that the core evaluates itself, as the configuration writes them.
 *
 * Path: the planner of filters checks uses with it; the policies go into the snapshot.
 */
export type { FilterPlace, NativeFinding } from './native-filter.ts';
export {
  checkNativeFilter,
  findingOfFault,
  isNativeFilter,
  listNativeFilters,
  type NativeCheck,
} from './registry.ts';
