/**
 * Loads programs into this thread: exactly the texts that were checked, once for each digest.
 *
 * Path: the check thread records a program from disk; shards and pool threads load what it
 * recorded.
 * Invariant: the same digest is the same module, so a reload that changes nothing loads nothing.
 * Node never unloads a module: each new digest stays for the life of the thread (some kilobytes
 * beside its text). Packages in node_modules are loaded once, by Node, and not again.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type LoadFnOutput, type ResolveFnOutput, registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { BUILT_IN_MODULES } from './built-in.ts';
import type { Program } from './plan.ts';

/** The mark on the URL of a module that belongs to a program. */
const MARK = 'holdfast-program';
const RECORDING = 'recording';
/** Stands before the specifier of a module that is to be recorded. */
const ENTRY = 'holdfast-entry:';
const HASH_LENGTH = 16;

/** Where the names that every filter or test may import are, whatever is installed beside it. */
const OWN_MODULES: Readonly<Record<string, string>> = {
  ...BUILT_IN_MODULES,
  'holdfast/sdk': resolveOwn('../../sdk/index'),
  'holdfast/testing': resolveOwn('../../testing/index'),
};
/** Packages that come with the gateway, for filters that have no node_modules of their own. */
const OWN_PACKAGES = ['zod'];

function resolveOwn(path: string): string {
  const suffix = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  return new URL(`${path}${suffix}`, import.meta.url).href;
}

const FORMATS: Readonly<Record<string, string>> = {
  ts: 'module-typescript',
  mts: 'module-typescript',
  js: 'module',
  mjs: 'module',
  json: 'json',
};

function formatOf(url: string): string | null {
  return FORMATS[/\.(\w+)$/.exec(url)?.[1] ?? ''] ?? null;
}

/** The digest of a program's texts. */
function digestOf(entry: string, files: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256').update(entry);
  for (const url of Object.keys(files).sort()) hash.update(`\0${url}\0${files[url]}`);
  return hash.digest('hex').slice(0, HASH_LENGTH);
}

function splitMark(
  url: string | undefined,
): { readonly url: string; readonly hash: string } | null {
  const match = url === undefined ? null : new RegExp(`^(.*)\\?${MARK}=(\\w+)$`).exec(url);
  return match === null ? null : { url: `${match[1]}`, hash: `${match[2]}` };
}

function mark(url: string, hash: string): string {
  return `${url}?${MARK}=${hash}`;
}

function isOurs(url: string): boolean {
  const isFile = url.startsWith('file:') && !url.includes('/node_modules/');
  return isFile && formatOf(url) !== null;
}

/** A program as it was recorded, and its module. */
export interface Recorded {
  readonly program: Program;
  readonly module: Readonly<Record<string, unknown>>;
}

interface Recording {
  readonly files: Map<string, string>;
  readonly base: string;
  entry: string;
}

/** Loads programs. Install one per thread: it hooks into Node's module loading. */
export class ModuleLoader {
  readonly #programs = new Map<string, Program>();
  readonly #modules = new Map<string, Promise<Readonly<Record<string, unknown>>>>();
  #recorded: Recording | null = null;
  #lastRecorded: Readonly<Record<string, string>> = {};

  constructor() {
    registerHooks({
      resolve: (specifier, about, next) => this.#resolve(specifier, about, next),
      load: (url, about, next) => this.#load(url, about, next),
    });
  }

  /** Programs that this thread has loaded since it started. */
  get loadedCount(): number {
    return this.#modules.size;
  }

  /** Loads a program. Rejects with what its module throws, every time. */
  async load(program: Program): Promise<Readonly<Record<string, unknown>>> {
    const known = this.#modules.get(program.hash);
    if (known !== undefined) return await known;
    this.#programs.set(program.hash, program);
    const isMarked = program.files[program.entry] !== undefined;
    const url = isMarked ? mark(program.entry, program.hash) : program.entry;
    const loading = import(url) as Promise<Readonly<Record<string, unknown>>>;
    this.#modules.set(program.hash, loading);
    return await loading;
  }

  /**
   * Loads a module from disk and records every file of ours that it needs. Only for threads that
   * end afterwards: what is recorded cannot be loaded a second time.
   *
   * @param specifier - a URL, a relative path, or the name of a package.
   * @param base - URL of the file that it is named in.
   */
  async record(specifier: string, base: string): Promise<Recorded> {
    const files = new Map<string, string>();
    this.#recorded = { files, base, entry: '' };
    try {
      const module = (await import(`${ENTRY}${specifier}`)) as Readonly<Record<string, unknown>>;
      const texts = Object.fromEntries(files);
      const { entry } = this.#recorded;
      return { program: { hash: digestOf(entry, texts), entry, files: texts }, module };
    } finally {
      this.#lastRecorded = Object.fromEntries(files);
      this.#recorded = null;
    }
  }

  /** The texts that the last recording read, also when it failed. */
  get lastRecorded(): Readonly<Record<string, string>> {
    return this.#lastRecorded;
  }

  #resolve(
    specifier: string,
    about: { readonly parentURL?: string | undefined },
    next: (specifier: string, about?: { parentURL?: string }) => ResolveFnOutput,
  ): ResolveFnOutput {
    if (specifier.startsWith(ENTRY) && this.#recorded !== null) {
      const named = specifier.slice(ENTRY.length);
      const found = next(BUILT_IN_MODULES[named] ?? named, { parentURL: this.#recorded.base });
      this.#recorded.entry = found.url;
      const url = isOurs(found.url) ? mark(found.url, RECORDING) : found.url;
      return { ...found, url, shortCircuit: true };
    }
    const marked = splitMark(specifier);
    if (marked !== null && this.#programs.has(marked.hash)) {
      return { url: specifier, shortCircuit: true };
    }
    const own = OWN_MODULES[specifier];
    if (own !== undefined) return { url: own, shortCircuit: true };
    const parent = splitMark(about.parentURL);
    if (parent === null) return this.#next(specifier, about.parentURL, next);
    if (/^(\.{1,2}\/|file:)/.test(specifier)) {
      const url = new URL(specifier, parent.url).href;
      if (this.#programs.get(parent.hash)?.files[url] !== undefined) {
        return { url: mark(url, parent.hash), shortCircuit: true };
      }
    }
    const found = this.#next(specifier, parent.url, next);
    const isRecorded = parent.hash === RECORDING && this.#recorded !== null && isOurs(found.url);
    return isRecorded ? { ...found, url: mark(found.url, RECORDING), shortCircuit: true } : found;
  }

  #next(
    specifier: string,
    parentURL: string | undefined,
    next: (specifier: string, about?: { parentURL?: string }) => ResolveFnOutput,
  ): ResolveFnOutput {
    try {
      return parentURL === undefined ? next(specifier) : next(specifier, { parentURL });
    } catch (error) {
      if (!OWN_PACKAGES.includes(specifier)) throw error;
      return next(specifier, { parentURL: import.meta.url });
    }
  }

  #load(
    url: string,
    about: object,
    next: (url: string, about?: object) => LoadFnOutput,
  ): LoadFnOutput {
    const marked = splitMark(url);
    if (marked === null) return next(url, about);
    const format = formatOf(marked.url) as LoadFnOutput['format'];
    if (marked.hash === RECORDING) {
      const source = readFileSync(fileURLToPath(marked.url), 'utf8');
      this.#recorded?.files.set(marked.url, source);
      return { format, source, shortCircuit: true };
    }
    const source = this.#programs.get(marked.hash)?.files[marked.url];
    if (source === undefined) return next(marked.url, about);
    return { format, source, shortCircuit: true };
  }
}
