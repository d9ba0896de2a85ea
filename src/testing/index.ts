/**
 * `holdfast/testing`: runs filters on scripts, and reads frames by a codec's description.
 *
 * Path: tests of filters import this; the gateway does not.
 */
export type { AnsweredEdit } from './answer-reader.ts';
export {
  BatchBuilder,
  type ConnectionParts,
  type HeadParts,
  type RecordTarget,
} from './batch-builder.ts';
export { FilterKit, type KitOptions, testFilter } from './filter-kit.ts';
export { type Frame, FrameError, FrameReader } from './frame-reader.ts';
export type { Tasks } from './in-process-offload.ts';
export type { Outcome } from './outcome.ts';
export { ScriptedCore } from './scripted-core.ts';
export type {
  ConnectionScript,
  RequestScript,
  ScriptedConnection,
  ScriptedExchange,
  ScriptedTunnel,
} from './scripted-holders.ts';
