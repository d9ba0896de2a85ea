/**
 * Keeps what Node makes of our sources, so that a process starts in half the time.
 *
 * Path: holdfast.mjs calls it before it loads anything large. Without it Node strips types and
 * compiles every module again in each process.
 * Invariant: the files lie beside the sources, so that only who may change the code may change what
 * it was compiled to; where that place cannot be written, nothing is kept and nothing fails. The
 * main thread only: the modules of filters come and go with reloads, and the cache of a thread
 * never lets go of one.
 */
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** From now on; what was loaded before is not kept. */
export function keepCompiled() {
  if (!isMainThread) return;
  // Absent before Node 22.8. NODE_COMPILE_CACHE names another place.
  module.enableCompileCache?.(join(ROOT, 'build', 'compile-cache'));
}
