/**
 * Live connections as the core lists them.
 *
 * Path: `holdfast conns` and the admin API ask each shard, a page at a time.
 * Invariant: plain values of one moment; an id names one connection and no later one.
 */

/** One live connection, as `holdfast conns` shows it. */
export interface ConnectionInfo {
  /** `shard-slot-generation`, hexadecimal; names this connection and no later one. */
  readonly id: string;
  readonly listener: number;
  readonly cluster: number;
  /** -1 before an endpoint is chosen. */
  readonly endpoint: number;
  readonly client: string;
  readonly state: string;
  readonly ageMs: number;
  readonly idleMs: number;
  /** Bytes received from the client and from the endpoint. */
  readonly bytesFromClient: number;
  readonly bytesFromEndpoint: number;
  /** TLS version of the client's side; empty: none. */
  readonly tls: string;
  /** Bytes waiting for a slow reader, both directions. */
  readonly pendingBytes: number;
  /** What the connection speaks at the moment: `tcp`, `http` or `websocket`. */
  readonly protocol: string;
  /** Id of the route of the request under way or of the WebSocket, or -1. */
  readonly route: number;
  /** Whole WebSocket messages. */
  readonly messagesFromClient: number;
  readonly messagesFromEndpoint: number;
  /** Since the last pong of a WebSocket's client, at least 1; 0: none was seen. */
  readonly lastPongMs: number;
}

export interface ConnectionFilter {
  readonly listener?: number;
  readonly cluster?: number;
  readonly endpoint?: number;
  readonly olderThanMs?: number;
  readonly idleMoreThanMs?: number;
  /** Client address without port. */
  readonly client?: string;
}

export interface ConnectionPage {
  readonly connections: readonly ConnectionInfo[];
  /** Where to go on, or -1 at the end. */
  readonly next: number;
}
