/**
 * Loads configurations with their filters checked, for all verbs that are about to use them.
 *
 * Path: run, validate, proxy and demo load through here; the gateway asks it again at a reload.
 * Invariant: filters are checked wherever they are named, and nothing of src/main/filters is loaded
 * where none is.
 */
import { loadNative, type PolicyFault, type PolicyInput } from '../../../native/epoll/index.ts';
import { BackgroundLoader, type LoadResult } from '../config/index.ts';
import type { CheckedModules, FilterChecks } from '../filters/index.ts';

/** Loads, and remembers the modules of filters. */
export class CheckedLoader {
  readonly #loads = new BackgroundLoader();
  #checks: FilterChecks | null = null;

  file(path: string): Promise<LoadResult> {
    return this.#complete(this.#loads.loadHere({ path, text: null }));
  }

  text(text: string, path: string | null): Promise<LoadResult> {
    return this.#complete(this.#loads.loadHere({ path, text }));
  }

  /** The same beside a gateway that runs. */
  async fileAgain(path: string): Promise<LoadResult> {
    return this.#complete(await this.#loads.load({ path, text: null }));
  }

  async textAgain(text: string, path: string | null): Promise<LoadResult> {
    return this.#complete(await this.#loads.load({ path, text }));
  }

  /** What was checked so far; null: nothing. */
  get modules(): CheckedModules | null {
    return this.#checks?.modules ?? null;
  }

  /** False when there was no compiler to check the types of filters. */
  get hasCompiler(): boolean {
    return this.#checks?.hasCompiler ?? true;
  }

  async #complete(loaded: LoadResult): Promise<LoadResult> {
    if (loaded.filters.length === 0) return loaded;
    if (this.#checks === null) {
      const { FilterChecks: Checks } = await import('../filters/index.ts');
      this.#checks ??= new Checks(checkPolicies);
    }
    return await this.#checks.complete(loaded);
  }
}

/** What the core says; nothing where it was not built, which loading has said already. */
function checkPolicies(policies: readonly PolicyInput[]): readonly PolicyFault[] {
  try {
    return loadNative().checkPolicies(policies);
  } catch {
    return [];
  }
}
