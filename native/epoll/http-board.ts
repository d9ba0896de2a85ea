/**
 * What the core counts about HTTP: its tables, and how they are read from the board.
 *
 * Path: index.ts makes them a part of the ABI and of the board; src/main/observe and admin/ read.
 * Invariant: values come in the order of the tables, summed over shards; nothing here is called per
 * request.
 */
import type { CounterInfo } from './index.ts';

/** Tables of HTTP. */
export interface HttpAbi {
  /** Per listener, in the order of {@link HttpBoard.httpCounters}. */
  readonly counters: readonly CounterInfo[];
  /** Per cluster, in the order of {@link HttpBoard.clusterHttpCounters}. */
  readonly clusterCounters: readonly CounterInfo[];
  /** Per route, in the order of {@link HttpBoard.routeCounters}. */
  readonly routeCounters: readonly string[];
  /** Why a request or a WebSocket ended, in the order of {@link HttpBoard.httpEnds}. */
  readonly ends: readonly {
    readonly name: string;
    /** Who decided it: `client`, `endpoint`, `gateway` or `either`. */
    readonly who: string;
    readonly help: string;
  }[];
  /** Rules of HTTP that messages break, and of WebSocket that frames break; the first is `none`. */
  readonly violations: readonly string[];
  readonly frameViolations: readonly string[];
  /** Variables of templates. A name that ends with a dot is followed by one of the user's. */
  readonly variables: readonly {
    readonly name: string;
    /** `record`: in access records only; `request`: everywhere but there. */
    readonly scope: 'both' | 'request' | 'record';
    readonly help: string;
  }[];
  /** Upper bounds of {@link Latency.counts}. */
  readonly latencyBoundsMicros: readonly number[];
  /** What {@link Latency.quantileMicros} are: 500 is the median. */
  readonly latencyPermilles: readonly number[];
  /** Forms of the records of requests. */
  readonly accessFormats: readonly AccessFormat[];
  /** Ids of routes; the last one is for all that have none of their own. */
  readonly routesMax: number;
  /** Bytes of a route's name that are kept. */
  readonly routeNameMax: number;
}

export type AccessFormat = 'json' | 'common' | 'template';

/** How long something took, read from a histogram that is off by 1/32 at most. */
export interface Latency {
  readonly count: number;
  readonly sumMicros: number;
  /** How many took at most {@link HttpAbi.latencyBoundsMicros}, cumulative. */
  readonly counts: readonly number[];
  readonly quantileMicros: readonly number[];
}

/** The part of the board that is about HTTP. */
export interface HttpBoard {
  /** Of one listener. */
  httpCounters(listener: number): number[];
  httpEnds(listener: number): number[];
  httpViolations(listener: number): {
    readonly fromClients: number[];
    readonly fromEndpoints: number[];
    readonly framesFromClients: number[];
    readonly framesFromEndpoints: number[];
  };
  /** What limits of a cluster compare and refuse, in the order of `abi.clusterCounters`. */
  clusterCounters(cluster: number): number[];
  clusterHttpCounters(cluster: number): number[];
  /** From the choice of an endpoint to the first byte of its response; null: no request yet. */
  clusterLatency(cluster: number): Latency | null;
  routeCounters(route: number): number[];
  /** From the head of a request to the head of its response; null: no request yet. */
  routeLatency(route: number): Latency | null;
  /** Says that a listener has HTTP: its counters begin to be read and reset. */
  setHttp(listener: number): void;
  /** Gives an id to a route and resets its counters; the last id is shared and never reset. */
  setRoute(route: number, name: string): void;
}

/** What is wrong with a template. Position and length are bytes of its text. */
export interface TemplateFault {
  readonly text: string;
  readonly position: number;
  readonly length: number;
}

/** What a template is for: a header value, an answer, a record of the access log. */
export type TemplateUse = 'header' | 'content' | 'record';
