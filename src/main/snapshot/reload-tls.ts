/**
 * Takes over certificates and keys that changed on disk, while the configuration stays as it is.
 *
 * Path: the watch of these files -> here -> apply.ts. SIGHUP and `holdfast reload` load everything,
 * these files included, through reload.ts; both are counted here.
 * Invariant: the files are read again as a set, and used as a set or not at all. A pair of which
 * only one half has changed yet is refused, and tried again when the other half does.
 */
import type { Log } from '../observe/index.ts';
import {
  describeMaterialChanges,
  isSameMaterial,
  type TlsFiles,
  type TlsFinding,
} from '../tls/index.ts';
import type { Applier } from './apply.ts';

/** Counts for metrics. */
export interface TlsReloadCounts {
  readonly applied: number;
  readonly unchanged: number;
  readonly refused: number;
  /** Seconds since 1970; 0 before the first. */
  readonly lastSuccessSeconds: number;
}

/** What came of one reload. */
export type TlsReloadResult = 'applied' | 'unchanged' | 'refused';

/** What reloading needs from the world. */
export interface TlsReloaderOptions {
  readonly applier: Applier;
  readonly files: TlsFiles;
  /** True for findings that keep the files from being used. */
  readonly isError: (finding: TlsFinding) => boolean;
  readonly log: Log;
  readonly onApplied: () => void;
}

/** Thrown inside this file only: why the files are not used. */
class Refusal extends Error {}

/** Reloads the files of TLS. */
export class TlsReloader {
  readonly #options: TlsReloaderOptions;
  readonly #counts = { applied: 0, unchanged: 0, refused: 0 };
  #lastSuccessMs = 0;

  constructor(options: TlsReloaderOptions) {
    this.#options = options;
  }

  counts(): TlsReloadCounts {
    return { ...this.#counts, lastSuccessSeconds: this.#lastSuccessMs / 1000 };
  }

  /** Counts a load of these files that came with a whole configuration. */
  count(result: TlsReloadResult): void {
    this.#counts[result]++;
    if (result !== 'refused') this.#lastSuccessMs = Date.now();
  }

  /** Reads the files of the running configuration again. Never rejects. */
  async reload(cause: string): Promise<TlsReloadResult> {
    const { applier, files, isError, log, onApplied } = this.#options;
    let changes: readonly string[] = [];
    let isSame = false;
    try {
      await applier.apply((current) => {
        const running = current ?? applier.current;
        const { material, problems } = files.load(running.config);
        const errors = problems.filter(isError);
        if (errors.length > 0) {
          throw new Refusal(errors.map(({ message }) => message).join('; '));
        }
        for (const { message, hint } of problems) log.warn({ hint }, message);
        changes = describeMaterialChanges(running.material, material);
        isSame = isSameMaterial(running.material, material);
        return { ...running, material };
      });
    } catch (error) {
      this.count('refused');
      const reason = error instanceof Error ? error.message : String(error);
      log.error({ cause, reason }, 'certificates refused; the running ones stay');
      return 'refused';
    }
    const result = isSame ? 'unchanged' : 'applied';
    this.count(result);
    onApplied();
    log.info({ cause, result, changes }, 'certificates loaded');
    return result;
  }
}
