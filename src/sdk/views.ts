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
  /**
   * IP address as text, IPv4 also where it came over IPv6; empty for Unix sockets. The peer of the
   * connection, or whom its PROXY header names (not yet in `onAccept`); never X-Forwarded-For.
   */
  readonly ip: string;
  /** 0 for Unix sockets. */
  readonly port: number;
}

/** A request. */
export interface RequestView {
  readonly method: string;
  /** Path and query; the path is normalized, the query as it was sent. */
  readonly target: string;
  /** The target up to its question mark. */
  readonly path: string;
  /** The first value of a query parameter, decoded; null when there is none. */
  query(name: string): string | null;
  /** Lower case, without a port; empty where HTTP/1.0 has none. */
  readonly host: string;
  readonly client: ClientView;
  /** The client speaks TLS with this gateway. */
  readonly isTls: boolean;
  /** The request asks for a WebSocket. */
  readonly isWebSocket: boolean;
  readonly headers: HeadersView;
  /** Changes target or host, at onRequest and onRouted only. Routes are sought with the new ones. */
  rewrite(to: { readonly target?: string; readonly host?: string }): void;
}

/** A request whose route is known. */
export interface RoutedView extends RequestView {
  /** Its name in the configuration. */
  readonly route: string;
  /** Drawn where the route has several; empty where it answers or redirects. */
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
  /** Of the listener; 0 for Unix sockets. */
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

/** One whole WebSocket message; of TCP a chunk, or with a codec a frame. */
export interface MessageView {
  readonly from: 'client' | 'endpoint';
  /** False for binary messages, and always on TCP. */
  readonly isText: boolean;
  /** Bytes. */
  readonly size: number;
  /** The bytes, without a copy. Valid as long as this view; `copy()` what must live longer. */
  readonly bytes: Uint8Array;
  /** The bytes decoded as UTF-8 when asked for; what is none becomes U+FFFD in binary messages. */
  readonly text: string;
  /** A copy that stays. */
  copy(): Uint8Array;
}

/** How something ended. A plain value that may be kept. */
export interface EndRecord {
  /** HTTP status, or WebSocket close code, or 0: a connection of TCP, or nothing was answered. */
  readonly code: number;
  /** The word that access records show; docs/access-log.md lists them. */
  readonly reason: string;
  /**
   * From the client: bytes read from the socket of a connection, inside of its TLS; the content of
   * a request, without its head.
   */
  readonly bytesIn: number;
  /**
   * To the client, counted in the same way. Of a connection with HTTP, 0 unless it became a
   * WebSocket: each exchange counts its own.
   */
  readonly bytesOut: number;
  /** From the accept, the first byte of the request, or the opening of the WebSocket. */
  readonly durationMicros: number;
  /** Whole messages of a WebSocket from the client; else 0. */
  readonly messagesIn: number;
  /** The same from the endpoint. */
  readonly messagesOut: number;
}
