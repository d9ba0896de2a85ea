/**
 * What a gateway is started with, and what its starter gets back.
 *
 * Path: the command line fills these in; gateway.ts composes the rest from them.
 * Invariant: the gateway never reads configuration text by itself; it asks `reloadConfig` and
 * `parseConfig`, so that a file, a command line and a test start it the same way.
 */
import type { Native } from '../../native/epoll/index.ts';
import type { Lookups } from './clusters/index.ts';
import type { Config, Diagnostic } from './config/index.ts';
import type { CheckedModules } from './filters/index.ts';
import type { SpawnShard } from './shards/index.ts';
import type { TlsMaterial } from './tls/index.ts';

/** What loading a configuration gives: a configuration, or only findings. */
export interface ConfigOutcome {
  /** Null when there is an error among the diagnostics. */
  readonly config: Config | null;
  /** What the files of TLS hold, for a configuration with TLS. */
  readonly material?: TlsMaterial;
  readonly diagnostics: readonly Diagnostic[];
}

/** What {@link startGateway} needs. */
export interface GatewayOptions {
  readonly config: Config;
  /** What the files of TLS hold; needed for a configuration with TLS. */
  readonly material?: TlsMaterial;
  /** Shown in logs and status: a file path, or words such as `command line`. */
  readonly source: string;
  /** Loads the source again; null when there is nothing to load again. */
  readonly reloadConfig: (() => Promise<ConfigOutcome>) | null;
  /** Reads the text that `PUT /v1/config` brings; null refuses it. */
  readonly parseConfig: ((text: string) => Promise<ConfigOutcome> | ConfigOutcome) | null;
  /** Modules of filters that loading has checked; without it they are checked again. */
  readonly filterModules?: () => CheckedModules | null;
  /** A file whose changes reload the gateway, as do those of TLS and filters; null: no watching. */
  readonly watchFile: string | null;
  /** `process`: SIGTERM, SIGINT and SIGHUP mean what docs/operating.md says; `none`: left alone. */
  readonly signals: 'process' | 'none';
}

/** Parts of the world that tests bring themselves. */
export interface GatewaySeams {
  readonly native?: Native;
  readonly spawn?: SpawnShard;
  readonly lookups?: Lookups;
}

/** A running gateway. */
export interface Gateway {
  /** Exit code of the process, once everything is closed. */
  readonly closed: Promise<number>;
  /** Where it listens, with the ports the kernel chose. */
  readonly listeners: readonly GatewayListener[];
  /** Path of the admin socket, or null. */
  readonly adminSocket: string | null;
  /** Drains and ends, as SIGTERM does. Idempotent; resolves with {@link closed}. */
  close(): Promise<number>;
}

/** One listening socket. */
export interface GatewayListener {
  readonly name: string;
  /** `127.0.0.1:1883`, `[::1]:1883` or `unix:/run/x.sock`. */
  readonly address: string;
}

/** Why a gateway did not start: one sentence, with what to do about it. Nothing is left behind. */
export class GatewayStartError extends Error {
  /** Exit code of the process. */
  readonly exitCode = 1;

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'GatewayStartError';
  }
}
