/**
 * The version of this program, from its package.json.
 *
 * Path: status, metrics and the log show it.
 * Invariant: found in the sources and in the built form alike, which lie at different depths.
 */
import { readFileSync } from 'node:fs';

const DEPTH_MAX = 5;

/** The version, or `unknown` when there is no package.json of ours above this file. */
export function readVersion(): string {
  let directory = new URL('.', import.meta.url);
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    try {
      const text = readFileSync(new URL('package.json', directory), 'utf8');
      const { name, version } = JSON.parse(text) as { name?: string; version?: string };
      if (name === 'holdfast' && version !== undefined) {
        return version;
      }
    } catch {
      // Not in this directory; the one above is next.
    }
    directory = new URL('..', directory);
  }
  return 'unknown';
}
