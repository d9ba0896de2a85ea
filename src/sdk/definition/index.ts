/**
 * What the gateway does with a definition before it runs: check it, compile its needs.
 *
 * Path: src/main/filters and src/shard/filters; filters themselves do not import this.
 */
export { checkDefinition, type DefinitionFault } from './check-definition.ts';
export {
  compileNeeds,
  HOOKS_OF,
  joinNeeds,
  NEED,
  type NeedsPlan,
  type NeedsSource,
} from './compile-needs.ts';
export { readDuration } from './read-duration.ts';
