/**
 * What each hook of each filter cost and how often it failed, in memory that main reads by itself.
 *
 * Path: call.ts counts around every hook; src/main/filters turns the cells into metrics, and the
 * watchdog reads `busy` to name the filter that blocks a shard.
 * Invariant: one writer, the shard; plain stores, no locks. A cell belongs to one use of a filter
 * and goes on counting over reloads.
 */
import { HOOK_COUNT } from './layout.ts';

/** Uses of filters that have cells of their own; the last one is shared by all beyond it. */
export const USES_MAX = 256;
export const CELL_FIELDS = [
  'calls',
  'nanoseconds',
  'parked',
  'timeouts',
  'failures',
  'skipped',
  'blocked',
] as const;
export type CellField = (typeof CELL_FIELDS)[number];

const FIELDS = CELL_FIELDS.length;
const CELLS = USES_MAX * HOOK_COUNT;
const F64_BYTES = 8;

/** The memory of one shard's counters; shared with main. */
export interface CounterMemory {
  readonly cells: SharedArrayBuffer;
  readonly busy: SharedArrayBuffer;
}

/** Makes the memory of one shard's counters. */
export function createCounterMemory(): CounterMemory {
  return {
    cells: new SharedArrayBuffer(CELLS * FIELDS * F64_BYTES),
    busy: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
  };
}

const OFFSET = {
  calls: 0,
  nanoseconds: 1,
  parked: 2,
  timeouts: 3,
  failures: 4,
  skipped: 5,
  blocked: 6,
};

/** Counts, or reads what was counted. */
export class FilterCounters {
  readonly #cells: Float64Array;
  readonly #busy: Int32Array;

  constructor(memory: CounterMemory) {
    this.#cells = new Float64Array(memory.cells);
    this.#busy = new Int32Array(memory.busy);
  }

  /** A hook begins. */
  enter(cell: number): void {
    this.#busy[0] = cell + 1;
    const at = cell * FIELDS;
    this.#cells[at] = (this.#cells[at] ?? 0) + 1;
  }

  /** It returned, after `ns` nanoseconds. */
  leave(cell: number, ns: number): void {
    this.#busy[0] = 0;
    const at = cell * FIELDS + 1;
    this.#cells[at] = (this.#cells[at] ?? 0) + ns;
  }

  /** The shard has ended, and with it whatever hook ran. */
  rest(): void {
    this.#busy[0] = 0;
  }

  add(cell: number, field: CellField, amount: number): void {
    const at = cell * FIELDS + OFFSET[field];
    this.#cells[at] = (this.#cells[at] ?? 0) + amount;
  }

  read(cell: number, field: CellField): number {
    return this.#cells[cell * FIELDS + OFFSET[field]] ?? 0;
  }

  /** The cell whose hook runs now, or null. */
  busyCell(): number | null {
    const busy = this.#busy[0] ?? 0;
    return busy === 0 ? null : busy - 1;
  }
}
