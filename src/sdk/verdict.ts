/**
 * What a hook can decide. A hook that returns nothing lets things go on.
 *
 * Path: filters return these; the host checks them and writes them for the core.
 * Invariant: plain frozen values; a verdict does nothing by being made. The host refuses one that a
 * hook may not give, and one with values out of range, as a failure of the filter.
 */

/** Fields of a response that a filter makes. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[]>>;

/** Answers the client directly: the endpoint sees nothing of it. */
export interface Respond {
  readonly type: 'respond';
  /** 200 to 599. */
  readonly status: number;
  /** A list makes several fields of one name, such as set-cookie. */
  readonly headers: ResponseHeaders;
  /**
   * At most 64 KiB. Text is sent as UTF-8, and as `text/plain` unless `headers` has a content-type;
   * bytes as `application/octet-stream`.
   */
  readonly body: string | Uint8Array;
}

/** Ends the connection, exchange or tunnel. */
export interface Close {
  readonly type: 'close';
  /**
   * WebSocket close code: 1000 to 1003, 1007 to 1014, 3000 to 4999. 0 where there is no code to
   * send: requests and connections, and whoever else is to see a reset.
   */
  readonly code: number;
  /** At most 123 bytes of UTF-8; WebSocket only. */
  readonly reason: string;
}

/** Seeks the route again, with the head as it was edited. */
export interface Rematch {
  readonly type: 'rematch';
}

/** Chooses where this goes. What is left out stays as the configuration says. */
export interface Choose {
  readonly type: 'choose';
  /**
   * Name of a cluster; empty: the route's. One that the configuration does not have is answered
   * with 503; a connection is reset.
   */
  readonly cluster: string;
  /**
   * What clusters that balance by hash tell requests or connections apart by; empty: as the route
   * says, of a connection its address.
   */
  readonly hash: string;
}

/** Takes another endpoint in place of the one that was chosen; where there is none, 503. */
export interface Rechoose {
  readonly type: 'rechoose';
}

/**
 * Throws this response away and tries again, within the limits of the route and the cluster; where
 * they allow no further try, the response goes to the client as it is.
 */
export interface Retry {
  readonly type: 'retry';
}

/** Forgets this message. */
export interface Drop {
  readonly type: 'drop';
}

/** Sends another message in the place of this one, of the same kind (text or binary). */
export interface Replace {
  readonly type: 'replace';
  /** At most 256 KiB. */
  readonly message: string | Uint8Array;
}

/** Nothing: go on. */
export type Continue = void | undefined;

export type Verdict = Respond | Close | Rematch | Choose | Rechoose | Retry | Drop | Replace;

const REMATCH: Rematch = Object.freeze({ type: 'rematch' });
const RECHOOSE: Rechoose = Object.freeze({ type: 'rechoose' });
const RETRY: Retry = Object.freeze({ type: 'retry' });
const DROP: Drop = Object.freeze({ type: 'drop' });

/** Answers directly, for example `respond(401, { 'www-authenticate': 'Bearer' })`. */
export function respond(
  status: number,
  headers: ResponseHeaders = {},
  body: string | Uint8Array = '',
): Respond {
  return { type: 'respond', status, headers, body };
}

/** Ends it, for example `close(1008, 'not here')`; without arguments the peer sees a reset. */
export function close(code = 0, reason = ''): Close {
  return { type: 'close', code, reason };
}

/** Seeks the route again; at most four times for one exchange. */
export function rematch(): Rematch {
  return REMATCH;
}

/** Chooses cluster, hash key, or both. */
export function choose(where: { readonly cluster?: string; readonly hash?: string }): Choose {
  return { type: 'choose', cluster: where.cluster ?? '', hash: where.hash ?? '' };
}

/** Takes another endpoint. */
export function rechoose(): Rechoose {
  return RECHOOSE;
}

/** Tries the request again. */
export function retry(): Retry {
  return RETRY;
}

/** Forgets the message. */
export function drop(): Drop {
  return DROP;
}

/** Sends `message` instead. */
export function replace(message: string | Uint8Array): Replace {
  return { type: 'replace', message };
}
