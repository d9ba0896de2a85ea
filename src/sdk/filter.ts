/**
 * What every filter has, whatever its kind: a name, a failure policy, a life.
 *
 * Path: network-filter.ts, stream-filter.ts and message-filter.ts extend this.
 * Invariant: there is one instance for each use of a filter, shard and generation: `setup` makes
 * it, connections and exchanges that began with it keep it, `dispose` ends it after the last one.
 */
import type { ConfigSchema } from './config-schema.ts';
import type { Duration } from './duration.ts';

export type MaybePromise<Value> = Value | Promise<Value>;

/** The version of this interface; a filter made for another one is refused when it is loaded. */
export const API_VERSION = 1;

/** Writes to the log of the gateway, with the name of the filter. At most 100 lines a second. */
export interface FilterLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** What `setup` gets. */
export interface FilterEnv<Config> {
  /** What the schema made of the configuration under `with`; undefined without a schema. */
  readonly config: Config;
  readonly log: FilterLog;
  /** Number of this shard. Each shard has an instance of its own; they share nothing. */
  readonly shard: number;
  /** URL of the configuration file: paths in `config` should lead from it. */
  readonly base: string;
  /** Generation of the configuration that brought this instance. */
  readonly generation: number;
}

/** How work that was given away came to nothing. */
export type OffloadFailure = 'shed' | 'deadline' | 'cancelled' | 'failed';

/**
 * Work given to `offload` did not get done. A hook that lets it pass fails by its policy; `shed`
 * answers with 503, or closes with 1013 ("try again later").
 */
export class OffloadError extends Error {
  readonly failure: OffloadFailure;

  constructor(failure: OffloadFailure, message: string) {
    super(message);
    this.name = 'OffloadError';
    this.failure = failure;
  }
}

/** What a hook has besides its view. */
export interface Scope<Shared, State> {
  /** What `setup` returned; shared by everything of this instance. */
  readonly shared: Shared;
  /** What `begin` returned for this connection, exchange or tunnel. */
  readonly state: State;
  /** Aborts at the filter's timeout, and when the client is gone. */
  readonly signal: AbortSignal;
  /**
   * Sets a field of the access record of this exchange, connection or tunnel; a record shows at
   * most 16, and 256 bytes of each value. What was set before a hook failed stays. Not in `onEnd`:
   * the record is written by then.
   *
   * @param name - lower-case letters, digits, `_`, `.` and `-`, a letter first; at most 32.
   * @throws TypeError for another name, for a value that is not text, and when the hook is over.
   */
  readonly log: (name: string, value: string) => void;
  /**
   * Runs an exported function of the filter's `offload` module in a pool of threads. Worth it above
   * about half a millisecond of work. `payload` is cloned; list its buffers in `transfer` to move
   * them. Rejects with {@link OffloadError}; cancelled together with `signal`.
   */
  readonly offload: <Result>(
    task: string,
    payload: unknown,
    options?: { readonly transfer?: readonly ArrayBuffer[] },
  ) => Promise<Result>;
}

/** When a filter that keeps failing is left out for a while. */
export interface BreakerRule {
  /** Failures in a row; 0: never. */
  readonly failures: number;
  /** How long its policy is applied without calling it; then one call tries. */
  readonly cooldown: Duration;
}

/** What every filter has. */
export interface FilterBase<Config, Shared> {
  /** Lower case letters, digits and dashes; shown in metrics, logs and errors. */
  readonly name: string;
  /** Checks the configuration under `with`, and types it. Without one, none may be given. */
  readonly config?: ConfigSchema<Config>;
  /**
   * What a failure does: a throw, a rejection, a timeout, a verdict that makes no sense.
   * `closed` (without it): 500, at a timeout or an open breaker 503; WebSocket 1011; TCP reset.
   * `open`: as if the filter were not there.
   */
  readonly onError?: 'open' | 'closed';
  /** How long a Promise of a hook may take; without it one second. */
  readonly timeout?: Duration;
  /** Without it: five failures in a row, ten seconds. */
  readonly breaker?: BreakerRule;
  /** A module whose exported functions {@link Scope.offload} can run. */
  readonly offload?: URL;
  /** Makes what the instance shares. A failure refuses the configuration. At most 10 s. */
  setup?(env: FilterEnv<Config>): MaybePromise<Shared>;
  /** Ends what `setup` made. */
  dispose?(shared: Shared): MaybePromise<void>;
}

/** The marks that define* puts on a filter. */
export interface Defined<Kind extends string> {
  readonly kind: Kind;
  readonly apiVersion: typeof API_VERSION;
}
