/**
 * Loads a configuration: text in, a complete `Config` or every finding out.
 *
 * Path: read (source.ts) -> references -> shape (schema.ts) and checks (check.ts) -> normalize ->
 * files of TLS (src/main/tls).
 * Invariant: never throws and never stops at the first fault; `config` is there exactly when no
 * finding is an error. Reads nothing but its arguments, and other files through the world.
 * Does not touch ports, names or namespaces; deep.ts does.
 */
import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { NO_TLS_MATERIAL, type TlsMaterial } from '../tls/index.ts';
import { checkMeaning } from './check.ts';
import { FINDINGS, type FindingName } from './codes.ts';
import type { Config } from './config.ts';
import type { Diagnostic } from './diagnostic.ts';
import { Findings, NOWHERE, type ValuePath } from './findings.ts';
import { normalize } from './normalize.ts';
import { resolveReferences } from './references.ts';
import { checkShape } from './shape.ts';
import { readSource, TEXT_BYTES_MAX } from './source.ts';
import { createWorld, type World } from './world.ts';
import { listFilters, type WrittenFilter } from './written-filters.ts';

/** What a load gives. */
export interface LoadResult {
  /** null when a diagnostic is an error. */
  readonly config: Config | null;
  /** What the files of TLS hold, for {@link LoadResult.config}. Secret. */
  readonly material: TlsMaterial;
  /** In the order of the text. */
  readonly diagnostics: readonly Diagnostic[];
  /** What it names, whether the rest of it is right or not; src/main/filters checks them. */
  readonly filters: readonly WrittenFilter[];
  /** What was read; for code frames. */
  readonly text: string;
  /** File it came from; null for text that has none. */
  readonly path: string | null;
}

/** Loads from text. `path` is only a name for messages, and the base of relative secret files. */
export function loadConfigText(
  text: string,
  path: string | null,
  world: World = createWorld(path),
): LoadResult {
  const findings = new Findings();
  const plain = text.startsWith('\uFEFF') ? text.slice(1) : text;
  if (path !== null && /\.(?:toml|ts|js|mjs)$/i.test(path)) {
    const message = `${path.slice(path.lastIndexOf('.'))} files are not read`;
    findings.add({ name: 'format', path: [], place: NOWHERE, message, hint: 'write YAML or JSON' });
    const diagnostics = findings.sorted();
    return { config: null, material: NO_TLS_MATERIAL, diagnostics, filters: [], text, path };
  }
  const source = readSource(plain, findings);
  let config: Config | null = null;
  let material = NO_TLS_MATERIAL;
  let filters: readonly WrittenFilter[] = [];
  if (source.value !== undefined) {
    const resolved = resolveReferences(source, world, findings);
    filters = listFilters(resolved.value);
    const parsed = checkShape(source, resolved, findings);
    checkMeaning({ source, resolved, world, findings });
    if (parsed !== null) {
      const whole = normalize(parsed, world);
      const loaded = world.loadTls(whole);
      for (const problem of loaded.problems) {
        const { other, hint } = problem;
        const line = other === undefined ? 0 : source.place(other).line;
        const where = line === 0 ? '' : `the first one is on line ${line}`;
        const said = [where, hint].filter((part) => part !== '').join('; ');
        findings.add({ ...problem, place: source.place(problem.path), hint: said });
      }
      if (!findings.hasErrors) {
        config = whole;
        material = loaded.material;
      }
    }
  }
  return { config, material, diagnostics: findings.sorted(), filters, text: plain, path };
}

/** Loads from a file. A file that cannot be read is a finding like any other. */
export function loadConfigFile(path: string, world: World = createWorld(path)): LoadResult {
  const fail = (
    name: 'unreadable' | 'tooLarge' | 'notText',
    message: string,
    hint = '',
  ): LoadResult => {
    const findings = new Findings();
    findings.add({ name, path: [], place: NOWHERE, message, hint });
    const diagnostics = findings.sorted();
    return { config: null, material: NO_TLS_MATERIAL, diagnostics, filters: [], text: '', path };
  };
  let bytes: Buffer;
  try {
    if (statSync(path).isDirectory())
      return fail('unreadable', `${path} is a directory`, 'name the file in it');
    bytes = readBounded(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      return fail(
        'unreadable',
        `${path} does not exist`,
        '"holdfast init" writes a file to start from',
      );
    const reason = code === 'EACCES' ? 'permission denied' : (code ?? (cause as Error).message);
    return fail('unreadable', `${path} cannot be read: ${reason}`);
  }
  if (bytes.length > TEXT_BYTES_MAX)
    return fail('tooLarge', `${path} is larger than ${TEXT_BYTES_MAX} bytes`);
  if (!isUtf8(bytes)) return fail('notText', `${path} is not UTF-8 text`);
  return loadConfigText(bytes.toString('utf8'), path, world);
}

/** Reads a file or pipe, and no more than one byte beyond the limit. */
function readBounded(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    const chunks: Buffer[] = [];
    let total = 0;
    while (total <= TEXT_BYTES_MAX) {
      const chunk = Buffer.alloc(64 * 1024);
      const length = readSync(fd, chunk, 0, chunk.length, null);
      if (length === 0) break;
      total += length;
      chunks.push(chunk.subarray(0, length));
    }
    return Buffer.concat(chunks);
  } finally {
    closeSync(fd);
  }
}

/** Adds findings to a configuration that was loaded before; for checks that the loader does not make. */
export function placeFindings(loaded: LoadResult): {
  readonly add: (name: FindingName, path: ValuePath, message: string, hint?: string) => void;
  readonly list: () => Diagnostic[];
} {
  const findings = new Findings();
  const source = readSource(loaded.text, new Findings());
  return {
    add: (name, path, message, hint = '') => {
      findings.add({ name, path, place: source.place(path), message, hint });
    },
    list: () => findings.sorted(),
  };
}

/** True when a finding keeps a configuration from being used. */
export function isErrorFinding({ name }: { readonly name: FindingName }): boolean {
  return FINDINGS[name].severity === 'error';
}
