/**
 * The typed face of the native addon: what JavaScript can ask of the core, and nothing more.
 *
 * Path: main and shards import this; it loads `build/Release/holdfast.node`. The main thread owns
 * one {@link Board} and one {@link Acceptor}; each shard thread attaches to the board by its
 * descriptor and owns one {@link NativeShard}. Arguments are checked in `src/binding/`; a wrong one
 * throws TypeError.
 * Invariant: nothing here is called per message, and the path never enters JavaScript, but for
 * filters that ask for it.
 */
import { createRequire } from 'node:module';
import type { ConnectionFilter, ConnectionPage } from './connection-info.ts';
import type { FilterChainInput, NativeFilters } from './filter-input.ts';
import type { AccessFormat, HttpAbi, HttpBoard, TemplateFault, TemplateUse } from './http-board.ts';
import type { ClusterHttpInput, HttpFault, HttpInput } from './http-input.ts';
import type { PolicyBoard, PolicyFault, PolicyInput } from './policy-input.ts';

export type { ConnectionFilter, ConnectionInfo, ConnectionPage } from './connection-info.ts';
export type {
  FilterChainInput,
  FilterMemoryInput,
  FramingInput,
  NativeFilters,
} from './filter-input.ts';
export type {
  AccessFormat,
  HttpAbi,
  HttpBoard,
  Latency,
  TemplateFault,
  TemplateUse,
} from './http-board.ts';
export type {
  ClusterHttpInput,
  HttpConditionInput,
  HttpEditInput,
  HttpFault,
  HttpFaultPlace,
  HttpHashInput,
  HttpHostInput,
  HttpInput,
  HttpRetryWord,
  HttpRewriteInput,
  HttpRouteInput,
  HttpSplitInput,
  HttpWebSocketInput,
} from './http-input.ts';
export type {
  AccessLogPolicyInput,
  BasicAuthPolicyInput,
  CompressionPolicyInput,
  ConcurrencyPolicyInput,
  CorsPolicyInput,
  FaultPolicyInput,
  HeadersPolicyInput,
  PolicyBase,
  PolicyBoard,
  PolicyEditInput,
  PolicyFault,
  PolicyInput,
  PolicyKeyInput,
  PolicyRuleInput,
  PolicyTestInput,
  PolicyTextTestInput,
  PolicyUserInput,
  RateLimitPolicyInput,
  RbacPolicyInput,
  SizeLimitPolicyInput,
} from './policy-input.ts';

/** A failed system call. `code` is the errno name (`EADDRINUSE`), `syscall` the call that failed. */
export interface NativeError extends Error {
  readonly code: string;
  readonly syscall: string;
}

/** Where a socket listens or connects: an IP literal with a port, or a Unix socket path. */
export type SocketAddress =
  | { readonly ip: string; readonly port: number }
  | { readonly path: string };

/** One counter or gauge of a table that the core defines; `help` is a full sentence. */
export interface CounterInfo {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
}

/** Tables that the core defines once and TypeScript reads, so that both planes use the same words. */
export interface NativeAbi {
  /** Per shard, in the order of {@link Board.shardCounters}. */
  readonly shardCounters: readonly CounterInfo[];
  /** Per listener (summed over shards), in the order of {@link Board.listenerCounters}. */
  readonly listenerCounters: readonly CounterInfo[];
  /** Per endpoint, in the order of {@link Board.endpointCounters}. */
  readonly endpointCounters: readonly CounterInfo[];
  /** Per cluster, in the order of {@link HttpBoard.clusterCounters}. */
  readonly clusterCounters: readonly CounterInfo[];
  readonly http: HttpAbi;
  /** Per use of a native filter, in the order of {@link PolicyBoard.policyCounters}. */
  readonly policyCounters: readonly CounterInfo[];
  /** Why a connection ended; the index is the position in {@link Board.closeReasons}. */
  readonly closeReasons: readonly {
    readonly name: string;
    /** Who ended it: `client`, `endpoint` or `gateway`. */
    readonly who: string;
    readonly help: string;
  }[];
  /** Why an accepted socket was refused; the position in {@link Board.refusals}. */
  readonly refusals: readonly { readonly name: string; readonly help: string }[];
  /** Balancer names a cluster may use. */
  readonly balancers: readonly string[];
  /** What a shard can be doing, indexed by the number in {@link ShardPulse.activity}. */
  readonly activities: readonly string[];
  /** Sizes in bytes of the hot records: `conn`, `tunnel`, `chunk`, `mailboxMessage`. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly shardsMax: number;
  readonly listenersMax: number;
  readonly clustersMax: number;
  readonly endpointsMax: number;
  /** Ids of uses of native filters; the last one is for all that have none of their own. */
  readonly policiesMax: number;
}

/** A shard's sign of life, times on CLOCK_MONOTONIC in nanoseconds. */
export interface ShardPulse {
  /** Answered wake-ups; stands still while the shard's thread is stalled. */
  readonly heartbeats: number;
  /** When the last turn began. */
  readonly turnStartNs: bigint;
  /** True while a turn is running. */
  readonly isInTurn: boolean;
  readonly activity: number;
}

/** Shared memory of the process: counters, endpoint table, mailboxes and log rings of all shards. */
export interface Board extends HttpBoard, PolicyBoard {
  /** The memfd behind the board; another thread attaches with it. Owned by the board. */
  readonly fd: number;
  shardCounters(shard: number): number[];
  listenerCounters(listener: number): number[];
  /** Closed connections of one listener by reason, summed over shards. */
  closeReasons(listener: number): number[];
  /** Refused sockets of one listener by reason. */
  refusals(listener: number): number[];
  endpointCounters(endpoint: number): number[];
  /** Live connections of the whole process. */
  connections(): number;
  /** Live connections of each shard. */
  shardConnections(): number[];
  /** Live connections of one listener. A listener id may be given to another listener only at 0. */
  listenerConnections(listener: number): number;
  /** Live connections to one endpoint. An endpoint id may be reused only at 0. */
  endpointConnections(endpoint: number): number;
  /** Names of at most 63 bytes, used in access records. Resets the entry's counters. */
  setListener(id: number, name: string): void;
  setCluster(id: number, name: string): void;
  /** `display` is what access records show (`10.0.1.10:1883`); resets counters and health. */
  setEndpoint(id: number, display: string): void;
  /** What active health checks found. Starts the slow-start window when it turns true. */
  setEndpointHealthy(id: number, healthy: boolean): void;
  /** Milliseconds of passive ejection left, 0 when not ejected. */
  endpointEjectedMs(id: number): number;
  pulse(shard: number): ShardPulse;
  /** Wakes a shard so that it answers with a heartbeat; one eventfd write. */
  ping(shard: number): void;
  /** Clears what a dead shard left behind (mailbox, gauges); call before its successor attaches. */
  resetShard(shard: number): void;
}

export interface BoardOptions {
  readonly shards: number;
  /** Connections the whole process may hold; sizes the per-address table. */
  readonly connectionsMax: number;
  /** Bytes that all shards together may hold in pending chains. */
  readonly pendingBytesMax: number;
}

/** What may be listened on. Times out of nothing: listening either works or throws at once. */
export interface ListenSpec {
  readonly listener: number;
  readonly address: SocketAddress;
  /** Descriptor of the network namespace to create the socket in, or -1 for the process's own. */
  readonly netnsFd: number;
  readonly backlog: number;
  /**
   * Connections are accepted when their first bytes came, waiting for so long; 0: at once. Only for
   * protocols in which clients speak first.
   */
  readonly deferSeconds: number;
  /** Inherited by every socket accepted here; ignored for Unix sockets. */
  readonly socket: SocketOptionsInput;
}

export interface ListenerLimits {
  readonly connectionsMax: number;
  /** Accepted sockets per second (token bucket, burst of one second); 0: no limit. */
  readonly acceptsPerSecond: number;
}

/** Accepts on the main thread's loop and hands each descriptor to a shard. */
export interface Acceptor {
  /** @throws NativeError with the syscall that failed (`bind`, `listen`, `setns`, ...). */
  listen(spec: ListenSpec): { readonly handle: number; readonly address: SocketAddress };
  /** Closes one listening socket; established connections stay. */
  unlisten(handle: number): void;
  /**
   * Gives a listening socket to a listener, with its backlog and the options that sockets accepted
   * from now on inherit. The queue of waiting clients stays.
   */
  update(
    handle: number,
    spec: Pick<ListenSpec, 'listener' | 'backlog' | 'deferSeconds' | 'socket'>,
  ): void;
  setLimits(listener: number, limits: ListenerLimits): void;
  setConnectionsMax(connections: number): void;
  setDistribution(kind: 'least-connections' | 'round-robin'): void;
  /** Lets a shard take part in the distribution, or takes it out. */
  setShardReady(shard: number, ready: boolean): void;
  /** Accepts that failed by errno name since start (`EMFILE`: 3); `backoffs` counts the pauses. */
  errors(): Readonly<Record<string, number>>;
  close(): void;
}

/** What is connected to, and what becomes of the socket. */
export interface ProbeSpec {
  readonly address: SocketAddress;
  readonly netnsFd: number;
  readonly timeoutMs: number;
  /** True: a socket that opened is handed to the callback, which has to close it. */
  readonly isKept: boolean;
  /** A request that is sent once, and whose answer is waited for; empty: none. Not with isKept. */
  readonly request: Uint8Array;
}

/** What {@link Prober.probe} calls back. */
export type ProbeDone = (error: string | null, micros: number, fd: number, status: number) => void;

/** Opens connections to see that they open, or what is answered; runs on the thread that made it. */
export interface Prober {
  /**
   * Calls back once: an errno name (`ETIMEDOUT`; `EPROTO`: the answer is no HTTP), or null on
   * success; the microseconds; the descriptor of a socket that is kept, else -1; and the status of
   * the answer, 0 where nothing was asked.
   */
  probe(spec: ProbeSpec, done: ProbeDone): void;
  /**
   * The final status in the first bytes of an answer, by the rules of the path; 0: more bytes are
   * needed, -1: it is no HTTP.
   */
  readAnswer(bytes: Uint8Array): number;
  close(): void;
}

/** Socket options of one side. Zero means: leave the kernel's default. */
export interface SocketOptionsInput {
  readonly nodelay: boolean;
  readonly keepaliveIdleSeconds: number;
  readonly keepaliveIntervalSeconds: number;
  readonly keepaliveCount: number;
  readonly userTimeoutMs: number;
}

export interface ListenerInput {
  readonly id: number;
  /** Position in {@link SnapshotInput.clusters}; with HTTP -1, where routes say it all. */
  readonly cluster: number;
  /** Null: bytes are relayed as they are. */
  readonly http: HttpInput | null;
  /** 0: never. */
  readonly idleMs: number;
  readonly halfCloseMs: number;
  readonly maxAgeMs: number;
  /** 0 to 1000: how much of maxAgeMs is spread at random (100 = plus or minus 10 %). */
  readonly maxAgeJitterPermille: number;
  /** Networks whose connections must start with a PROXY header (`10.0.0.0/8`); empty: none. */
  readonly proxyProtocolFrom: readonly string[];
  readonly proxyHeaderMs: number;
  /** Bytes a connection may hold for a slow reader: reading pauses at high and resumes at low. */
  readonly bufferHigh: number;
  readonly bufferLow: number;
  /** Live connections one client address may hold (after PROXY header); 0: no limit. */
  readonly connectionsPerAddressMax: number;
  /** Interval of access records for connections that live long; 0: only at the end. */
  readonly accessIntervalMs: number;
  readonly accessLog: boolean;
  readonly socket: SocketOptionsInput;
  /** `terminate` needs {@link ListenerInput.tls}; `passthrough` only looks at the ClientHello. */
  readonly tlsMode: 'off' | 'terminate' | 'passthrough';
  /** Position in {@link SnapshotInput.tls}, or -1. */
  readonly tls: number;
  /** From the first byte of a handshake (or ClientHello) to its end; 0 where tlsMode is `off`. */
  readonly handshakeMs: number;
  /** Where names and protocols of the ClientHello lead; nothing matches: `cluster`. */
  readonly routes: readonly ServerNameRouteInput[];
  /** Evaluated by the core, before filters in TypeScript; in order. */
  readonly policies: readonly PolicyInput[];
  /** Id of the chain for accept, open and request; 0: none. */
  readonly filterChain: number;
}

/** A connection matches when one of the names and one of the protocols does. */
export interface ServerNameRouteInput {
  /** Canonical: lower case, no trailing dot; `*.example` stands for one label. Empty: any name. */
  readonly serverNames: readonly string[];
  /** Protocols of ALPN, of which the client offers (passthrough) or gets one. Empty: any. */
  readonly alpn: readonly string[];
  /** Position in {@link SnapshotInput.clusters}. */
  readonly cluster: number;
}

/** A chain with its key, as the files have them. The bytes are only read during the call. */
export interface TlsCertificateInput {
  /** PEM, leaf first. */
  readonly chain: Uint8Array;
  readonly key: Uint8Array;
  /** DER of an OCSP answer to staple; empty: none. */
  readonly ocsp: Uint8Array;
}

/** What answers for some names, or (originating, exactly one) what an endpoint is asked with. */
export interface TlsDomainInput {
  /** As in {@link ServerNameRouteInput}; empty: the default domain. */
  readonly names: readonly string[];
  readonly certificates: readonly TlsCertificateInput[];
  /** In order of preference; empty: ALPN is not spoken. */
  readonly alpn: readonly string[];
  readonly clientAuth: 'off' | 'optional' | 'required';
  /** Intermediate certificates in a peer's chain. */
  readonly depthMax: number;
  /** PEM of whom peers are checked against; empty: nobody. */
  readonly ca: Uint8Array;
  /** PEM of revocation lists; empty: no check. */
  readonly crl: Uint8Array;
}

/** TLS of one listener or one cluster. */
export interface TlsConfigInput {
  /** Name of the listener or cluster: a part of what tickets are bound to. */
  readonly name: string;
  /** Path of a shared library with a handshake engine; empty: OpenSSL. */
  readonly engine: string;
  readonly role: 'terminating' | 'originating';
  readonly policy: 'intermediate' | 'modern';
  /** `openssl` keeps the engine's object for the life of a connection. */
  readonly records: 'detached' | 'openssl';
  /** Terminating: a name that no domain has is refused. */
  readonly isServerNameRequired: boolean;
  /** Originating: any certificate will do. */
  readonly isPeerUnchecked: boolean;
  /** Tickets for each handshake, 0 to 4; 0: neither made nor taken. */
  readonly tickets: number;
  readonly ticketSeconds: number;
  /** OpenSSL's names with colons between; empty: the policy's. */
  readonly suites13: string;
  readonly suites12: string;
  readonly groups: string;
  readonly domains: readonly TlsDomainInput[];
}

/** One certificate of ours. */
export interface TlsCertificateFacts {
  readonly domain: number;
  readonly certificate: number;
  /** Seconds since 1970; the earliest end of leaf and chain. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256, hexadecimal. */
  readonly fingerprint: string;
  readonly subject: string;
  /** `RSA`, `EC`, `ED25519`. */
  readonly keyKind: string;
}

/** What {@link Native.checkTls} finds: a problem, or the facts of all certificates. */
export interface TlsCheck {
  /** Positions are -1 where the problem is not in one of them. */
  readonly problem: {
    readonly domain: number;
    readonly certificate: number;
    readonly text: string;
  } | null;
  readonly certificates: readonly TlsCertificateFacts[];
}

export interface EndpointInput {
  readonly id: number;
  readonly address: SocketAddress;
  /** 1 to 256. */
  readonly weight: number;
  /** Live connections this endpoint may have; 0: no limit. */
  readonly connectionsMax: number;
}

export interface ClusterInput {
  readonly id: number;
  /** Id of the cluster that this one is a subset of, whose circuit limits count; -1: none. */
  readonly parent: number;
  readonly balance: string;
  readonly endpoints: readonly EndpointInput[];
  readonly connectMs: number;
  /** Further endpoints tried after a failed connect. */
  readonly retries: number;
  /** 0: none, 1 or 2: the PROXY protocol version sent to endpoints. */
  readonly proxyProtocol: 0 | 1 | 2;
  readonly netnsFd: number;
  readonly slowStartMs: number;
  /** Consecutive connect failures that eject an endpoint; 0: never. */
  readonly ejectAfter: number;
  /** Consecutive errors of HTTP that do; 0: never. */
  readonly ejectAfterErrors: number;
  /** Mean latency against the cluster's median that does, 1000 is the median; 0: never. */
  readonly ejectLatencyPermille: number;
  readonly ejectMs: number;
  readonly ejectMsMax: number;
  /** At most this share of endpoints is ejected, 0 to 100. */
  readonly ejectPercentMax: number;
  /** Below this share of usable endpoints, all are used, 0 to 100. */
  readonly panicPercent: number;
  readonly socket: SocketOptionsInput;
  /** Position in {@link SnapshotInput.tls}, or -1: endpoints are spoken to in clear. */
  readonly tls: number;
  /** Name that endpoints are asked for and checked against; empty: their address. */
  readonly serverName: string;
  readonly http: ClusterHttpInput;
}

/** Everything the path needs, as plain data; compiled once and shared by all shards. */
export interface SnapshotInput {
  readonly generation: number;
  readonly listeners: readonly ListenerInput[];
  readonly clusters: readonly ClusterInput[];
  readonly tls: readonly TlsConfigInput[];
  /** 80 random bytes each; the first makes tickets, all of them read tickets. */
  readonly ticketKeys: readonly Uint8Array[];
  /** Form of the records of requests; connections of TCP are always recorded in JSON. */
  readonly accessFormat: AccessFormat;
  /** The text of the form `template`, else empty. */
  readonly accessTemplate: string;
  readonly filterChains: readonly FilterChainInput[];
}

/** What one call of {@link NativeShard.cutDrained} did. */
export interface CutPage {
  /** Connections whose peers have an end to read still. */
  readonly ended: number;
  /** Where the next call goes on; -1 at the end. */
  readonly next: number;
}

export interface NativeShardOptions {
  readonly boardFd: number;
  readonly shard: number;
  /** Slots for connections; virtual memory only until used. */
  readonly connectionsMax: number;
  readonly pendingBytesMax: number;
  /** Threads that do handshakes of clients for this shard; 0: its own thread does. At most 16. */
  readonly handshakeThreads: number;
}

/** One native reactor, watched by the loop of the worker thread that made it. */
export interface NativeShard extends NativeFilters {
  start(): void;
  /** Maps the snapshot behind `fd` and uses it for new connections. Does not close `fd`. */
  applySnapshot(fd: number): void;
  /**
   * Looks at no more than `slots` slots from `cursor` on, and returns at most `limit` connections;
   * both are capped so that one call takes about half a millisecond. Fewer than asked is not the
   * end: `next` tells.
   */
  connections(
    cursor: number,
    slots: number,
    limit: number,
    filter: ConnectionFilter,
  ): ConnectionPage;
  /** True when the connection was alive and is now being closed. */
  kill(id: string): boolean;
  /** Closes all connections, spread at random over `overMs`. Returns how many there are. */
  drain(overMs: number): number;
  undrain(): void;
  /**
   * Ends what a drain left over, in a bounded number of slots from `cursor` on: a request without
   * an answer gets 503, an answer under way is cut.
   */
  cutDrained(cursor: number): CutPage;
  /** Closes everything at once and stops the reactor; also done when the thread ends. */
  stop(): void;
}

/** Moves access records from the shards' rings to a descriptor, on a thread of its own. */
export interface AccessLog {
  /** Opens the file again under its name, after rotation. */
  reopen(): void;
  /** Bytes written, and bytes lost because the file could not be written. */
  written(): number;
  dropped(): number;
  /** Writes what is left, for at most `timeoutMs`, and ends the thread. */
  close(timeoutMs: number): void;
}

export interface Native {
  readonly abi: NativeAbi;
  createBoard(options: BoardOptions): Board;
  /** Returns a sealed memfd; close it with {@link Native.closeFd} when every shard has it. */
  compileSnapshot(input: SnapshotInput): number;
  closeFd(fd: number): void;
  /** Why TLS cannot be had in this process, in one sentence; empty when it can. */
  tlsProblem(): string;
  /** Checks as a shard would, without keeping anything; takes milliseconds per certificate. */
  checkTls(input: TlsConfigInput): TlsCheck;
  /** Compiles routes as a snapshot would, and tells everything that is wrong with them. */
  checkRoutes(input: HttpInput): readonly HttpFault[];
  /** Compiles the policies of one place as a snapshot would, and tells what is wrong with them. */
  checkPolicies(policies: readonly PolicyInput[]): readonly PolicyFault[];
  /** Says what is wrong with a template; null: nothing. */
  checkTemplate(text: string, use: TemplateUse): TemplateFault | null;
  /** @throws NativeError ENOENT (no such namespace) or EPERM (no privilege). */
  openNetns(name: string): number;
  /**
   * The calling thread runs only where no other one wants to, from here on; false where the system
   * does not allow that.
   */
  enterBackground(): boolean;
  createAcceptor(board: Board): Acceptor;
  createProber(): Prober;
  createShard(options: NativeShardOptions): NativeShard;
  /** `target` is `stdout`, `stderr` or a file path. */
  createAccessLog(board: Board, target: string): AccessLog;
  /** Resident bytes, descriptors and threads of this process, from /proc. */
  processInfo(): {
    readonly residentBytes: number;
    readonly openFds: number;
    readonly fdsMax: number;
    readonly threads: number;
  };
}

/**
 * Loads the addon.
 *
 * @throws Error when the addon was not built for this platform; the message says how to build it.
 */
export function loadNative(): Native {
  const require = createRequire(import.meta.url);
  const built = './build/Release/holdfast.node';
  try {
    return require(process.env['HF_NATIVE_PATH'] ?? built) as Native;
  } catch (cause) {
    throw new Error(
      `holdfast: the native core could not be loaded (${(cause as Error).message}). ` +
        'Build it with "npm run build:native", or point HF_NATIVE_PATH at a built holdfast.node.',
      { cause },
    );
  }
}
