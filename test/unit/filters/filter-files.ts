/**
 * Filter files for tests: written into a directory of their own, gone with the test.
 *
 * Path: tests of loading, planning and reloading.
 * Invariant: outside of the project, so that nothing is found by accident in its node_modules.
 */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';

/** A directory of filter files. */
export interface FilterFiles {
  readonly directory: string;
  /** URL of a file that a configuration could be. */
  readonly base: string;
  write(name: string, text: string): string;
}

/** Makes the directory; it goes when the test ends. */
export function createFilterFiles(test: TestContext): FilterFiles {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-filters-')));
  test.after(() => rmSync(directory, { recursive: true, force: true }));
  return {
    directory,
    base: pathToFileURL(join(directory, 'holdfast.yaml')).href,
    write: (name, text) => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    },
  };
}
