/**
 * What the core is told about native policies: filters that it evaluates itself.
 *
 * Path: src/main/filters/builtin checks a configuration into these; binding/policy_reader.cc reads
 * them into the parts of `src/policy/policy_parts.h`, which they mirror.
 * Invariant: plain data, in the order of the configuration. Times are milliseconds.
 */

/** A condition. `all` of nothing holds, `any` of nothing does not; `not` has one part. */
export type PolicyTestInput =
  | { readonly kind: 'all' | 'any' | 'not'; readonly parts: readonly PolicyTestInput[] }
  | { readonly kind: 'address'; readonly networks: readonly string[] }
  | { readonly kind: 'method'; readonly methods: readonly string[] }
  | { readonly kind: 'tls' }
  | PolicyTextTestInput;

/** One of the values of a source fits one of `values`. */
export interface PolicyTextTestInput {
  readonly kind: 'text';
  /** `altName` of a client's certificate: `DNS:a`, `URI:b`, `IP:c`, `email:d`. */
  readonly source: 'host' | 'path' | 'header' | 'query' | 'cookie' | 'subject' | 'altName';
  /** Of the header, parameter or cookie; else empty. */
  readonly name: string;
  readonly match: 'exact' | 'present' | 'prefix' | 'suffix' | 'regex' | 'segments';
  /** Empty with `present`. */
  readonly values: readonly string[];
}

/** What all policies have. */
export interface PolicyBase {
  /** A short word for records, metrics and fields. */
  readonly name: string;
  /** On the board: what it counts, and whose buckets are its own. Stable over reloads. */
  readonly id: number;
  /** `none`: asked only where the core counts what it limits. */
  readonly phase: 'accept' | 'open' | 'request' | 'none';
  /** It counts and decides nothing. */
  readonly isShadow: boolean;
  /** Of a refusal. */
  readonly status: number;
  /** Where it does not hold, the policy is passed over. */
  readonly when: PolicyTestInput;
}

/** One rule; the first that matches decides. */
export interface PolicyRuleInput {
  readonly name: string;
  readonly action: 'allow' | 'deny';
  readonly isShadow: boolean;
  readonly when: PolicyTestInput;
}

export interface RbacPolicyInput extends PolicyBase {
  readonly kind: 'rbac' | 'ip-access';
  readonly rules: readonly PolicyRuleInput[];
  /** Where no rule matches. */
  readonly fallback: 'allow' | 'deny';
}

/** What a bucket is kept for each of. */
export interface PolicyKeyInput {
  readonly kind:
    | 'address'
    | 'host'
    | 'path'
    | 'method'
    | 'route'
    | 'header'
    | 'cookie'
    | 'query'
    | 'subject';
  /** Of the header, cookie or parameter; else empty. */
  readonly name: string;
  /** Of an IPv6 address; IPv4 counts whole. */
  readonly prefixBits: number;
}

export interface RateLimitPolicyInput extends PolicyBase {
  readonly kind: 'rate-limit';
  readonly counted: 'requests' | 'connections' | 'messages' | 'bytes';
  /** Empty: one bucket for all. At most 4. */
  readonly by: readonly PolicyKeyInput[];
  /** Tokens for each period. */
  readonly count: number;
  readonly periodMs: number;
  readonly burst: number;
  readonly hasRetryAfter: boolean;
  /** RateLimit and RateLimit-Policy. */
  readonly hasFields: boolean;
  /** Of bytes: 1 from the client, 2 to it, 3 both. */
  readonly directions: number;
}

/** Values of fields are written as they stand here. */
export interface CorsPolicyInput extends PolicyBase {
  readonly kind: 'cors';
  /** On the header `origin`. */
  readonly origins: PolicyTestInput;
  readonly isAnyOrigin: boolean;
  readonly hasCredentials: boolean;
  readonly methods: string;
  /** Empty: those that are asked for. */
  readonly headers: string;
  readonly exposed: string;
  /** 0: none. */
  readonly maxAgeSeconds: number;
}

/** A user, with a password that PBKDF2 with HMAC-SHA-256 made a digest of. */
export interface PolicyUserInput {
  readonly name: string;
  /** Hexadecimal. */
  readonly salt: string;
  /** 32 bytes, hexadecimal. */
  readonly digest: string;
  /** 1 to 100. */
  readonly rounds: number;
}

export interface BasicAuthPolicyInput extends PolicyBase {
  readonly kind: 'basic-auth';
  readonly realm: string;
  readonly users: readonly PolicyUserInput[];
  /** Set to the name of the user; empty: none. */
  readonly userHeader: string;
  /** The endpoint gets no Authorization. */
  readonly isHidden: boolean;
}

export interface SizeLimitPolicyInput extends PolicyBase {
  readonly kind: 'size-limit';
  /** 0: no limit of its own. */
  readonly requestBytesMax: number;
  readonly responseBytesMax: number;
}

export interface PolicyEditInput {
  readonly isResponse: boolean;
  readonly kind: 'add' | 'set' | 'remove';
  readonly name: string;
  /** As it is: no template. */
  readonly value: string;
}

export interface HeadersPolicyInput extends PolicyBase {
  readonly kind: 'headers';
  readonly edits: readonly PolicyEditInput[];
}

/** A field of access records. */
export interface PolicyLogInput {
  readonly name: string;
  /** A template. */
  readonly value: string;
}

export interface AccessLogPolicyInput extends PolicyBase {
  readonly kind: 'access-log';
  readonly fields: readonly PolicyLogInput[];
}

/** Shares are parts of a million. */
export interface FaultPolicyInput extends PolicyBase {
  readonly kind: 'fault';
  readonly abortMillionths: number;
  /** Closed instead of answered. */
  readonly closeMillionths: number;
  readonly delayMillionths: number;
  readonly delayMs: number;
  readonly throttleMillionths: number;
  /** 1 from the client, 2 to it, 3 both. */
  readonly throttleDirections: number;
  /** A second; at least 1024. */
  readonly throttleBytes: number;
}

export interface ConcurrencyPolicyInput extends PolicyBase {
  readonly kind: 'concurrency';
  readonly least: number;
  readonly most: number;
  readonly initial: number;
  readonly windowMs: number;
  readonly baselineMs: number;
  /** Of the lowest latency; 1500: half as much again is no load. */
  readonly tolerancePermille: number;
}

/** Responses that are compressed for clients that take it. */
export interface CompressionPolicyInput extends PolicyBase {
  readonly kind: 'compression';
  /** The one that is liked best first. */
  readonly algorithms: readonly ('gzip' | 'br' | 'zstd')[];
  readonly level: 'fast' | 'balanced' | 'small';
  /** Of a response that says its length. */
  readonly bytesMin: number;
  /** Media types: `text/html`, `text/*`. */
  readonly types: readonly string[];
  /** The endpoint gets no Accept-Encoding. */
  readonly isHidden: boolean;
}

/** Copies of requests for another cluster. */
export interface MirrorPolicyInput extends PolicyBase {
  readonly kind: 'mirror';
  /** Name of the cluster. */
  readonly target: string;
  /** Labels of the part of it that gets them; null: all of it. */
  readonly subset: Readonly<Record<string, string>> | null;
  /** Id of the two; 0 until a snapshot is compiled. */
  readonly cluster: number;
  /** Of a million requests so many. */
  readonly millionths: number;
  /** Requests with more content are not copied; at most 1 MiB. */
  readonly contentBytesMax: number;
  /** For all of the copy; 0: as long as the route waits for an answer. */
  readonly timeoutMs: number;
}

/** One use of a native filter. `kind` is its name without `holdfast/`. */
export type PolicyInput =
  | RbacPolicyInput
  | RateLimitPolicyInput
  | CorsPolicyInput
  | BasicAuthPolicyInput
  | SizeLimitPolicyInput
  | HeadersPolicyInput
  | FaultPolicyInput
  | ConcurrencyPolicyInput
  | AccessLogPolicyInput
  | CompressionPolicyInput
  | MirrorPolicyInput;

/** One thing that is wrong with policies. Numbers are positions in the lists. */
export interface PolicyFault {
  readonly policy: number;
  /** -1 where it is not in a rule. */
  readonly rule: number;
  /** The text that is wrong; may be empty. */
  readonly value: string;
  /** Byte of a pattern or template, from 0; -1 where it is not about one. */
  readonly position: number;
  /** What is wrong, a clause without a full stop. */
  readonly text: string;
}

/** The part of the board that is about policies. */
export interface PolicyBoard {
  /** In the order of `abi.policyCounters`, summed over shards. */
  policyCounters(policy: number): number[];
  /** Gives an id to another use: resets its counters. The last id is shared and never reset. */
  setPolicy(policy: number): void;
}
