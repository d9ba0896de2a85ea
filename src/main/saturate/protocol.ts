/**
 * What goes between `saturate` and the processes that make the load.
 *
 * Path: saturate.ts sends one Order to each worker.ts over its IPC channel and gets one Outcome.
 * Invariant: plain data only; a histogram travels as V2 base64.
 */

/** What one process does. */
export interface Order {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly pipelining: number;
  readonly timeoutSeconds: number;
  /** Requests after which a connection is closed and opened again; 0: never. */
  readonly reconnectEvery: number;
  /** Every body must equal it; without it, bodies are not looked at. */
  readonly expectBody?: string;
}

/** What one process found. */
export interface Outcome {
  readonly responses: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Connections that broke or could not be made, timeouts included. */
  readonly errors: number;
  readonly timeouts: number;
  readonly mismatches: number;
  readonly non2xx: number;
  /** Share of one core that the process used. */
  readonly ownShare: number;
  /** Nanoseconds from request to whole response, HdrHistogram V2, base64. */
  readonly histogram: string;
}
