/**
 * What main tells the filter host of a shard: programs, instances and chains of a generation.
 *
 * Path: src/main/filters makes a plan from a configuration; host.ts prepares and commits it.
 * Invariant: plain values that can be cloned to another thread. An id means one thing until every
 * shard has let go of it: an instance or chain that did not change keeps its id over reloads.
 */
import type { FramingInput } from '../../../native/epoll/index.ts';
import type { NeedsPlan } from '../../sdk/definition/index.ts';

/** The sources of a module and of the files it imports, as they were checked. */
export interface Program {
  /** Digest of all the texts; the same sources have the same. */
  readonly hash: string;
  /** URL of the module: a file of `files`, or an installed package's. */
  readonly entry: string;
  /** Texts by URL. Empty for a package: those are loaded once, and never again. */
  readonly files: Readonly<Record<string, string>>;
}

/** One use of a filter. */
export interface InstancePlan {
  readonly id: number;
  /** The filter's own name, for errors and logs. */
  readonly filter: string;
  /** Hash of its program. */
  readonly program: string;
  /** Hash of the program behind `offload`; null without. */
  readonly offload: string | null;
  /** What stands under `with`, as it is in the configuration. */
  readonly config: unknown;
  /** URL of the configuration file, from which paths under `with` lead. */
  readonly base: string;
  /** The generation that brought it. */
  readonly generation: number;
  /** First of its cells in the counters: one for each hook. */
  readonly cell: number;
}

/** A member of a chain. */
export interface ChainMember {
  readonly instance: number;
  /** A listener's filter sees requests before their route is sought, a route's afterwards. */
  readonly place: 'listener' | 'route';
}

/** One chain: what the core must know, and its members in the order of the configuration. */
export interface ChainPlan extends NeedsPlan {
  readonly id: number;
  readonly members: readonly ChainMember[];
  /** Of a TCP listener with a codec: what its messages are; null: what one read brings. */
  readonly framing: FramingInput | null;
}

/** All filters of one generation. */
export interface FilterPlan {
  readonly generation: number;
  readonly programs: readonly Program[];
  readonly instances: readonly InstancePlan[];
  readonly chains: readonly ChainPlan[];
}
