/**
 * Stable small numbers for names: the core counts by number, people speak in names.
 *
 * Path: model/ids.ts keeps one table each for listeners, clusters and endpoints; the numbers are
 * rows of the shared board.
 * Invariant: a key keeps its id as long as anything may still count under it. An id goes to another
 * key only when no snapshot names its key and nothing lives under it; never used ids go first, then
 * those that were retired longest ago.
 * Does not touch the board.
 */

/** What interning gives. */
export interface Interned {
  readonly id: number;
  /** True when the id did not belong to this key before; its row must be set up. */
  readonly isNew: boolean;
}

/** Says that a table is full. */
export class IdTableFullError extends Error {
  constructor(kind: string, max: number) {
    super(`more than ${max} ${kind}s are in use; remove some, or wait until their connections end`);
    this.name = 'IdTableFullError';
  }
}

/** What an id table needs to know. */
export interface IdTableOptions {
  /** `listener`, `cluster` or `endpoint`; for messages. */
  readonly kind: string;
  readonly max: number;
  /** True when nothing lives under the id any more. */
  readonly isIdle: (id: number) => boolean;
}

/** Gives out ids. */
export class IdTable {
  readonly #options: IdTableOptions;
  readonly #ids = new Map<string, number>();
  readonly #keys: (string | undefined)[] = [];
  /** Keys that no snapshot names any more, longest retired first. */
  readonly #retired = new Set<string>();

  constructor(options: IdTableOptions) {
    this.#options = options;
  }

  /**
   * The id of `key`; takes one when it has none.
   *
   * @throws IdTableFullError
   */
  intern(key: string): Interned {
    const known = this.#ids.get(key);
    if (known !== undefined) {
      this.#retired.delete(key);
      return { id: known, isNew: false };
    }
    const id = this.#takeId();
    this.#ids.set(key, id);
    this.#keys[id] = key;
    return { id, isNew: true };
  }

  /** Says which keys are in use; all others are retired. */
  retain(keys: ReadonlySet<string>): void {
    for (const key of this.#ids.keys()) {
      if (keys.has(key)) {
        this.#retired.delete(key);
      } else {
        this.#retired.add(key);
      }
    }
  }

  /** The id of a key, in use or retired. */
  find(key: string): number | undefined {
    return this.#ids.get(key);
  }

  /** The key of an id, in use or retired. */
  keyOf(id: number): string | undefined {
    return this.#keys[id];
  }

  /** All keys with their ids: those in use, and retired ones under which something still lives. */
  *entries(): Generator<[key: string, id: number]> {
    for (const [key, id] of this.#ids) {
      if (!this.#retired.has(key) || !this.#options.isIdle(id)) {
        yield [key, id];
      }
    }
  }

  #takeId(): number {
    const { kind, max, isIdle } = this.#options;
    if (this.#keys.length < max) {
      this.#keys.push(undefined);
      return this.#keys.length - 1;
    }
    for (const key of this.#retired) {
      const id = this.#ids.get(key);
      if (id !== undefined && isIdle(id)) {
        this.#retired.delete(key);
        this.#ids.delete(key);
        return id;
      }
    }
    throw new IdTableFullError(kind, max);
  }
}
