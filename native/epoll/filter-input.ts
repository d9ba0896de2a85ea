/**
 * What the core is told about filters in TypeScript: chains, and where their records stand.
 *
 * Path: src/main/snapshot compiles chains into a snapshot; src/shard hands memory and callbacks to
 * its native shard once, when the first filter comes. src/shard/filters/README.md has the layout.
 * Invariant: a chain's id means one thing until every shard has reported it drained.
 */

/** A list of filters as the core sees it: which moments cross, and with what. */
export interface FilterChainInput {
  /** 1 to 4095. */
  readonly id: number;
  /** Moments that cross, and with which messages; see `NEED` of the SDK. */
  readonly mask: number;
  /** Lower-case names, sorted; a field's name in a record is its position here. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  /** Whole messages up to this size cross, at most 262,144. */
  readonly messageBytesMax: number;
  /** A larger message is passed on, or ends the tunnel with 1009. */
  readonly oversize: 'pass' | 'close';
  /** Of a TCP listener: how its frames are told apart; null: what one read brings is a message. */
  readonly framing: FramingInput | null;
}

/** A number in a header: where it begins, and its size in bytes (1, 2, 3, 4 or 8). */
export interface FramingFieldInput {
  readonly at: number;
  readonly size: number;
}

/** A protocol of frames with a length, as numbers; see `defineCodec` of the SDK. */
export interface FramingInput {
  /** What each direction begins with, at most 32 bytes. */
  readonly magic: readonly number[];
  readonly endian: 'big' | 'little';
  /** Largest frame with its header, at most 67,108,864. */
  readonly frameBytesMax: number;
  /** The field that tells variants apart; null: there is one, with value 0. */
  readonly by: FramingFieldInput | null;
  /** At most 256. */
  readonly variants: readonly {
    readonly value: number;
    /** Bytes of the header, at most 1,024. */
    readonly header: number;
    /** At most 4 fields that are added up. */
    readonly length: readonly FramingFieldInput[];
    /** -1,024 to 1,024. */
    readonly lengthPlus: number;
  }[];
}

/** The arrays that batches and answers stand in; whoever makes them never moves them. */
export interface FilterMemoryInput {
  readonly inWords: Uint32Array<ArrayBuffer>;
  readonly inBytes: Uint8Array<ArrayBuffer>;
  readonly outWords: Uint32Array<ArrayBuffer>;
  readonly outBytes: Uint8Array<ArrayBuffer>;
}

/** What a native shard does for filters. Everything runs on the shard's thread. */
export interface NativeFilters {
  /**
   * Once, before a snapshot with chains is applied. The core calls `run` for each batch, which
   * returns the words of the answers, and `drained` when the last holder of a retired chain is
   * gone; both inside a callback scope, and neither may throw.
   *
   * @throws TypeError when memory was attached before, or is too small
   */
  attachFilters(
    memory: FilterMemoryInput,
    run: (words: number) => number,
    drained: (chain: number) => void,
  ): void;
  /** Takes the answers in the first words of `outWords`. Enters no JavaScript. */
  applyFilterAnswers(words: number): void;
  /**
   * No new holder takes this chain. It is reported drained once, never from inside this call, and
   * not while the snapshot in use names it.
   */
  retireFilterChain(chain: number): void;
}
