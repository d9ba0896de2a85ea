/**
 * Filters that the core evaluates itself: what they are called, and what they can be told.
 *
 * Path: check-uses.ts asks about every use of a filter.
 * Invariant: nothing of them runs in JavaScript; what is checked here is plain data for the core.
 */
export { checkNativeFilter, isNativeFilter, type NativeCheck } from './native-filters.ts';
