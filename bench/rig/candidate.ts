/**
 * What can stand between load generator and origin: Holdfast, its peers, or nothing.
 *
 * Path: the rig starts one candidate for each measurement; peers/candidates.ts lists them all.
 * Invariant: every candidate does the same job, with as many workers as asked for, on the cores
 * given, with logging off and timeouts out of the way. What a peer needs beyond its defaults is
 * said in its file.
 */
import type { Processes } from './processes.ts';
import type { TlsFiles, TlsVersion } from './tls.ts';

/** What clients speak. WebSocket is what a candidate for HTTP does when told to. */
export type Protocol = 'tcp' | 'http' | 'websocket';

/** How a candidate treats what it is sent. */
export interface HttpOptions {
  /**
   * True: nothing is added to requests. Otherwise everybody says who the client is by
   * X-Forwarded-For, -Proto and -Host, and adds nothing else. Host stays in both.
   */
  readonly isBare: boolean;
  /** Filters of Holdfast, which no other candidate has. Absent: none. */
  readonly filters?: FilterLoad;
}

/**
 * Filters that a measurement asks for. On requests for FILTERED_HOST: none, one that reads and sets
 * a field, one that sees text messages of clients, or 1,000 rules and a rate limit of the core. On
 * all requests: one that sees text messages, with the code of the reload before the last at every
 * reload (`swap`) or with code that never was (`renew`); and one that takes 50 ms for FILTERED_HOST,
 * on the shard's thread (`blocking`) or in the pool (`offloaded`).
 */
export type FilterLoad =
  | 'none'
  | 'header'
  | 'messages'
  | 'policies'
  | 'swap'
  | 'renew'
  | 'blocking'
  | 'offloaded';

/** The host of which filters are asked; as long as that of the others. */
export const FILTERED_HOST = 'other.test';

/** The host for which the filter that takes 50 ms computes, instead of waiting. */
export const BUSY_HOST = 'busy1.test';

/** Whether a candidate is on this machine. */
export type Presence =
  | { readonly version: string }
  /** A sentence that says how to install it. */
  | { readonly missing: string };

/** What a candidate is started with. Everything listens on 127.0.0.1. */
export interface StartOptions {
  readonly processes: Processes;
  /** A scratch directory of this measurement. */
  readonly folder: string;
  readonly cores: string;
  readonly frontPort: number;
  readonly originPort: number;
  readonly workers: number;
  /** Descriptors a process may have; a candidate sizes its tables by it. */
  readonly connectionsMax: number;
  /** With it the front port speaks HTTP/1.1; absent: bytes are carried as they are. */
  readonly http?: HttpOptions;
  /** With it the front port speaks TLS 1.2 and 1.3 and the origin plain TCP, as always. */
  readonly tls?: TlsFiles;
  /** What a measurement adds to the environment of the candidate's processes. */
  readonly env: Readonly<Record<string, string>>;
}

/** A candidate that accepts connections. */
export interface Running {
  /** Where clients connect. */
  readonly address: string;
  /** All processes, at this moment. */
  pids(): number[];
  /**
   * Loads its configuration again; with HTTP another one, whose answer to GET /generation shows
   * that it is in force when this resolves. Absent where the candidate cannot.
   */
  reload?(): Promise<void>;
  /** Live client connections of each worker. Absent where the candidate does not tell. */
  connectionsByWorker?(): Promise<number[]>;
  stop(): Promise<void>;
}

/** What decides how many descriptors a connection takes. */
export interface DescriptorOptions {
  readonly isTls: boolean;
  readonly isHttp: boolean;
}

/** A candidate of the comparison. */
export interface Candidate {
  /** What the command line and raw.json call it. */
  readonly name: string;
  /** What a report calls it. */
  readonly title: string;
  /** `product` is Holdfast, `floor` is no gateway at all. */
  readonly role: 'product' | 'peer' | 'floor';
  readonly carries: readonly Protocol[];
  /** Versions of TLS it can terminate; others are left out of what asks for it. */
  readonly tlsVersions?: readonly TlsVersion[];
  /** Descriptors one proxied connection takes in its process; absent: 2, a socket on each side. */
  readonly descriptorsPerConnection?: (options: DescriptorOptions) => number;
  find(): Promise<Presence>;
  start(options: StartOptions): Promise<Running>;
}
