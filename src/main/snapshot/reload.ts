/**
 * Reloads: from a request to load a configuration to a report of what came of it.
 *
 * Path: SIGHUP, `POST /v1/reload`, `PUT /v1/config` and file changes -> here -> apply.ts.
 * Invariant: whoever asks gets the outcome of their own load, never of another's; a configuration
 * that is wrong, or cannot be applied, changes nothing.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Config, Diagnostic } from '../config/index.ts';
import type { ConfigOutcome } from '../gateway-options.ts';
import { describeChanges, describeRestartNeeds } from '../model/index.ts';
import type { Log } from '../observe/index.ts';
import {
  describeMaterialChanges,
  isSameMaterial,
  NO_TLS_MATERIAL,
  type TlsMaterial,
} from '../tls/index.ts';
import type { Applier } from './apply.ts';
import { describeLayoutChanges, type FilterLayout, isSameLayout } from './filter-layout.ts';
import type { TlsReloadResult } from './reload-tls.ts';

/** What came of a reload. */
export interface ReloadReport {
  /**
   * `applied`; `unchanged`: it says what runs already; `valid`: a dry run found nothing wrong;
   * `invalid`: see the diagnostics; `failed`: it is valid, but could not be applied.
   */
  readonly result: 'applied' | 'unchanged' | 'valid' | 'invalid' | 'failed';
  /** Generation of the configuration that runs now. */
  readonly generation: number;
  readonly changes: readonly string[];
  readonly warnings: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
  /** One sentence, with `failed`. */
  readonly error: string | null;
}

/** Counts for metrics. */
export interface ReloadCounts {
  readonly applied: number;
  readonly unchanged: number;
  readonly invalid: number;
  readonly failed: number;
  /** Seconds since 1970; 0 before the first. */
  readonly lastSuccessSeconds: number;
}

/** What reloading needs from the world. */
export interface ReloaderOptions {
  readonly applier: Applier;
  readonly log: Log;
  /** How many connections the board was made for. */
  readonly boardConnectionsMax: number;
  /** The configuration that the process was started with. */
  readonly startConfig: Config;
  /** What the filters of a configuration become. Rejects with what is wrong. */
  readonly planFilters: (config: Config) => Promise<FilterLayout>;
  /** Called after a configuration was applied. */
  readonly onApplied: (config: Config) => void;
  /** Called when a load changed the files of TLS in use, or was refused because of them. */
  readonly onTls: (result: TlsReloadResult) => void;
}

/** A configuration that loaded without an error. */
interface Loaded {
  readonly config: Config;
  readonly material: TlsMaterial;
  readonly diagnostics: readonly Diagnostic[];
}

/** Findings about the files of TLS. */
const TLS_CODE = /^HF109/;

/** Loads and applies configurations and counts what came of it. */
export class Reloader {
  readonly #options: ReloaderOptions;
  readonly #counts = { applied: 0, unchanged: 0, invalid: 0, failed: 0 };
  #generation = 1;
  #lastSuccessMs = Date.now();

  constructor(options: ReloaderOptions) {
    this.#options = options;
  }

  /** Generation of the configuration that runs; 1 at start, one more with each that is applied. */
  get generation(): number {
    return this.#generation;
  }

  counts(): ReloadCounts {
    return { ...this.#counts, lastSuccessSeconds: this.#lastSuccessMs / 1000 };
  }

  /** Loads with `load` and applies. Never rejects. `cause` says who asked, for the log. */
  async reload(
    cause: string,
    load: () => Promise<ConfigOutcome> | ConfigOutcome,
  ): Promise<ReloadReport> {
    const report = await this.#load(load, (loaded) => this.#apply(loaded));
    this.#count(report);
    this.#logReport(cause, report);
    return report;
  }

  /** Loads with `load` and says what applying would change. Never rejects. */
  dryRun(load: () => Promise<ConfigOutcome> | ConfigOutcome): Promise<ReloadReport> {
    return this.#load(load, ({ config, material, diagnostics }) => {
      const running = this.#options.applier.current;
      return Promise.resolve({
        result: 'valid',
        generation: this.#generation,
        changes: [
          ...describeChanges(running.config, config),
          ...describeMaterialChanges(running.material, material),
        ],
        warnings: this.#listWarnings(config, diagnostics),
        diagnostics,
        error: null,
      });
    });
  }

  async #load(
    load: () => Promise<ConfigOutcome> | ConfigOutcome,
    use: (loaded: Loaded) => Promise<ReloadReport>,
  ): Promise<ReloadReport> {
    try {
      const { config, diagnostics, material = NO_TLS_MATERIAL } = await load();
      return config === null
        ? this.#reportRefusal('invalid', diagnostics, null)
        : await use({ config, material, diagnostics });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return this.#reportRefusal('failed', [], message);
    }
  }

  #reportRefusal(
    result: 'invalid' | 'failed',
    diagnostics: readonly Diagnostic[],
    error: string | null,
  ): ReloadReport {
    const { generation } = this;
    return { result, generation, changes: [], warnings: [], diagnostics, error };
  }

  async #apply({ config, material, diagnostics }: Loaded): Promise<ReloadReport> {
    const { applier, onApplied, onTls, planFilters } = this.#options;
    let changes: string[] = [];
    let isSame = false;
    let isTlsSame = false;
    const { warnings } = await applier.apply(async (current) => {
      const running = current ?? applier.current;
      const filters = await planFilters(config);
      changes = [
        ...describeChanges(running.config, config),
        ...describeMaterialChanges(running.material, material),
        ...describeLayoutChanges(running.filters, filters),
      ];
      if (running.overlays.size > 0) {
        changes.push(
          `run-time endpoint changes dropped: ${[...running.overlays.keys()].join(', ')}`,
        );
      }
      isTlsSame = isSameMaterial(running.material, material);
      isSame =
        isTlsSame &&
        running.overlays.size === 0 &&
        isSameLayout(running.filters, filters) &&
        isDeepStrictEqual(running.config, config);
      return { config, material, overlays: new Map(), filters };
    });
    if (!isTlsSame) {
      onTls('applied');
    }
    if (!isSame) {
      this.#generation++;
    }
    onApplied(config);
    return {
      result: isSame ? 'unchanged' : 'applied',
      generation: this.#generation,
      changes,
      warnings: [...this.#listWarnings(config, diagnostics), ...warnings],
      diagnostics,
      error: null,
    };
  }

  #listWarnings(config: Config, diagnostics: readonly Diagnostic[]): string[] {
    const { startConfig, boardConnectionsMax } = this.#options;
    return [
      ...describeRestartNeeds(startConfig, config, boardConnectionsMax),
      ...diagnostics.map(({ message, hint }) => (hint === '' ? message : `${message}; ${hint}`)),
    ];
  }

  #count(report: ReloadReport): void {
    if (report.result === 'valid') {
      return;
    }
    this.#counts[report.result]++;
    if (report.diagnostics.some(({ code }) => TLS_CODE.test(code))) {
      this.#options.onTls('refused');
    }
    if (report.result === 'applied' || report.result === 'unchanged') {
      this.#lastSuccessMs = Date.now();
    }
  }

  #logReport(cause: string, report: ReloadReport): void {
    const { log } = this.#options;
    const { result, generation, changes, warnings, diagnostics, error } = report;
    if (result === 'applied' || result === 'unchanged') {
      log.info({ cause, result, generation, changes, warnings }, 'configuration loaded');
    } else {
      const findings = diagnostics.map(
        (each) => `${each.line}:${each.column} ${each.code} ${each.message}`,
      );
      log.error(
        { cause, result, generation, findings, err: error ?? undefined },
        'configuration refused; the running one stays',
      );
    }
  }
}
