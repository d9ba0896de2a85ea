/**
 * What filters keep for connections, exchanges and tunnels: the values that `begin` made.
 *
 * Path: run-chain.ts asks before each hook; host.ts lets go at the end of the holder.
 * Invariant: nothing is kept for a holder whose end the core does not tell. A slot that was given
 * to another holder meanwhile has another generation, and its values are made anew.
 */
import type { FilterInstance } from './instance.ts';

/** Which connection, exchange or tunnel. */
export interface HolderKey {
  readonly holder: number;
  readonly index: number;
  readonly generation: number;
}

interface Kept {
  readonly generation: number;
  readonly values: { readonly instance: FilterInstance; readonly value: unknown }[];
}

/** The values of all holders of a shard. */
export class HolderStates {
  readonly #kept: readonly Map<number, Kept>[] = [new Map(), new Map(), new Map()];

  /** Holders for which something is kept. */
  get size(): number {
    return this.#kept.reduce((sum, map) => sum + map.size, 0);
  }

  /** The value of one filter for one holder, made at its first use. Throws what `begin` throws. */
  valueOf(key: HolderKey, instance: FilterInstance): unknown {
    const { filter } = instance;
    if (filter.begin === undefined) return undefined;
    const map = this.#kept[key.holder];
    let kept = map?.get(key.index);
    if (kept === undefined || kept.generation !== key.generation) {
      kept = { generation: key.generation, values: [] };
      map?.set(key.index, kept);
    }
    const known = kept.values.find((entry) => entry.instance === instance);
    if (known !== undefined) return known.value;
    const value = filter.begin(instance.shared);
    kept.values.push({ instance, value });
    return value;
  }

  /** The same for a holder that is over: nothing is kept, and what a later holder has stays. */
  lastOf(key: HolderKey, instance: FilterInstance): unknown {
    const kept = this.#kept[key.holder]?.get(key.index);
    if (kept?.generation === key.generation) {
      const known = kept.values.find((entry) => entry.instance === instance);
      if (known !== undefined) return known.value;
    }
    return instance.filter.begin?.(instance.shared);
  }

  /** Lets go of everything kept for a holder. */
  forget(key: HolderKey): void {
    const map = this.#kept[key.holder];
    if (map?.get(key.index)?.generation === key.generation) map.delete(key.index);
  }
}
