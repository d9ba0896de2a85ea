/**
 * Says when the content of one of some files has changed.
 *
 * Path: gateway.ts watches the configuration file, and the files of TLS, each with one of these.
 * Invariant: what counts is the content behind the names. Directories are watched, not files, so
 * that an editor's rename and the symbolic link that Kubernetes swaps are seen, also where a link
 * stands further up in the path; a burst of events is one change; a touch without new content is
 * none; a file that is away for the moment is none either.
 * File systems that do not report changes (some network mounts) need SIGHUP.
 */
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { lstat, readFile, readlink, stat } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Log } from '../observe/index.ts';

/** Events are gathered until there was none for this long. */
export const DEBOUNCE_MS = 200;
/** Gathering ends here, for directories in which something else is written all the time. */
const GATHER_MS_MAX = 1_000;
/** How long to wait before a directory that went away is watched again. */
const REARM_MS = 1_000;
/** Symbolic links followed for one path, as the kernel does (path_resolution(7)). */
const LINKS_MAX = 40;

/** Hashes of contents by path; paths that cannot be read are left out. */
type Hashes = ReadonlyMap<string, string>;

/** A directory that is watched. */
interface Directory {
  readonly path: string;
  readonly identity: string;
}

/** Watches some files. */
export class FileWatch {
  readonly #log: Log;
  readonly #onChange: () => void;
  #paths: readonly string[];
  #watchers: FSWatcher[] = [];
  #armed: readonly Directory[] = [];
  #hashes: Hashes = new Map();
  #timer: NodeJS.Timeout | null = null;
  #gatherUntilMs = 0;
  #rearmTimer: NodeJS.Timeout | null = null;
  #compared: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: {
    readonly paths: readonly string[];
    readonly log: Log;
    readonly onChange: () => void;
  }) {
    this.#paths = options.paths;
    this.#log = options.log;
    this.#onChange = options.onChange;
  }

  /** Takes the contents as they are now for those that are known. */
  async start(): Promise<void> {
    this.#hashes = await hashAll(this.#paths);
    await this.#arm();
  }

  /**
   * Watches these files from now on. `known` has the SHA-256 of each as it was loaded, in
   * hexadecimal, or null where there was none: what changed since then is a change.
   */
  follow(known: ReadonlyMap<string, string | null>): void {
    this.#compared = this.#compared.then(async () => {
      this.#paths = [...known.keys()];
      this.#hashes = new Map([...known].flatMap(([path, hash]) => (hash ? [[path, hash]] : [])));
      await this.#arm();
      this.#schedule();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#disarm();
    for (const timer of [this.#timer, this.#rearmTimer]) {
      if (timer !== null) {
        clearTimeout(timer);
      }
    }
  }

  /** Watches the directories that matter now. */
  async #arm(): Promise<void> {
    const directories = await listDirectories(this.#paths);
    if (this.#isClosed || isDeepStrictEqual(directories, this.#armed)) {
      return;
    }
    this.#disarm();
    try {
      for (const { path } of directories) {
        const watcher = watch(path, { persistent: false }, () => this.#schedule());
        watcher.on('error', () => this.#rearmLater());
        this.#watchers.push(watcher);
      }
      this.#armed = directories;
      // What changed while nobody watched, or was told to a watcher that was closed, is seen now.
      this.#schedule();
    } catch (error) {
      this.#log.warn({ err: error }, 'files cannot be watched; trying again');
      this.#rearmLater();
    }
  }

  #disarm(): void {
    for (const watcher of this.#watchers) {
      watcher.close();
    }
    this.#watchers = [];
    this.#armed = [];
  }

  #rearmLater(): void {
    this.#disarm();
    this.#rearmTimer ??= setTimeout(() => {
      this.#rearmTimer = null;
      void this.#arm();
    }, REARM_MS).unref();
  }

  #schedule(): void {
    if (this.#isClosed) {
      return;
    }
    const now = performance.now();
    if (this.#timer === null) {
      this.#gatherUntilMs = now + GATHER_MS_MAX;
    } else {
      clearTimeout(this.#timer);
    }
    const delayMs = Math.min(DEBOUNCE_MS, Math.max(this.#gatherUntilMs - now, 0));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      // One after the other: an earlier content must not be taken for the later one.
      this.#compared = this.#compared.then(() => this.#compare());
    }, delayMs).unref();
  }

  async #compare(): Promise<void> {
    const hashes = await hashAll(this.#paths);
    const isChanged = [...hashes].some(([path, hash]) => this.#hashes.get(path) !== hash);
    if (this.#isClosed) {
      return;
    }
    this.#hashes = new Map([...this.#hashes, ...hashes]);
    if (isChanged) {
      this.#onChange();
    }
    // A link may point into another directory now, or a directory be another one.
    await this.#arm();
  }
}

/** The directories in which something has to change for the content behind the paths to change. */
async function listDirectories(paths: readonly string[]): Promise<Directory[]> {
  const directories = new Set<string>();
  for (const path of paths) {
    await followPath(path, directories);
  }
  const existing = await listExisting([...directories]);
  const unique = new Map(existing.map((directory) => [directory.path, directory]));
  return [...unique.values()];
}

/** Adds the directories of a path: the one it is written with, of every link, and of the file. */
async function followPath(path: string, directories: Set<string>): Promise<void> {
  directories.add(dirname(resolve(path)));
  let rest = resolve(path).split(sep).slice(1);
  let at: string = sep;
  for (let links = 0; rest.length > 0 && links <= LINKS_MAX; ) {
    const [part = '', ...others] = rest;
    const next = resolve(at, part);
    const target = await linkTarget(next);
    rest = others;
    if (target === null) {
      at = next;
    } else {
      links++;
      directories.add(at);
      rest = [...resolve(at, target).split(sep).slice(1), ...others];
      at = sep;
    }
  }
  directories.add(dirname(at));
}

/** Where a link leads; null for what is no link, or is not there. */
async function linkTarget(path: string): Promise<string | null> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : null;
  } catch {
    return null;
  }
}

/** Each directory, or the nearest one above it that is there. */
async function listExisting(paths: readonly string[]): Promise<Directory[]> {
  return Promise.all(
    paths.map(async (path) => {
      for (let at = path; ; at = dirname(at)) {
        const identity = await identityOf(at);
        if (identity !== null || at === sep) {
          return { path: at, identity: identity ?? '' };
        }
      }
    }),
  );
}

/** Differs between a directory and another that took its name; null for what is no directory. */
async function identityOf(path: string): Promise<string | null> {
  try {
    const found = await stat(path);
    return found.isDirectory() ? `${found.dev}:${found.ino}` : null;
  } catch {
    return null;
  }
}

async function hashAll(paths: readonly string[]): Promise<Hashes> {
  const hashes = new Map<string, string>();
  for (const path of paths) {
    try {
      const content = await readFile(path);
      hashes.set(path, createHash('sha256').update(content).digest('hex'));
    } catch {
      // It is away for the moment; its directory is watched all the same.
    }
  }
  return hashes;
}
