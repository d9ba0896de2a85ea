/**
 * Tells the build which sources make the addon, and where node-addon-api is (seen from build/).
 *
 * Path: binding.gyp calls it (`node sources.mjs sources`), and src/main/setup imports it to know
 * when the addon has to be built again. It runs on any Node from 20 and needs nothing installed for
 * that.
 * Invariant: tests, fuzzers, simulations and benches never become part of the addon.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const LAYERS = ['runtime', 'codec', 'http', 'policy', 'tls', 'compression', 'proxy', 'binding'];
const NOT_IN_ADDON = /_(test|fuzz|sim|bench)\.(cc|h)$/;

/**
 * The files under `src/` that the addon is made of, relative to this directory, sorted.
 *
 * @param {RegExp} pattern which file names count
 * @returns {string[]}
 */
export function listSources(pattern) {
  /** @type {string[]} */
  const found = [];
  for (const layer of LAYERS) {
    for (const name of readdirSync(join(HERE, 'src', layer), {
      recursive: true,
      encoding: 'utf8',
    })) {
      if (pattern.test(name) && !NOT_IN_ADDON.test(name)) found.push(join('src', layer, name));
    }
  }
  return found.sort();
}

/**
 * The text of one source file, for the stamp that says whether a build is current.
 *
 * @param {string} file as listSources() names it
 * @returns {Buffer}
 */
export function readSource(file) {
  return readFileSync(join(HERE, file));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const question = process.argv[2];
  if (question === 'sources') {
    process.stdout.write(listSources(/\.cc$/).join('\n'));
  } else if (question === 'napi') {
    const napi = dirname(createRequire(import.meta.url).resolve('node-addon-api'));
    process.stdout.write(relative(join(HERE, 'build'), napi));
  } else {
    process.stderr.write('usage: node sources.mjs sources|napi\n');
    process.exitCode = 2;
  }
}
