/**
 * What hooks see: leases on what the core holds, in the words of the configuration.
 *
 * Path: src/shard/filters implements these over the batch of a turn; src/testing feeds them.
 * Invariant: a view is valid until its hook returns or its Promise settles; using it later throws.
 * Reading a field that the filter's `needs` do not name throws, because it never crossed.
 */

/** The fields of a head. Names are compared without regard to case. */
export interface HeadersView {
  /** The value, several joined with ", "; null when there is none. Sees edits made so far. */
  get(name: string): string | null;
  /** Every value by itself. */
  getAll(name: string): readonly string[];
  has(name: string): boolean;
  /** Replaces all values. @throws TypeError for a framing or hop-by-hop field or a control byte. */
  set(name: string, value: string): void;
  /** Adds one value. @throws TypeError as {@link HeadersView.set} does. */
  add(name: string, value: string): void;
  /** Removes all values. */
  remove(name: string): void;
  /** Names that crossed and have a value, in lower case. */
  names(): readonly string[];
}

/** Who is at the other end. */
export interface ClientView {
  /** IP address as text; empty for Unix sockets. */
  readonly ip: string;
  readonly port: number;
}

/** A request. */
export interface RequestView {
  readonly method: string;
  /** Path and query, normalized. */
  readonly target: string;
  /** The target up to its question mark. */
  readonly path: string;
  /** The first value of a query parameter, decoded; null when there is none. */
  query(name: string): string | null;
  readonly host: string;
  readonly client: ClientView;
  readonly isTls: boolean;
  /** The request asks for a WebSocket. */
  readonly isWebSocket: boolean;
  readonly headers: HeadersView;
  /** Changes target or host, at onRequest and onRouted only. Routes are sought with the new ones. */
  rewrite(to: { readonly target?: string; readonly host?: string }): void;
}

/** A request whose route is known. */
export interface RoutedView extends RequestView {
  readonly route: string;
  readonly cluster: string;
}

/** A request whose endpoint is known. */
export interface EndpointView extends RoutedView {
  /** As access records show it, like `10.0.0.1:80`. */
  readonly endpoint: string;
  /** Counted from 1. */
  readonly attempt: number;
}

/** A response, and what it answers. */
export interface ResponseView {
  readonly status: number;
  readonly headers: HeadersView;
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly route: string;
  readonly cluster: string;
  readonly endpoint: string;
  readonly attempt: number;
}

/** A connection as it was accepted. */
export interface AcceptView {
  readonly client: ClientView;
  readonly localPort: number;
}

/** A connection that is ready. */
export interface ConnectionView extends AcceptView {
  readonly isTls: boolean;
  /** The name the client asked for (SNI); empty without. */
  readonly serverName: string;
  /** The protocol agreed on by ALPN; empty without. */
  readonly alpn: string;
}

/** One whole WebSocket message. */
export interface MessageView {
  readonly from: 'client' | 'endpoint';
  readonly isText: boolean;
  readonly size: number;
  /** The bytes, without a copy. Valid as long as this view; `copy()` what must live longer. */
  readonly bytes: Uint8Array;
  /** The bytes decoded as UTF-8; decoded when asked for. */
  readonly text: string;
  /** A copy that stays. */
  copy(): Uint8Array;
}

/** How something ended. A plain value that may be kept. */
export interface EndRecord {
  /** HTTP status, or WebSocket close code, or 0. */
  readonly code: number;
  /** The word that access records show. */
  readonly reason: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMicros: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
}
