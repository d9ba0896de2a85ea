/**
 * What a shard does for each request of the main thread.
 *
 * Path: worker.ts -> here -> the native shard. Runs on the shard thread.
 * Invariant: each answer is bounded work; a page of connections looks at no more slots than it was
 * told. Does not know about ports or threads, so tests drive it directly.
 */
import type { NativeShard } from '../../native/epoll/index.ts';
import type { FilterCalls } from './filter-calls.ts';
import type { ShardCallName, ShardCalls, ShardEnvelope, ShardFault } from './protocol.ts';

/** Exit code of a shard that a test told to exit. */
const FAULT_EXIT_CODE = 3;

type CallTable = {
  readonly [Name in ShardCallName]: (
    argument: ShardCalls[Name]['argument'],
  ) => ShardCalls[Name]['result'] | Promise<ShardCalls[Name]['result']>;
};

/** Answers requests with the native shard behind it. */
export interface Calls {
  /** The result, or a Promise of it. */
  answer(envelope: ShardEnvelope): unknown;
}

/** Makes the table of answers for one shard. */
export function createCallTable(
  shard: NativeShard,
  filters: Pick<FilterCalls, 'prepare' | 'commit' | 'retire'>,
  faults: 'allowed' | 'refused',
): Calls {
  const table: CallTable = {
    apply: ({ fd }) => {
      shard.applySnapshot(fd);
      return null;
    },
    connections: ({ cursor, slots, limit, filter }) =>
      shard.connections(cursor, slots, limit, filter),
    kill: ({ connection }) => shard.kill(connection),
    drain: ({ overMs }) => shard.drain(overMs),
    undrain: () => {
      shard.undrain();
      return null;
    },
    cutDrained: ({ cursor }) => shard.cutDrained(cursor),
    memory: () => {
      const usage = process.memoryUsage();
      return {
        heapUsedBytes: usage.heapUsed,
        heapTotalBytes: usage.heapTotal,
        externalBytes: usage.external,
      };
    },
    stop: () => {
      shard.stop();
      return null;
    },
    prepareFilters: (order) => filters.prepare(order),
    commitFilters: ({ generation }) => filters.commit(generation),
    retireFilters: ({ kept }) => filters.retire(kept),
    fault: (fault) => {
      if (faults !== 'allowed') {
        throw new Error('faults are refused: the gateway runs without HF_TEST_FAULTS=1');
      }
      breakShard(fault);
      return null;
    },
  };
  return {
    answer: ({ name, argument }) => {
      const answer = table[name] as ((argument: unknown) => unknown) | undefined;
      if (answer === undefined) {
        throw new Error(`a shard has no call "${name}"`);
      }
      return answer(argument);
    },
  };
}

/** Breaks this thread once the answer has left, in the way a test asked for. */
function breakShard(fault: ShardFault): void {
  setImmediate(() => {
    if (fault.kind === 'throw') {
      throw new Error('a fault that a test asked for');
    } else if (fault.kind === 'exit') {
      process.exit(FAULT_EXIT_CODE);
    } else if (fault.kind === 'stall') {
      blockThread(fault.forMs);
    } else {
      exhaustHeap();
    }
  });
}

function blockThread(forMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
}

function exhaustHeap(): void {
  const held: unknown[] = [];
  for (;;) {
    held.push(Array.from({ length: 1024 }, (_, index) => ({ index })));
  }
}
