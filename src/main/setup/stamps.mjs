/**
 * Knows whether the installed packages and the built addon match the sources.
 *
 * Path: prepare.mjs asks first, and does nothing when both match; that answer takes a few
 * milliseconds. A stamp is a file with the hash of everything its product was made from.
 * Invariant: a stamp is removed before work begins and written after it succeeded, so that work cut
 * short at any point is done again.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listSources, readSource } from '../../../native/epoll/sources.mjs';
import { compilerCommand } from './machine.mjs';

/** @typedef {{ version?: string, optional?: boolean, link?: boolean }} LockedPackage */
/** @typedef {{ packages?: Record<string, LockedPackage> }} Lock */

/** Written in place of a hash when a build ended with an error of the sources, not of the machine. */
export const FAILED = 'failed';

/** @param {string} file @returns {string | undefined} */
function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** @param {string} root */
export function dependencyStamp(root) {
  return join(root, 'node_modules', '.cache', 'holdfast-packages');
}

/** @param {string} root */
export function nativeStamp(root) {
  return join(root, 'native', 'epoll', 'build', '.sources');
}

/** @param {string} file @returns {string | undefined} */
export function readStamp(file) {
  return readText(file)?.trim();
}

/** @param {string} file @param {string} hash */
export function writeStamp(file, hash) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.${process.pid}`, `${hash}\n`);
  renameSync(`${file}.${process.pid}`, file);
}

/** @param {string} file */
export function removeStamp(file) {
  rmSync(file, { force: true });
}

/** @param {string} root */
export function dependencyHash(root) {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

/**
 * The hash of everything that decides what the addon looks like.
 *
 * @param {string} root
 */
export function nativeHash(root) {
  const hash = createHash('sha256').update(`${process.arch} ${compilerCommand()}\n`);
  const lock = /** @type {Lock} */ (JSON.parse(readText(join(root, 'package-lock.json')) ?? '{}'));
  for (const name of ['node-addon-api', 'node-gyp', `node-linux-${process.arch}`]) {
    hash.update(`${name} ${lock.packages?.[`node_modules/${name}`]?.version}\n`);
  }
  for (const file of ['binding.gyp', 'exports.map', 'sources.mjs', ...listSources(/\.(cc|h)$/)]) {
    const text = readSource(file);
    hash.update(`${file} ${text.length}\n`).update(text);
  }
  return hash.digest('hex');
}

/**
 * True when npm's own record of what it installed says the same as the lock file; then somebody ran
 * npm by hand and there is nothing left to install. Packages for other platforms may be absent.
 *
 * @param {string} root
 */
function isInstalledAsLocked(root) {
  const locked = readText(join(root, 'package-lock.json'));
  const present = readText(join(root, 'node_modules', '.package-lock.json'));
  if (locked === undefined || present === undefined) return false;
  const wanted = /** @type {Lock} */ (JSON.parse(locked)).packages ?? {};
  const got = /** @type {Lock} */ (JSON.parse(present)).packages ?? {};
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const installed = got[path];
    if (installed === undefined) return entry.optional === true;
    return installed.version === entry.version;
  });
}

/** @param {string} root */
export function areDependenciesCurrent(root) {
  if (!existsSync(join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')))
    return false;
  const hash = dependencyHash(root);
  if (readStamp(dependencyStamp(root)) === hash) return true;
  if (!isInstalledAsLocked(root)) return false;
  writeStamp(dependencyStamp(root), hash);
  return true;
}

/** @param {string} root */
export function isNativeCurrent(root) {
  const built = join(root, 'native', 'epoll', 'build', 'Release', 'holdfast.node');
  return existsSync(built) && readStamp(nativeStamp(root)) === nativeHash(root);
}
