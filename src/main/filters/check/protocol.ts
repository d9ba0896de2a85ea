/**
 * What main and the check thread say to each other, as types and nothing else.
 *
 * Path: check-module.ts starts worker.ts with a CheckOrder and gets one CheckReply.
 * Invariant: plain values; no function of a filter ever reaches the main thread.
 */
import type { FramingInput } from '../../../../native/epoll/index.ts';
import type { NeedsPlan } from '../../../sdk/definition/index.ts';
import type { Program } from '../../../shard/filters/index.ts';

/** What to check. */
export interface CheckOrder {
  /** A path or the name of a package, as `use` says. */
  readonly specifier: string;
  /** URL of the file that says it. */
  readonly base: string;
  /** What stands under `with`, for each use of the module. */
  readonly configs: readonly unknown[];
}

/** A fault of a source file. Lines and columns count from 1; 0 where they are not known. */
export interface SourceFault {
  /** Path of the file; empty when there is none. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Of a definition, like `needs.requestHeaders`; else empty. */
  readonly field: string;
  readonly message: string;
}

/** A fault of the configuration of one use. */
export interface ConfigFault {
  /** Position in {@link CheckOrder.configs}. */
  readonly use: number;
  /** Keys and positions from `with` on. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What main keeps of a definition. */
export interface ModuleSummary {
  readonly kind: string;
  readonly name: string;
  readonly needs: NeedsPlan;
  /** Of a codec: its description; else null. */
  readonly framing: FramingInput | null;
}

/** What was found. */
export interface CheckReply {
  /** null when there is a fault. */
  readonly summary: ModuleSummary | null;
  readonly program: Program | null;
  readonly offload: Program | null;
  readonly sourceFaults: readonly SourceFault[];
  readonly configFaults: readonly ConfigFault[];
}
