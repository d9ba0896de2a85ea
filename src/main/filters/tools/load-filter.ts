/**
 * Loads one filter into this process, for the tools of the command line.
 *
 * Path: `holdfast filter bench`. The gateway loads filters in shards, after a check in a process of
 * its own.
 * Invariant: what it returns was checked as `holdfast validate` checks it; otherwise it throws the
 * same sentences.
 */
import { pathToFileURL } from 'node:url';
import type { ConfigSchema } from '../../../sdk/index.ts';
import { type AnyFilter, ModuleLoader } from '../../../shard/filters/index.ts';
import { CheckedModules, checkUses, describeFinding, type FilterFinding } from '../index.ts';

/** A filter, and its configuration as its schema made it. */
export interface LoadedFilter {
  readonly filter: AnyFilter;
  readonly config: unknown;
}

/** Loads the filter of a file. @throws Error with a sentence for each fault */
export async function loadFilter(file: string, config: unknown): Promise<LoadedFilter> {
  const base = pathToFileURL(`${process.cwd()}/`).href;
  const isPath = /^[./]/.test(file) || /\.m?[jt]s$/.test(file);
  const specifier = isPath ? new URL(file, base).href : file;
  const use = { path: [], specifier, config: config ?? null };
  const site = { key: file, listener: [use], route: null };
  const checks = { modules: new CheckedModules(), checkPolicies: () => [] };
  const { findings } = await checkUses([site], base, checks);
  if (findings.length > 0) throw new Error(findings.map(describeIn).join('\n'));
  const { module } = await new ModuleLoader().record(specifier, base);
  const filter = module['default'] as AnyFilter & { readonly config?: ConfigSchema<unknown> };
  if (filter.config === undefined) return { filter, config: undefined };
  const outcome = await filter.config['~standard'].validate(config ?? {});
  if (outcome.issues !== undefined) throw new Error(`${file} does not take this configuration`);
  return { filter, config: outcome.value };
}

/** A finding as `holdfast validate` says it, with the path under `with`. */
function describeIn(finding: FilterFinding): string {
  const told = finding.path.filter((part) => part !== 'use').join('.');
  return told === '' ? describeFinding(finding) : `${told}: ${finding.message}`;
}
