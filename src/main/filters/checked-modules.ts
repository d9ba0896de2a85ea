/**
 * Modules as they were checked last, so that a reload checks only what changed.
 *
 * Path: planner.ts asks for every module that a configuration names.
 * Invariant: a module is taken from memory only while all its files have the texts that were
 * checked and its uses have the configurations that were checked. Failed checks are not remembered.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Program } from '../../shard/filters/index.ts';
import { type CheckReply, checkModule } from './check/index.ts';

/** Modules that are remembered; the one that was used least recently goes first. */
const REMEMBERED_MAX = 256;

interface Remembered {
  readonly configs: string;
  readonly reply: CheckReply;
}

function isUnchanged(program: Program | null): boolean {
  return Object.entries(program?.files ?? {}).every(([url, text]) => {
    try {
      return readFileSync(fileURLToPath(url), 'utf8') === text;
    } catch {
      return false;
    }
  });
}

/** Checks modules, each once as long as it does not change. */
export class CheckedModules {
  readonly #remembered = new Map<string, Remembered>();
  /** Checks that were run, each in a process of its own. */
  checkCount = 0;

  async check(specifier: string, base: string, configs: readonly unknown[]): Promise<CheckReply> {
    const key = `${base}\n${specifier}`;
    const shape = JSON.stringify(configs);
    const known = this.#remembered.get(key);
    this.#remembered.delete(key);
    if (known?.configs === shape) {
      const { program, offload } = known.reply;
      if (isUnchanged(program) && isUnchanged(offload)) {
        this.#remembered.set(key, known);
        return known.reply;
      }
    }
    this.checkCount++;
    const reply = await checkModule({ specifier, base, configs });
    const hasFaults = reply.sourceFaults.length + reply.configFaults.length > 0;
    if (!hasFaults) this.#remembered.set(key, { configs: shape, reply });
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > REMEMBERED_MAX && oldest !== undefined) {
      this.#remembered.delete(oldest);
    }
    return reply;
  }
}
