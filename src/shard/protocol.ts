/**
 * The messages between the main thread and a shard, as types and nothing else.
 *
 * Path: main/shards sends a {@link ShardEnvelope} over the worker's port; worker.ts answers each
 * with exactly one {@link ShardReply}. Events flow the other way without being asked for.
 * Invariant: only plain data crosses; descriptors cross as numbers, because all threads share one
 * descriptor table. Nothing here is sent per connection or per message of a client.
 */
import type { MessagePort } from 'node:worker_threads';
import type {
  ConnectionFilter,
  ConnectionPage,
  CutPage,
  NativeShardOptions,
} from '../../native/epoll/index.ts';
import type {
  CounterMemory,
  FilterFault,
  FilterLine,
  FilterPlan,
  LeaseMode,
} from './filters/index.ts';

/** What main can ask of a shard, by name: the argument, and the value of the answer. */
export interface ShardCalls {
  /** Uses the snapshot behind `fd` for new connections; the descriptor stays main's. */
  readonly apply: { readonly argument: { readonly fd: number }; readonly result: null };
  readonly connections: {
    readonly argument: {
      readonly cursor: number;
      readonly slots: number;
      readonly limit: number;
      readonly filter: ConnectionFilter;
    };
    readonly result: ConnectionPage;
  };
  /** True when the connection was alive. */
  readonly kill: { readonly argument: { readonly connection: string }; readonly result: boolean };
  /** How many connections the shard is closing. */
  readonly drain: { readonly argument: { readonly overMs: number }; readonly result: number };
  readonly undrain: { readonly argument: null; readonly result: null };
  /** Ends what a drain left over, a page of slots at a time. */
  readonly cutDrained: {
    readonly argument: { readonly cursor: number };
    readonly result: CutPage;
  };
  readonly memory: { readonly argument: null; readonly result: ShardMemory };
  /** Closes everything and lets the thread end. */
  readonly stop: { readonly argument: null; readonly result: null };
  /** Makes the filters of a plan ready, beside those that run; faults say why they are not. */
  readonly prepareFilters: {
    readonly argument: FilterOrder;
    readonly result: readonly FilterFault[];
  };
  /** The chains of the prepared plan are known from now on: a snapshot may name them. */
  readonly commitFilters: {
    readonly argument: { readonly generation: number };
    readonly result: null;
  };
  /**
   * Lets go of a plan that is prepared, and of all chains but these. The result has the chains of
   * before that something still holds: `drained` follows for each.
   */
  readonly retireFilters: {
    readonly argument: { readonly kept: readonly number[] };
    readonly result: readonly number[];
  };
  /** Refused unless the shard was started with `faults: 'allowed'`; see docs/operating.md. */
  readonly fault: { readonly argument: ShardFault; readonly result: null };
}

export type ShardCallName = keyof ShardCalls;

/** A plan, and what a shard needs to run it. */
export interface FilterOrder {
  readonly plan: FilterPlan;
  /** Of this shard; read by main. */
  readonly counters: CounterMemory;
  readonly mode: LeaseMode;
  /** To the pool; null where the shard has one, or needs none. */
  readonly offloadPort: MessagePort | null;
}

/** Bytes that the shard's own JavaScript heap holds; native memory is on the board. */
export interface ShardMemory {
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
}

/** How a test breaks a shard: an uncaught error, an exit, a blocked thread, or a heap that grows. */
export type ShardFault =
  | { readonly kind: 'throw' | 'exit' | 'exhaust-heap' }
  | { readonly kind: 'stall'; readonly forMs: number };

/** One request. `call` is unique in the life of the shard. */
export interface ShardEnvelope<Name extends ShardCallName = ShardCallName> {
  readonly call: number;
  readonly name: Name;
  readonly argument: ShardCalls[Name]['argument'];
}

/** The answer to one request. */
export type ShardReply =
  | { readonly kind: 'reply'; readonly call: number; readonly result: unknown }
  | { readonly kind: 'failure'; readonly call: number; readonly message: string };

/** What a shard says without being asked. */
export type ShardEvent =
  | { readonly kind: 'started' }
  /** The last holder of a retired chain is gone. */
  | { readonly kind: 'drained'; readonly chain: number }
  | { readonly kind: 'filterLine'; readonly line: FilterLine };

export type ShardMessage = ShardReply | ShardEvent;

/** What a worker thread is started with. */
export interface ShardStart {
  readonly native: NativeShardOptions;
  /** Whether `fault` calls are obeyed. Tests only. */
  readonly faults: 'allowed' | 'refused';
}
