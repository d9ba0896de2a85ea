/**
 * What a filter asks to see.
 *
 * Path: filters carry this as `needs`; definition/compile-needs.ts makes bits of it.
 * Invariant: what is not named here never enters JavaScript.
 */

/** Which fields of heads a stream filter sees. `true` is all of them. */
export interface StreamNeeds {
  readonly requestHeaders?: true | readonly string[];
  readonly responseHeaders?: true | readonly string[];
}

/** Which messages a message filter sees. */
export interface MessageNeeds {
  /** Fields of the request that opened the tunnel, for onOpen. */
  readonly requestHeaders?: true | readonly string[];
  readonly messages: {
    readonly from: 'client' | 'endpoint' | 'both';
    /** Without it: text. Messages of TCP are binary. */
    readonly kinds?: readonly ('text' | 'binary')[];
    /** Largest message that crosses; without it 64 KiB, at most 256 KiB. */
    readonly bytesMax?: number;
    /**
     * What becomes of larger ones: the tunnel closes (without it; with 1009), or they pass unseen.
     * A chunk of TCP is cut instead.
     */
    readonly larger?: 'close' | 'pass';
  };
}
