/**
 * What the core is told about HTTP: of a listener with its routes, and of a cluster.
 *
 * Path: src/main/snapshot compiles the configuration into these; binding/http_reader.cc reads them
 * into the parts of `proxy/http_parts.h`, which they mirror field by field.
 * Invariant: plain data. Times are milliseconds and 0 means never, sizes are bytes and 0 means no
 * limit of its own, unless a comment says otherwise. Templates are texts with `%{variables}`, as
 * people write them: the core compiles them.
 */
import type { PolicyInput } from './policy-input.ts';

/** Of a listener. */
export interface HttpInput {
  /** Of one head: start line, fields and the empty line. At least 1024. */
  readonly headBytesMax: number;
  /** Of a request's target; at most `headBytesMax`. */
  readonly targetBytesMax: number;
  readonly fieldsMax: number;
  /** Of one connection. */
  readonly requestsMax: number;
  /** From the first byte of a head to its last. */
  readonly headMs: number;
  /** Between two requests. */
  readonly keepAliveMs: number;
  /** No byte of a request's content. */
  readonly bodyMs: number;
  readonly isSlashMerged: boolean;
  readonly isEscapedSlashAllowed: boolean;
  readonly isUnderscoreAllowed: boolean;
  /** X-Forwarded-For, -Proto and -Host. */
  readonly hasForwardedFor: boolean;
  /** Forwarded (RFC 7239). */
  readonly hasForwarded: boolean;
  readonly hasRequestId: boolean;
  readonly trace: 'pass' | 'create' | 'remove';
  /** Pseudonym in Via; empty: no field. */
  readonly via: string;
  /** Server of responses; empty: what the endpoint says. */
  readonly serverName: string;
  /** Networks of peers whose forwarding fields are believed. */
  readonly trusted: readonly string[];
  readonly hosts: readonly HttpHostInput[];
}

/** Routes of the hosts that have one of the names. */
export interface HttpHostInput {
  /** `a.example`, `*.example` or `*`. */
  readonly names: readonly string[];
  readonly order: 'specificity' | 'listed';
  readonly routes: readonly HttpRouteInput[];
}

/** On a header or on a parameter of the query. */
export interface HttpConditionInput {
  readonly name: string;
  readonly kind: 'exact' | 'present' | 'prefix' | 'suffix' | 'regex';
  readonly value: string;
  readonly isInverted: boolean;
}

export interface HttpSplitInput {
  /** Position in {@link SnapshotInput.clusters}. */
  readonly cluster: number;
  /** 0: never. */
  readonly weight: number;
}

/** What takes the place of a path, or of parts of it. */
export interface HttpRewriteInput {
  readonly kind: 'none' | 'prefix' | 'regex';
  readonly pattern: string;
  readonly text: string;
}

export interface HttpEditInput {
  readonly kind: 'add' | 'set' | 'remove';
  readonly name: string;
  /** Template; empty with `remove`. */
  readonly value: string;
}

/** What a request is told apart by, for clusters that balance by hash. */
export interface HttpHashInput {
  readonly source: 'address' | 'header' | 'cookie' | 'query';
  /** Of the header, cookie or parameter. */
  readonly name: string;
  /** A request without the cookie gets one for this long; 0: none. */
  readonly cookieSeconds: number;
  readonly cookiePath: string;
}

export interface HttpWebSocketInput {
  readonly isAllowed: boolean;
  /** Frames are checked whole, text for UTF-8. */
  readonly isValidated: boolean;
  /** Pings and pongs are activity. */
  readonly isPingCounted: boolean;
  readonly frameBytesMax: number;
  readonly idleMs: number;
  /** The gateway pings a client that was silent for this long. */
  readonly pingMs: number;
  /** And closes when nothing came for so long after its ping. */
  readonly pongMs: number;
  readonly maxAgeMs: number;
  /** 0 to 1000. */
  readonly maxAgeJitterPermille: number;
}

/**
 * What a failed try is followed by another one for; `unsafe` takes in every method, and with
 * `hedge` a slow try goes on beside the next one.
 */
export type HttpRetryWord =
  | 'connect'
  | 'reset'
  | 'timeout'
  | '502'
  | '503'
  | '504'
  | '5xx'
  | '429'
  | 'unsafe'
  | 'hedge';

/** Which requests a route takes, and what it does with them. */
export interface HttpRouteInput {
  readonly pathKind: 'exact' | 'prefix' | 'segments' | 'regex';
  readonly path: string;
  /** Empty: all. */
  readonly methods: readonly string[];
  readonly headers: readonly HttpConditionInput[];
  readonly query: readonly HttpConditionInput[];
  /** Empty for routes that send nowhere. */
  readonly splits: readonly HttpSplitInput[];
  readonly rewrite: HttpRewriteInput;
  /** On the board. */
  readonly id: number;
  readonly action: 'cluster' | 'redirect' | 'respond';
  /** Of a redirect or a response of the gateway's own. */
  readonly status: number;
  /** Template: Location of a redirect, content of a response. */
  readonly text: string;
  readonly contentType: string;
  /** Host for the endpoint; empty: the client's. */
  readonly host: string;
  /** From the whole head to the head of the response. */
  readonly requestMs: number;
  /** From the choice of an endpoint to the head of the response. */
  readonly perTryMs: number;
  /** No byte of content in either direction. */
  readonly idleMs: number;
  /** Of a request. */
  readonly bodyBytesMax: number;
  readonly retries: number;
  readonly retryOn: readonly HttpRetryWord[];
  readonly hash: HttpHashInput;
  readonly requestEdits: readonly HttpEditInput[];
  readonly responseEdits: readonly HttpEditInput[];
  readonly webSocket: HttpWebSocketInput;
  /** Evaluated by the core, before filters in TypeScript; in order. */
  readonly policies: readonly PolicyInput[];
  /** Id of the chain for everything after the match; 0: none. */
  readonly filterChain: number;
}

/** Of a cluster. */
export interface ClusterHttpInput {
  /** An unused connection is closed after this. */
  readonly idleMs: number;
  /** And one of this age after its request. */
  readonly ageMs: number;
  /** Of one connection. */
  readonly requestsMax: number;
  /** Unused connections that a shard keeps to one endpoint; 0: none. */
  readonly idlePerEndpoint: number;
  /** These four are of all shards together; 0: no limit. */
  readonly connectionsMax: number;
  readonly requestsActiveMax: number;
  /** Requests that wait for a connect. */
  readonly pendingMax: number;
  /** Retries under way. */
  readonly retriesMax: number;
  /** Retries for each request; 0: no budget. */
  readonly retryBudgetPermille: number;
}

/** What {@link HttpFault.place} can be. */
export type HttpFaultPlace =
  | 'host'
  | 'name'
  | 'path'
  | 'methods'
  | 'header'
  | 'query'
  | 'split'
  | 'rewritePattern'
  | 'rewriteText'
  | 'text'
  | 'requestEdit'
  | 'responseEdit';

/** One thing that is wrong with routes. Numbers are positions in {@link HttpInput}. */
export interface HttpFault {
  readonly host: number;
  /** In the host; -1 where it is the host itself. */
  readonly route: number;
  readonly place: HttpFaultPlace;
  /** Of the name, header, parameter, split or edit. */
  readonly index: number;
  /** Byte in the text, from 0; -1 where it is not about a byte. */
  readonly position: number;
  /** Bytes from there on that are wrong; 0 where that cannot be said. */
  readonly length: number;
  /** What is wrong, a clause without a full stop. */
  readonly text: string;
}
