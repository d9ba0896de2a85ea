/**
 * What the files of TLS hold: one load of them, and the types that the rest passes on.
 *
 * Path: config/load.ts and the reload of certificates load with {@link TlsFiles}; snapshot/ hands the
 * inputs to the core.
 * Invariant: material is whole and was checked by the core, or it is not used; its bytes never go
 * into a log, a message or an answer. Problems carry the path of a value in the configuration.
 */
import type { Native, TlsConfigInput } from '../../../native/epoll/index.ts';
import type { Config, FindingName, ValuePath } from '../config/index.ts';
import { loadClusterTls } from './cluster-tls.ts';
import { FileSet } from './file-set.ts';
import { loadListenerTls } from './listener-tls.ts';
import type { Loading } from './loading.ts';

/** What loading asks of the core. */
export type TlsNative = Pick<Native, 'tlsProblem' | 'checkTls'>;

/** Something wrong, or worth a warning, at a value of the configuration. */
export interface TlsFinding {
  readonly name: FindingName;
  readonly path: ValuePath;
  readonly message: string;
  readonly hint: string;
  /** Another value that it is about. */
  readonly other?: ValuePath;
}

/** A certificate of ours, as status, metrics and warnings show it. */
export interface OwnCertificate {
  readonly kind: 'listener' | 'cluster';
  /** Name of the listener or cluster. */
  readonly owner: string;
  /** Server names it answers for; empty for clusters. */
  readonly names: readonly string[];
  readonly file: string;
  readonly subject: string;
  /** SHA-256, hexadecimal. */
  readonly fingerprint: string;
  readonly keyKind: string;
  /** Seconds since 1970; the earliest end of leaf and chain. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly isStapled: boolean;
}

/** All that the files of TLS hold, for one configuration. Secret. */
export interface TlsMaterial {
  /** By name. */
  readonly listeners: ReadonlyMap<string, TlsConfigInput>;
  readonly clusters: ReadonlyMap<string, TlsConfigInput>;
  readonly certificates: readonly OwnCertificate[];
  /** Every file that was looked at, with the SHA-256 of its content; null: it is not there. */
  readonly files: ReadonlyMap<string, string | null>;
}

/** What a load gives. */
export interface TlsLoad {
  /** Not to be used when a problem is an error. */
  readonly material: TlsMaterial;
  readonly problems: readonly TlsFinding[];
}

/** The material of a configuration without TLS. */
export const NO_TLS_MATERIAL: TlsMaterial = {
  listeners: new Map(),
  clusters: new Map(),
  certificates: [],
  files: new Map(),
};

/** What loading needs from the world. */
export interface TlsFilesOptions {
  /** May throw; then nothing is checked. */
  readonly native: () => TlsNative;
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
}

/** Reads and judges the files of TLS. */
export class TlsFiles {
  readonly #options: TlsFilesOptions;

  constructor(options: TlsFilesOptions) {
    this.#options = options;
  }

  /** Loads what `config` names. Never throws; takes milliseconds for each certificate. */
  load(config: Config): TlsLoad {
    const users: ValuePath[] = [
      ...config.listeners.flatMap(({ tls }, i) =>
        tls?.mode === 'terminate' ? [['listeners', i, 'tls']] : [],
      ),
      ...config.clusters.flatMap(({ tls }, i) => (tls === null ? [] : [['clusters', i, 'tls']])),
    ];
    if (users.length === 0) return { material: NO_TLS_MATERIAL, problems: [] };
    const problems: TlsFinding[] = [];
    const native = this.#findNative(users, problems);
    const files = new FileSet();
    const loading: Loading = {
      files,
      check: native === null ? null : (input) => native.checkTls(input),
      nowSeconds: (this.#options.nowMs ?? Date.now)() / 1000,
      report: (finding) => problems.push(finding),
      certificates: [],
    };
    const listeners = new Map<string, TlsConfigInput>();
    for (const [i, { name, tls }] of config.listeners.entries()) {
      if (tls?.mode !== 'terminate') continue;
      listeners.set(name, loadListenerTls({ name, tls, path: ['listeners', i, 'tls'] }, loading));
    }
    const clusters = new Map<string, TlsConfigInput>();
    for (const [i, { name, tls }] of config.clusters.entries()) {
      if (tls === null) continue;
      clusters.set(name, loadClusterTls({ name, tls, path: ['clusters', i, 'tls'] }, loading));
    }
    const { certificates } = loading;
    return { material: { listeners, clusters, certificates, files: files.hashes() }, problems };
  }

  /** The core, unless it is not there or has no TLS. */
  #findNative(users: readonly ValuePath[], problems: TlsFinding[]): TlsNative | null {
    let native: TlsNative;
    let problem: string;
    try {
      native = this.#options.native();
      problem = native.tlsProblem();
    } catch (error) {
      const [path = []] = users;
      const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
      const message = 'certificates are not checked: the native core could not be loaded';
      problems.push({ name: 'tlsUnchecked', path, message, hint: reason });
      return null;
    }
    if (problem === '') return native;
    for (const path of users) {
      const hint = 'TCP and pass-through work without it';
      const message = `this process cannot have TLS: ${problem}`;
      problems.push({ name: 'tlsUnavailable', path, message, hint });
    }
    return null;
  }
}
