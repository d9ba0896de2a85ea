/**
 * Loads one filter into this process, for the tools of the command line.
 *
 * Path: `holdfast filter bench`. The gateway loads filters in shards, after a check in a process of
 * its own.
 * Invariant: what it returns was checked; otherwise it throws one sentence.
 */
import { pathToFileURL } from 'node:url';
import { checkDefinition } from '../../../sdk/definition/index.ts';
import type { ConfigSchema } from '../../../sdk/index.ts';
import { type AnyFilter, ModuleLoader } from '../../../shard/filters/index.ts';

/** A filter, and its configuration as its schema made it. */
export interface LoadedFilter {
  readonly filter: AnyFilter;
  readonly config: unknown;
}

const KINDS = ['network', 'stream', 'message'];

/** Loads the filter of a file. @throws Error with one sentence */
export async function loadFilter(file: string, config: unknown): Promise<LoadedFilter> {
  const base = pathToFileURL(`${process.cwd()}/`).href;
  const isPath = /^[./]/.test(file) || /\.m?[jt]s$/.test(file);
  const specifier = isPath ? new URL(file, base).href : file;
  const { module } = await new ModuleLoader().record(specifier, base);
  const filter = module['default'] as AnyFilter & { readonly config?: ConfigSchema<unknown> };
  const [fault] = checkDefinition(filter);
  if (fault !== undefined) throw new Error(`${file}: ${fault.field} ${fault.message}`);
  if (!KINDS.includes(filter.kind)) throw new Error(`${file} is a ${filter.kind}, not a filter`);
  if (filter.config === undefined) return { filter, config: undefined };
  const outcome = await filter.config['~standard'].validate(config ?? {});
  if (outcome.issues !== undefined) {
    const text = outcome.issues.map((issue) => issue.message).join('; ');
    throw new Error(`${file} does not take this configuration: ${text}`);
  }
  return { filter, config: outcome.value };
}
