/**
 * The two sides of the boundary as types: what the host asks of the core, and the core of the host.
 *
 * Path: the binding implements FilterCore and calls FilterPort; src/testing does both in
 * JavaScript.
 * Invariant: everything runs on the shard's thread; README.md in this directory has the layout and
 * who owns which bytes when.
 */

/** The arrays that batches and answers stand in. Made once, never moved. */
export interface FilterMemory {
  readonly inWords: Uint32Array<ArrayBuffer>;
  readonly inBytes: Uint8Array<ArrayBuffer>;
  readonly outWords: Uint32Array<ArrayBuffer>;
  readonly outBytes: Uint8Array<ArrayBuffer>;
}

/** What the core does for the host. */
export interface FilterCore {
  /** Takes the answers in the first `words` words of `outWords`. Enters no JavaScript. */
  apply(words: number): void;
  /** No new holder takes this chain; `drained` follows once, now or later, but not from inside. */
  retire(chain: number): void;
}

/** What the host does for the core. Never throws. */
export interface FilterPort {
  /** Runs the batch in the first `words` words of `inWords`; returns the words of the answers. */
  run(words: number): number;
  /** The last holder of a retired chain is gone. */
  drained(chain: number): void;
}
