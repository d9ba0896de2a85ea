/**
 * A compiled snapshot's descriptor, counted by those who may still use it.
 *
 * Path: snapshot/publish.ts compiles one, the supervisor lends it to each shard.
 * Invariant: the descriptor is closed exactly once, when the last user has let go; so a shard that
 * answers late never maps a number that means another file by then.
 */

import type { FilterPlan } from '../../shard/filters/index.ts';

/** A snapshot that shards can map while someone holds it. */
export class SharedSnapshot {
  readonly fd: number;
  /** Serial number of the snapshot, unique in the process. */
  readonly serial: number;
  /** Chains that the snapshot names; null: none. */
  readonly filters: FilterPlan | null;
  readonly #close: (fd: number) => void;
  #users = 1;

  /** The maker holds it until it calls {@link release}. */
  constructor(
    fd: number,
    serial: number,
    close: (fd: number) => void,
    filters: FilterPlan | null = null,
  ) {
    this.fd = fd;
    this.filters = filters;
    this.serial = serial;
    this.#close = close;
  }

  retain(): void {
    this.#users++;
  }

  release(): void {
    this.#users--;
    if (this.#users === 0) {
      this.#close(this.fd);
    }
  }
}
