/**
 * What the loader asks of the machine: environment, secret files, cores, the limit of open files,
 * and what is in the files of TLS.
 *
 * Path: load.ts gets one as an argument; tests bring their own, so the same text gives the same
 * result.
 * Invariant: reading a secret is bounded and never throws.
 * Does not read the configuration file; `loadConfigFile` does.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import {
  type HttpFault,
  type HttpInput,
  loadNative,
  type Native,
  type TemplateFault,
  type TemplateUse,
} from '../../../native/epoll/index.ts';
import { NO_TLS_MATERIAL, TlsFiles, type TlsLoad } from '../tls/index.ts';
import type { Config } from './config.ts';

/** A token file holds one line. */
const SECRET_BYTES_MAX = 64 * 1024;

/** Used when the limit cannot be read: the soft limit that most systems start with. */
const DESCRIPTORS_FALLBACK = 1024;

/** What the loader asks of the machine. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Cores that this process may use. */
  readonly parallelism: number;
  /** Limit of open files of this process. */
  readonly descriptorsMax: number;
  /** Reads the first line of a file; relative paths start at the configuration file. */
  readSecret(
    path: string,
  ):
    | { readonly ok: true; readonly value: string }
    | { readonly ok: false; readonly reason: string };
  /** Relative paths start at the configuration file. */
  resolvePath(path: string): string;
  /** Reads and judges what TLS needs. Never throws. */
  loadTls(config: Config): TlsLoad;
  /** What the core says about routes; null when there is no core to ask. */
  checkRoutes(http: HttpInput): readonly HttpFault[] | null;
  /** What is wrong with a template; null when nothing is, or when there is no core to ask. */
  checkTemplate(text: string, use: TemplateUse): TemplateFault | null;
  /** Names of the variables that templates have; empty when there is no core to ask. */
  listVariables(): readonly string[];
}

/**
 * The limit of open files of this process. Node raises the soft limit to the hard one when it
 * starts, so this is what the gateway gets.
 */
export function descriptorLimit(): number {
  try {
    const line = /^Max open files\s+(\d+|unlimited)/m.exec(
      readFileSync('/proc/self/limits', 'utf8'),
    );
    const soft = line?.[1] ?? '';
    return soft === 'unlimited' ? 1_048_576 : Number.parseInt(soft, 10) || DESCRIPTORS_FALLBACK;
  } catch {
    return DESCRIPTORS_FALLBACK;
  }
}

/** Reads the first line of a small file. */
export function readSecretFile(path: string): ReturnType<World['readSecret']> {
  let fd = -1;
  try {
    fd = openSync(path, 'r');
    const bytes = Buffer.alloc(SECRET_BYTES_MAX + 1);
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    if (length > SECRET_BYTES_MAX)
      return { ok: false, reason: `${path} is larger than ${SECRET_BYTES_MAX} bytes` };
    const [line = ''] = bytes.toString('utf8', 0, length).split('\n');
    return { ok: true, value: line.replace(/\r$/, '') };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason =
      code === 'ENOENT'
        ? `${path} does not exist`
        : `${path} cannot be read (${code ?? String(cause)})`;
    return { ok: false, reason };
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** The machine this process runs on; `configPath` anchors relative secret files. */
export function createWorld(configPath: string | null): World {
  const base = configPath === null ? process.cwd() : dirname(resolve(configPath));
  return {
    env: process.env,
    parallelism: availableParallelism(),
    descriptorsMax: descriptorLimit(),
    readSecret: (path) => readSecretFile(resolve(base, path)),
    resolvePath: (path) => resolve(base, path),
    loadTls: (config) => new TlsFiles({ native: loadNative }).load(config),
    checkRoutes: (http) => findCore()?.checkRoutes(http) ?? null,
    checkTemplate: (text, use) => findCore()?.checkTemplate(text, use) ?? null,
    listVariables: () => findCore()?.abi.http.variables.map(({ name }) => name) ?? [],
  };
}

/** The core, where it was built. */
function findCore(): Native | null {
  try {
    return loadNative();
  } catch {
    return null;
  }
}

/**
 * The same machine, but nothing that TLS needs is read and the core is not asked: for verbs that
 * only look up a field.
 */
export function withoutTls(world: World): World {
  return {
    ...world,
    loadTls: () => ({ material: NO_TLS_MATERIAL, problems: [] }),
    checkRoutes: () => [],
    checkTemplate: () => null,
  };
}
