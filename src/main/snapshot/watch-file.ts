/**
 * Says when the content of the configuration file has changed.
 *
 * Path: gateway.ts reloads when this calls back.
 * Invariant: what counts is the content behind the name. The directory is watched, not the file, so
 * that an editor's rename and the symbolic link that Kubernetes swaps are seen; a burst of events
 * is one change; a touch without new content is none.
 * File systems that do not report changes (some network mounts) need SIGHUP.
 */
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Log } from '../observe/index.ts';

/** Events are gathered until there was none for this long. */
export const DEBOUNCE_MS = 200;
/** Gathering ends here, for directories in which something else is written all the time. */
const GATHER_MS_MAX = 1_000;
/** How long to wait before a directory that went away is watched again. */
const REARM_MS = 1_000;

/** Watches one file. */
export class FileWatch {
  readonly #path: string;
  readonly #log: Log;
  readonly #onChange: () => void;
  #watchers: FSWatcher[] = [];
  #hash: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #gatherUntilMs = 0;
  #rearmTimer: NodeJS.Timeout | null = null;
  #compared: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: {
    readonly path: string;
    readonly log: Log;
    readonly onChange: () => void;
  }) {
    this.#path = options.path;
    this.#log = options.log;
    this.#onChange = options.onChange;
  }

  /** Takes the content as it is now for the one that is known. */
  async start(): Promise<void> {
    this.#hash = await this.#hashContent();
    await this.#arm();
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

  async #arm(): Promise<void> {
    const directories = new Set([dirname(this.#path)]);
    try {
      directories.add(dirname(await realpath(this.#path)));
    } catch {
      // The file is away for the moment; its directory is watched all the same.
    }
    if (this.#isClosed) {
      return;
    }
    this.#disarm();
    try {
      for (const directory of directories) {
        const watcher = watch(directory, { persistent: false }, () => this.#schedule());
        watcher.on('error', () => this.#rearmLater());
        this.#watchers.push(watcher);
      }
      // What changed while nobody watched, or was told to a watcher that was closed, is seen now.
      this.#schedule();
    } catch (error) {
      this.#log.warn({ err: error, path: this.#path }, 'the configuration file cannot be watched');
      this.#rearmLater();
    }
  }

  #disarm(): void {
    for (const watcher of this.#watchers) {
      watcher.close();
    }
    this.#watchers = [];
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
    const hash = await this.#hashContent();
    if (this.#isClosed || hash === null || hash === this.#hash) {
      return;
    }
    this.#hash = hash;
    this.#onChange();
    // A link may point into another directory now.
    await this.#arm();
  }

  async #hashContent(): Promise<string | null> {
    try {
      return createHash('sha256')
        .update(await readFile(this.#path))
        .digest('hex');
    } catch {
      return null;
    }
  }
}
