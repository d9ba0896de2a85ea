/**
 * A clone of the project in miniature: the set-up scripts, one native source, and nothing
 * installed.
 *
 * Path: the tests of src/main/setup run the real scripts inside it, with the real Node as the
 * pinned one, so that they need neither the network nor a compiler.
 * Invariant: everything is below one temporary directory, which is removed with the clone.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const LAYERS = readdirSync(join(ROOT, 'native/epoll/src'));

type Stamps = typeof import('../../../src/main/setup/stamps.mjs');

export interface Clone {
  readonly root: string;
  /** The stamps module of this clone. */
  readonly stamps: Stamps;
  readonly write: (file: string, text: string) => void;
  readonly remove: () => void;
}

/** Makes a clone whose packages are installed, as far as the set-up can tell, and whose addon is not built. */
export async function createClone(): Promise<Clone> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast setup-')));
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  };
  cpSync(join(ROOT, 'src/main/setup'), join(root, 'src/main/setup'), { recursive: true });
  for (const file of ['sources.mjs', 'binding.gyp', 'exports.map']) {
    cpSync(join(ROOT, 'native/epoll', file), join(root, 'native/epoll', file));
  }
  for (const layer of LAYERS) mkdirSync(join(root, 'native/epoll/src', layer), { recursive: true });
  write('native/epoll/src/runtime/one.cc', '// One source.\n');

  const pinned = `node_modules/node-linux-${process.arch}`;
  const lock = JSON.stringify({ packages: { '': {}, [pinned]: { version: '1.0.0' } } });
  write('package.json', '{"type":"module"}');
  write('package-lock.json', lock);
  write('node_modules/.package-lock.json', lock);
  mkdirSync(join(root, pinned, 'bin'), { recursive: true });
  symlinkSync(process.execPath, join(root, pinned, 'bin', 'node'));

  const path = pathToFileURL(join(root, 'src/main/setup/stamps.mjs')).href;
  const stamps = (await import(path)) as Stamps;
  return { root, stamps, write, remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** Makes the set-up believe that the addon is built from the present sources. */
export function pretendBuilt({ root, stamps, write }: Clone): void {
  write('native/epoll/build/Release/holdfast.node', '');
  stamps.writeStamp(stamps.nativeStamp(root), stamps.nativeHash(root));
}
