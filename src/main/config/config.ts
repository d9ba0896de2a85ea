/**
 * The normalized configuration: what the rest of the control plane reads.
 *
 * Path: file text -> load.ts (YAML, schema, checks) -> here -> model and snapshot.
 * Invariant: a `Config` is complete and valid. Every default is filled in, durations are
 * milliseconds, sizes are bytes, rates are per second, addresses are parsed, names resolve. 0 means
 * "none" or "never" where a comment says so. It is plain data: it can be compared, copied and
 * printed as JSON. Does not contain the human forms (`1h`, `64KiB`); those live in schema.ts.
 */

import type {
  ClusterHttpInput,
  HttpHostInput,
  HttpInput,
  HttpRouteInput,
} from '../../../native/epoll/index.ts';

/** Log levels, from the most to the least talkative. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** How the main thread gives accepted connections to shards. */
export type Distribution = 'least-connections' | 'round-robin';

/** How a cluster chooses an endpoint. Every balancer honours weights. */
export type Balance =
  | 'round-robin'
  | 'random'
  | 'least-connections'
  | 'least-request'
  | 'maglev'
  | 'ring-hash'
  | 'peak-ewma';

/** Where a listener listens: an IP literal with a port, or a Unix socket path. */
export type BindAddress =
  | { readonly ip: string; readonly port: number }
  | {
      readonly path: string;
      /** Permission bits of the socket file; without it the process's umask decides. */
      readonly mode?: number;
    };

/** Options of one side's TCP sockets. 0 leaves the kernel's default. */
export interface SocketConfig {
  readonly nodelay: boolean;
  readonly keepaliveIdleSeconds: number;
  readonly keepaliveIntervalSeconds: number;
  readonly keepaliveCount: number;
  readonly userTimeoutMs: number;
}

/** The admin endpoint over TCP. One of `token` and `tokenFile` is set. */
export interface AdminTcpConfig {
  /** IP literal. */
  readonly host: string;
  readonly port: number;
  /** Read when the gateway starts and on each reload. */
  readonly tokenFile: string | null;
  readonly token: string | null;
}

/** Where the admin API answers. */
export interface AdminConfig {
  /** Path of the Unix socket (mode 0600); null: none. */
  readonly socket: string | null;
  readonly tcp: AdminTcpConfig | null;
}

/** Process log and access records. */
export interface LogConfig {
  readonly level: LogLevel;
  /** `stdout`, `stderr`, `off`, or a file path. */
  readonly access: string;
  /** Form of the records of requests. */
  readonly accessFormat: 'json' | 'common' | 'template';
  /** The text of the form `template`, else empty. */
  readonly accessTemplate: string;
  /** Interval of records for connections that live on; 0: only one at the end. */
  readonly accessIntervalMs: number;
  readonly format: 'auto' | 'json' | 'pretty';
}

/** Limits of the whole process. */
export interface ProcessLimits {
  /** Proxied connections (each takes two descriptors). */
  readonly connections: number;
  /** Bytes that all connections together may hold for slow readers. */
  readonly memory: number;
  /** The same for one shard. */
  readonly memoryPerShard: number;
}

/** What SIGTERM and `holdfast drain` do. */
export interface DrainConfig {
  /** Closes are spread over this window. */
  readonly overMs: number;
  /** How long connections may take to flush after the window; then they are cut. */
  readonly graceMs: number;
  /** Between the moment readiness fails and the first close. */
  readonly readinessDelayMs: number;
}

/** Limits of one listener. 0: no limit of its own. */
export interface ListenerLimitsConfig {
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Accepted connections per second, burst of one second. */
  readonly acceptRate: number;
  /** Bytes held for a slow reader, each direction: reading the other side pauses here... */
  readonly bufferHigh: number;
  /** ...and goes on here. */
  readonly bufferLow: number;
}

/** Deadlines of one listener's connections. 0: never. */
export interface ListenerTimeouts {
  readonly idleMs: number;
  readonly halfCloseMs: number;
  readonly maxAgeMs: number;
  /** How much of `maxAgeMs` is spread at random: 100 is plus or minus 10 %. */
  readonly maxAgeJitterPermille: number;
}

/** How far back peers may be: `modern` is TLS 1.3 only. */
export type TlsPolicy = 'intermediate' | 'modern';

/** What both sides of TLS can be told about handshakes and records. */
export interface TlsTuning {
  readonly policy: TlsPolicy;
  /** `openssl` keeps the handshake's object for the life of a connection. */
  readonly records: 'detached' | 'openssl';
  /** Names with colons between, as the library takes them; empty: the policy's. */
  readonly suites12: string;
  readonly suites13: string;
  readonly groups: string;
  /** Path of a shared library with a handshake engine; null: OpenSSL. */
  readonly engine: string | null;
}

/** Whom clients have to convince. Paths are absolute. */
export interface ClientAuthConfig {
  readonly mode: 'off' | 'optional' | 'required';
  readonly ca: string | null;
  readonly crl: string | null;
  /** Intermediate certificates in a client's chain. */
  readonly depth: number;
}

/** A certificate with its key. Paths are absolute. */
export interface KeyPairConfig {
  /** PEM, leaf first. */
  readonly cert: string;
  readonly key: string;
}

/** A certificate of a listener, and the names it answers for. */
export interface ListenerCertificateConfig extends KeyPairConfig {
  /** DER of an OCSP answer; null: none is stapled. */
  readonly ocsp: string | null;
  /** Canonical; null: those in the certificate. */
  readonly names: readonly string[] | null;
  /** Answers where no name fits. Without any such, the first certificate does. */
  readonly isDefault: boolean;
  /** Null: the listener's. */
  readonly clientAuth: ClientAuthConfig | null;
}

/** TLS of a listener. With `passthrough` only `handshakeMs` counts. */
export interface ListenerTlsConfig extends TlsTuning {
  readonly mode: 'terminate' | 'passthrough';
  readonly handshakeMs: number;
  readonly certificates: readonly ListenerCertificateConfig[];
  readonly alpn: readonly string[];
  readonly clientAuth: ClientAuthConfig;
  /** 0: tickets are neither made nor taken. */
  readonly tickets: number;
  readonly ticketSeconds: number;
  readonly isServerNameRequired: boolean;
}

/** TLS towards the endpoints of a cluster. */
export interface ClusterTlsConfig extends TlsTuning {
  /** Null: the authorities that the machine trusts. */
  readonly ca: string | null;
  /** Name that endpoints are asked for and checked against; empty: their address. */
  readonly serverName: string;
  readonly isPeerUnchecked: boolean;
  readonly certificate: KeyPairConfig | null;
  readonly alpn: readonly string[];
  readonly hasTickets: boolean;
}

/** Where a server name and a protocol lead. Empty lists mean "any". */
export interface ServerNameRouteConfig {
  /** Canonical: lower case, no trailing dot; `*.example` stands for one label. */
  readonly serverNames: readonly string[];
  readonly alpn: readonly string[];
  /** Name of a cluster in {@link Config.clusters}. */
  readonly cluster: string;
}

/** One use of a filter, a balancer or a discovery, as it is written. */
export interface FilterConfig {
  /** A path, the name of a package, or `holdfast/` and the name of a built-in filter. */
  readonly use: string;
  /** What the filter is told; null: nothing. */
  readonly with: unknown;
  /** URL from which paths and packages lead. */
  readonly base: string;
}

/** What a route does with requests that it took; see {@link HttpRouteInput} for what is not here. */
export interface HttpRouteConfig
  extends Omit<HttpRouteInput, 'id' | 'splits' | 'policies' | 'filterChain'> {
  /** Unique in the listener. */
  readonly name: string;
  /** Names of clusters in {@link Config.clusters}; empty for routes that send nowhere. */
  readonly splits: readonly { readonly cluster: string; readonly weight: number }[];
  /** Labels that endpoints must have to be chosen; null: all endpoints. */
  readonly subset: Readonly<Record<string, string>> | null;
  /** After those of the listener. */
  readonly filters: readonly FilterConfig[];
}

/** Routes of the hosts that have one of the names. */
export interface HttpHostConfig extends Omit<HttpHostInput, 'routes'> {
  readonly routes: readonly HttpRouteConfig[];
}

/** HTTP of a listener: what the core is told, with names where the core has positions. */
export interface HttpConfig extends Omit<HttpInput, 'hosts'> {
  readonly hosts: readonly HttpHostConfig[];
}

/** A listener: where connections come from, and which cluster they go to. */
export interface ListenerConfig {
  /** At most 63 bytes, unique among listeners. */
  readonly name: string;
  readonly bind: readonly BindAddress[];
  /** Network namespace the sockets are created in; null: the process's own. */
  readonly netns: string | null;
  readonly protocol: 'tcp' | 'http';
  readonly backlog: number;
  /** Networks that must send a PROXY header; null: nobody sends one. */
  readonly proxyProtocol: { readonly accept: readonly string[]; readonly timeoutMs: number } | null;
  readonly limits: ListenerLimitsConfig;
  readonly timeouts: ListenerTimeouts;
  readonly socket: SocketConfig;
  readonly accessLog: boolean;
  /** Null: bytes are relayed as they are. */
  readonly tls: ListenerTlsConfig | null;
  /** By server name and protocol, for listeners with TLS. */
  readonly routes: readonly ServerNameRouteConfig[];
  /**
   * Name of a cluster in {@link Config.clusters}; where no route fits. Null for HTTP whose routes
   * say it all.
   */
  readonly cluster: string | null;
  /** Null where `protocol` is `tcp`. */
  readonly http: HttpConfig | null;
  readonly filters: readonly FilterConfig[];
  /** What tells messages of TCP apart; null: what one read brings is one. */
  readonly codec: FilterConfig | null;
}

/** Texts by name, that routes can ask for. */
export type LabelsConfig = Readonly<Record<string, string>>;

/** What every endpoint has, wherever it is. */
export interface EndpointSettings {
  readonly weight: number;
  /** Live connections, or requests of HTTP, that this endpoint may have; 0: no limit. */
  readonly connections: number;
  readonly labels: LabelsConfig;
}

/** One endpoint of a cluster. */
export type EndpointConfig =
  | (EndpointSettings & {
      /** IP literal or DNS name. */
      readonly host: string;
      readonly port: number;
    })
  | (EndpointSettings & { readonly path: string });

/** What a health check asks for, and what it wants to hear. */
export interface HttpCheckConfig {
  readonly method: 'GET' | 'HEAD' | 'OPTIONS';
  /** With its query. */
  readonly target: string;
  /** Empty: the server name of TLS, or the address of the endpoint. */
  readonly host: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Both ends included. */
  readonly statuses: readonly { readonly from: number; readonly to: number }[];
}

/** Active health checks of a cluster. */
export interface HealthCheckConfig {
  /** `tls` also shakes hands, as the cluster's connections do; so does `http` where they do. */
  readonly type: 'tcp' | 'tls' | 'http';
  /** Null where `type` is another one. */
  readonly http: HttpCheckConfig | null;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
  readonly jitterPermille: number;
}

/** Passive ejection. */
export interface EjectionConfig {
  /** Consecutive connect failures; 0: never. */
  readonly afterFailures: number;
  /** Consecutive errors of HTTP; 0: never. */
  readonly afterErrors: number;
  /** Mean latency against the cluster's median; 0: never. */
  readonly latencyPermille: number;
  readonly baseMs: number;
  readonly maxMs: number;
  /** At most this share of endpoints is out at once, 0 to 100. */
  readonly percentMax: number;
  /** Below this share of usable endpoints all are used, 0 to 100. */
  readonly panicPercent: number;
}

/** How the cluster's DNS names are resolved. */
export interface DnsConfig {
  /** The record's TTL is followed between these two. */
  readonly refreshMinMs: number;
  readonly refreshMaxMs: number;
  /** `ip` or `ip:port`; null: the machine's resolvers. */
  readonly resolvers: readonly string[] | null;
  readonly family: 'any' | 'ipv4' | 'ipv6';
}

/** A cluster: endpoints that can stand in for each other, and how one is chosen. */
export interface ClusterConfig {
  /** At most 63 bytes, unique among clusters. */
  readonly name: string;
  readonly balance: Balance;
  /** Makes the weights that `balance` goes by; null: those of the endpoints hold. */
  readonly balancer: FilterConfig | null;
  /** Empty where there is a discovery. */
  readonly endpoints: readonly EndpointConfig[];
  /** Finds the endpoints; null: they are listed. */
  readonly discovery: FilterConfig | null;
  readonly connect: {
    readonly timeoutMs: number;
    /** Further endpoints tried after a failed connect. */
    readonly retries: number;
  };
  readonly healthCheck: HealthCheckConfig | null;
  readonly ejection: EjectionConfig;
  /** An endpoint that turns healthy gets its full share after this time; 0: at once. */
  readonly slowStartMs: number;
  /** PROXY protocol version sent to endpoints; 0: none. */
  readonly proxyProtocol: 0 | 1 | 2;
  readonly netns: string | null;
  readonly socket: SocketConfig;
  readonly dns: DnsConfig;
  /** Null: endpoints are spoken to in clear. */
  readonly tls: ClusterTlsConfig | null;
  /** As the core takes it. */
  readonly http: ClusterHttpInput;
}

/** The whole configuration. */
export interface Config {
  readonly version: 1;
  readonly shards: number;
  readonly distribution: Distribution;
  readonly admin: AdminConfig;
  readonly log: LogConfig;
  readonly limits: ProcessLimits;
  readonly drain: DrainConfig;
  readonly tls: {
    /** A ticket key makes tickets for this long and reads them for as long again. */
    readonly ticketRotationMs: number;
    /** Of each shard; 0: the shard's own thread does handshakes. */
    readonly handshakeThreads: number;
  };
  readonly listeners: readonly ListenerConfig[];
  readonly clusters: readonly ClusterConfig[];
}
