/**
 * Checks the filters, balancers and discoveries that a configuration names, and adds what it finds
 * to the other findings.
 *
 * Path: `holdfast validate`, start and reload load through here; the gateway plans with the modules
 * that were checked.
 * Invariant: filters are checked whatever else is wrong with the configuration, so that all faults
 * are shown at once, each at its line; those in a source name its file, line and column as well.
 */
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Program } from '../../shard/filters/index.ts';
import { type FindingName, type LoadResult, placeFindings } from '../config/index.ts';
import { checkTypes } from './check/index.ts';
import { checkOrder } from './check-order.ts';
import { type CheckedUse, checkUses, type UseChecks } from './check-uses.ts';
import { CheckedModules } from './checked-modules.ts';
import { describeFinding, type FilterFinding, type FilterSite, type FilterUse } from './sites.ts';

/** Programs whose types are known to be right. */
const TYPED_MAX = 1024;

/** Checks filters, and remembers what it checked. */
export class FilterChecks {
  readonly modules = new CheckedModules();
  readonly #checkPolicies: UseChecks['checkPolicies'];
  readonly #typed = new Set<string>();
  #hasCompiler = true;

  /** Without an argument the core is not asked about native filters. */
  constructor(checkPolicies: UseChecks['checkPolicies'] = () => []) {
    this.#checkPolicies = checkPolicies;
  }

  /** False when types could not be checked, for want of a compiler. */
  get hasCompiler(): boolean {
    return this.#hasCompiler;
  }

  /** A load, with what is wrong with its filters. */
  async complete(loaded: LoadResult): Promise<LoadResult> {
    if (loaded.filters.length === 0) return loaded;
    const base = pathToFileURL(resolve(loaded.path ?? 'configuration')).href;
    const checks = { modules: this.modules, checkPolicies: this.#checkPolicies };
    const sites = toSites(loaded);
    const found = await checkUses(sites, base, checks);
    const types = await this.#checkTypes([...found.checked.values()]);
    const findings = [...found.findings, ...types];
    const order = checkOrder(sites, found.checked);
    if (findings.length === 0 && order.length === 0) return loaded;
    const placed = placeFindings(loaded);
    for (const finding of findings) {
      placed.add(nameOf(finding), finding.path, messageOf(finding));
    }
    for (const { path, message } of order) placed.add('filterOrder', path, message);
    const diagnostics = [...loaded.diagnostics, ...placed.list()];
    return {
      ...loaded,
      config: findings.length === 0 ? loaded.config : null,
      diagnostics: diagnostics.toSorted((a, b) => a.line - b.line || a.column - b.column),
    };
  }

  /** Faults of types, each at the use whose module has it. */
  async #checkTypes(uses: readonly CheckedUse[]): Promise<FilterFinding[]> {
    const entries = new Map<string, { readonly use: CheckedUse; readonly hash: string }>();
    for (const use of uses) {
      for (const program of use.offload === null ? [use.program] : [use.program, use.offload]) {
        const path = typedFile(program);
        if (path === null || this.#typed.has(program.hash)) continue;
        if (!entries.has(path)) entries.set(path, { use, hash: program.hash });
      }
    }
    if (entries.size === 0) return [];
    const { isChecked, faults } = await checkTypes([...entries.keys()]);
    this.#hasCompiler = isChecked;
    if (faults.length === 0) {
      for (const { hash } of entries.values()) this.#typed.add(hash);
      if (this.#typed.size > TYPED_MAX) this.#typed.clear();
    }
    const [first] = entries.values();
    return faults.map(({ file, line, column, message }) => {
      const use = (entries.get(file) ?? first)?.use.use;
      return { path: [...(use?.path ?? []), 'use'], file, line, column, message };
    });
  }
}

/** Sites as they are written, one for each use: for checks, not for plans. */
function toSites({ filters }: LoadResult): FilterSite[] {
  const written = filters.map(({ path, use, with: config, place }) => {
    return { place, use: { path, specifier: use, config } };
  });
  return written.map(({ place, use }, i) => {
    const key = `${i}`;
    if (place === 'route') return { key, listener: [], route: [use] };
    if (place === 'balancer' || place === 'discovery') {
      return { key, listener: [use], route: null, steers: place };
    }
    if (place !== 'codec') {
      return { key, listener: [use], route: null, isTcp: place === 'tcp-listener' };
    }
    // Who looks at its messages matters.
    const others = written.filter((one) => one !== written[i] && isSameListener(one.use, use));
    return { key, listener: others.map((one) => one.use), route: null, isTcp: true, codec: use };
  });
}

function isSameListener({ path }: FilterUse, other: FilterUse): boolean {
  return path[0] === other.path[0] && path[1] === other.path[1];
}

/** The module of a program, where it is a file of the user's with types. */
function typedFile({ entry, files }: Program): string | null {
  const isFile = files[entry] !== undefined && entry.startsWith('file:');
  const isOurs = entry.startsWith(new URL('../../shard/', import.meta.url).href);
  return isFile && !isOurs ? fileURLToPath(entry) : null;
}

function nameOf({ file, path }: FilterFinding): FindingName {
  if (file !== '') return 'filterSource';
  return path.includes('with') ? 'filterConfig' : 'filterPlace';
}

/** The path under `with` is part of the message, as keys are in other findings. */
function messageOf(finding: FilterFinding): string {
  const told = finding.path.slice(finding.path.lastIndexOf('with') + 1);
  const isConfig = nameOf(finding) === 'filterConfig' && told.length > 0;
  return isConfig ? `${told.join('.')}: ${finding.message}` : describeFinding(finding);
}
