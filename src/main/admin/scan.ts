/**
 * Finds live connections: pages through the shards, or the top of a sorted order.
 *
 * Path: `GET /v1/connections` -> here -> each shard's bounded listing.
 * Invariant: no shard looks at more than {@link SLOTS_PER_STEP} records, or describes more than
 * {@link FOUND_PER_STEP}, before it goes back to its traffic; main holds one page at most. A page
 * that takes too long ends early with a cursor.
 */
import type { ConnectionFilter, ConnectionInfo } from '../../../native/epoll/index.ts';
import { ShardCallError, type ShardSupervisor } from '../shards/index.ts';

/** Records that a shard looks at in one step. */
export const SLOTS_PER_STEP = 2_048;
/** Connections that a shard describes in one step. */
export const FOUND_PER_STEP = 128;
/** A page that is not full after this time is answered as it is. */
const PAGE_TIME_MS = 250;

/** By what a list can be sorted, the largest first. */
export const SORT_KEYS = ['age', 'idle', 'bytes', 'pending'] as const;

export type SortKey = (typeof SORT_KEYS)[number];

/** Where a page begins. */
export interface ScanCursor {
  readonly shard: number;
  readonly slot: number;
}

/** Some connections, and where to go on. */
export interface ScanPage {
  readonly connections: readonly ConnectionInfo[];
  readonly next: ScanCursor | null;
}

/** Reads `SHARD.SLOT`; null when it is not a cursor. */
export function parseCursor(text: string): ScanCursor | null {
  const match = /^(\d{1,4})\.(\d{1,9})$/.exec(text);
  return match === null ? null : { shard: Number(match[1]), slot: Number(match[2]) };
}

export function formatCursor({ shard, slot }: ScanCursor): string {
  return `${shard}.${slot}`;
}

/** Pages in the order of the records, which is the cheapest one. */
export async function scanPage(
  supervisor: ShardSupervisor,
  wanted: {
    readonly filter: ConnectionFilter;
    readonly limit: number;
    readonly cursor: ScanCursor;
  },
): Promise<ScanPage> {
  const deadline = performance.now() + PAGE_TIME_MS;
  const connections: ConnectionInfo[] = [];
  let { shard, slot } = wanted.cursor;
  while (shard < supervisor.count) {
    const missing = wanted.limit - connections.length;
    if (missing === 0 || performance.now() > deadline) {
      return { connections, next: { shard, slot } };
    }
    const page = await step(supervisor, shard, { ...wanted, slot, limit: missing });
    connections.push(...page.connections);
    if (page.next < 0) {
      shard++;
      slot = 0;
    } else {
      slot = page.next;
    }
  }
  return { connections, next: null };
}

/** The first `limit` in the order of `sort`. Looks at everything, in steps, all shards at once. */
export async function scanSorted(
  supervisor: ShardSupervisor,
  wanted: {
    readonly filter: ConnectionFilter;
    readonly limit: number;
    readonly sort: SortKey;
  },
): Promise<readonly ConnectionInfo[]> {
  const top = new Top(wanted.limit, SORT_VALUES[wanted.sort]);
  const scanShard = async (shard: number): Promise<void> => {
    let slot = 0;
    while (slot >= 0) {
      const page = await step(supervisor, shard, {
        filter: wanted.filter,
        slot,
        limit: FOUND_PER_STEP,
      });
      top.addAll(page.connections);
      slot = page.next;
    }
  };
  await Promise.all(Array.from({ length: supervisor.count }, (_, shard) => scanShard(shard)));
  return top.sorted();
}

async function step(
  supervisor: ShardSupervisor,
  shard: number,
  wanted: {
    readonly filter: ConnectionFilter;
    readonly slot: number;
    readonly limit: number;
  },
): Promise<{ readonly connections: readonly ConnectionInfo[]; readonly next: number }> {
  try {
    return await supervisor.call(shard, 'connections', {
      cursor: wanted.slot,
      slots: SLOTS_PER_STEP,
      limit: Math.min(wanted.limit, FOUND_PER_STEP),
      filter: wanted.filter,
    });
  } catch (error) {
    if (error instanceof ShardCallError && error.reason === 'gone') {
      // A dead shard has no connections.
      return { connections: [], next: -1 };
    }
    throw error;
  }
}

const SORT_VALUES: Readonly<Record<SortKey, (connection: ConnectionInfo) => number>> = {
  age: ({ ageMs }) => ageMs,
  idle: ({ idleMs }) => idleMs,
  bytes: ({ bytesFromClient, bytesFromEndpoint }) => bytesFromClient + bytesFromEndpoint,
  pending: ({ pendingBytes }) => pendingBytes,
};

/** The largest items of a stream; holds at most twice as many as are wanted. */
class Top<Item> {
  readonly #limit: number;
  readonly #valueOf: (item: Item) => number;
  #items: Item[] = [];

  constructor(limit: number, valueOf: (item: Item) => number) {
    this.#limit = limit;
    this.#valueOf = valueOf;
  }

  addAll(items: readonly Item[]): void {
    this.#items.push(...items);
    if (this.#items.length >= this.#limit * 2 + FOUND_PER_STEP) {
      this.#items = this.sorted();
    }
  }

  sorted(): Item[] {
    return this.#items
      .toSorted((left, right) => this.#valueOf(right) - this.#valueOf(left))
      .slice(0, this.#limit);
  }
}
