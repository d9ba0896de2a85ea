/**
 * The check process: loads one module as a shard would, looks at it, answers, and is ended.
 *
 * Path: check-module.ts starts one for each module of a configuration.
 * Invariant: code of users runs here and in shards, never on the main thread: a module that hangs,
 * exits or leaks while it is loaded costs this process only.
 */
import { checkDefinition, compileNeeds, type NeedsSource } from '../../../sdk/definition/index.ts';
import type { Codec, ConfigSchema, SchemaIssue } from '../../../sdk/index.ts';
import { ModuleLoader, type Program } from '../../../shard/filters/index.ts';
import type {
  CheckOrder,
  CheckReply,
  ConfigFault,
  ModuleSummary,
  SourceFault,
} from './protocol.ts';
import { lineOf, toSourceFault } from './source-fault.ts';
import { toFraming } from './to-framing.ts';

const loader = new ModuleLoader();

type Definition = NeedsSource & {
  readonly name: string;
  readonly config?: ConfigSchema<unknown>;
  readonly offload?: URL;
};

/** What a module may export beside its filter: looks at the files that a configuration names. */
type CheckFiles = (config: unknown, base: string) => Promise<readonly Omit<ConfigFault, 'use'>[]>;

function failed(sourceFaults: readonly SourceFault[]): CheckReply {
  return { summary: null, program: null, offload: null, sourceFaults, configFaults: [] };
}

function toPath(url: string): string {
  return decodeURIComponent(url.replace(/^file:\/\//, ''));
}

/** Faults of what the module exports, each at the line that names its field. */
function checkExport(module: Readonly<Record<string, unknown>>, program: Program): SourceFault[] {
  const text = program.files[program.entry];
  const file = toPath(program.entry);
  const exported = lineOf(text, /\bexport\s+default\b/);
  if (!('default' in module)) {
    const message =
      'it has no default export; write export default defineStreamFilter({ ... }) or the like';
    return [{ file, line: 1, column: 1, field: '', message }];
  }
  return checkDefinition(module['default']).map(({ field, message }) => {
    const key = field.split('.').findLast((part) => !/^\d+$/.test(part)) ?? '';
    const line = key === '' ? 0 : lineOf(text, new RegExp(`\\b${key}\\b\\s*[:(,]`));
    const subject = field === '' ? 'the default export' : `"${field}"`;
    return { file, line: line || exported, column: 1, field, message: `${subject} ${message}` };
  });
}

/** Where in the configuration an issue is; an unknown key is a place of its own. */
function pathOf(issue: SchemaIssue & { readonly keys?: unknown }): (string | number)[] {
  const path = (issue.path ?? []).map((part) => {
    const key = typeof part === 'object' ? part.key : part;
    return typeof key === 'number' ? key : String(key);
  });
  const [unknown] = Array.isArray(issue.keys) ? (issue.keys as unknown[]) : [];
  return typeof unknown === 'string' ? [...path, unknown] : path;
}

async function checkConfigs(
  order: CheckOrder,
  definition: Definition,
  checkFiles: unknown,
): Promise<ConfigFault[]> {
  const faults: ConfigFault[] = [];
  for (const [use, config] of order.configs.entries()) {
    if (definition.config === undefined) {
      if (config !== undefined && config !== null) {
        faults.push({ use, path: [], message: `"${definition.name}" takes no configuration` });
      }
      continue;
    }
    const outcome = await definition.config['~standard'].validate(config ?? {});
    for (const issue of outcome.issues ?? []) {
      faults.push({ use, path: pathOf(issue), message: issue.message });
    }
    if (outcome.issues !== undefined || typeof checkFiles !== 'function') continue;
    const found = await (checkFiles as CheckFiles)(outcome.value, order.base);
    for (const fault of found) faults.push({ use, ...fault });
  }
  return faults;
}

/** Records the module behind `offload`, and sees that it loads. */
async function recordOffload(order: CheckOrder, url: URL | undefined): Promise<Program | null> {
  if (url === undefined) return null;
  const { program } = await loader.record(url.href, order.base);
  return program;
}

async function check(order: CheckOrder): Promise<CheckReply> {
  const { program, module } = await loader.record(order.specifier, order.base);
  const sourceFaults = checkExport(module, program);
  if (sourceFaults.length > 0) return failed(sourceFaults);
  const definition = module['default'] as Definition;
  const configFaults = await checkConfigs(order, definition, module['checkFiles']);
  const offload = await recordOffload(order, definition.offload);
  const { kind, name } = definition;
  const isCodec = kind === 'codec';
  const framing = isCodec ? toFraming(module['default'] as Codec) : null;
  const summary: ModuleSummary = { kind, name, needs: compileNeeds(definition), framing };
  return { summary, program, offload, sourceFaults, configFaults };
}

async function answer(order: CheckOrder): Promise<CheckReply> {
  try {
    return await check(order);
  } catch (thrown) {
    const isPath = /^(\.{0,2}\/|file:)/.test(order.specifier);
    const entry = isPath ? toPath(new URL(order.specifier, order.base).href) : order.specifier;
    return failed([toSourceFault(thrown, loader.lastRecorded, entry)]);
  }
}

// Listening keeps the process: it is ended by who asked, never by having nothing to do for a moment
// while a module is loaded.
process.on('message', (order: CheckOrder) => {
  void answer(order).then((reply) => process.send?.(reply));
});
