#!/usr/bin/env node
/**
 * The `holdfast` command: starts the command line on a Node that can run it.
 *
 * Path: npm's bin entry -> here -> main.ts (a clone) or main.js (what is published).
 * Invariant: plain JavaScript for any Node from 20. An older Node than 24 starts the project's own
 * pinned Node in its place, passes signals on, and ends as that one ends.
 * Does not install or build anything; src/main/setup does.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { keepCompiled } from '../setup/compile-cache.mjs';

const NODE_MAJOR_MIN = 24;
const EXIT_FAILED = 1;
const HERE = dirname(fileURLToPath(import.meta.url));

/** Signals that mean something to a gateway; everything else ends both processes anyway. */
const FORWARDED = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']);

/** The main file: beside this one, or in dist/ where Node does not strip types (node_modules). */
function findMain() {
  const source = new URL('./main.ts', import.meta.url);
  const built = new URL('./main.js', import.meta.url);
  const dist = pathToFileURL(join(HERE, '..', '..', '..', 'dist', 'src', 'main', 'cli', 'main.js'));
  const isInstalled = HERE.includes(join('/', 'node_modules', '/'));
  const candidates = isInstalled ? [built, dist] : [source, built];
  return candidates.find((file) => existsSync(file)) ?? null;
}

/** The pinned Node in the nearest node_modules upwards. */
function findPinnedNode() {
  let directory = HERE;
  for (;;) {
    const node = join(directory, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
    if (existsSync(node)) return node;
    const parent = dirname(directory);
    if (parent === directory) return null;
    directory = parent;
  }
}

/** @param {string} sentence */
function fail(sentence) {
  process.stderr.write(`holdfast: ${sentence}\n`);
  process.exitCode = EXIT_FAILED;
}

/**
 * Runs this command again under another Node, in a process group of its own, so that each signal
 * reaches it once and through here.
 *
 * @param {string} node
 */
function runUnder(node) {
  const keepWithParent = join(HERE, '..', 'setup', 'with-parent.mjs');
  const imports = existsSync(keepWithParent)
    ? [`--import=${pathToFileURL(keepWithParent).href}`]
    : [];
  const self = fileURLToPath(import.meta.url);
  const child = spawn(node, [...imports, self, ...process.argv.slice(2)], {
    detached: true,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => fail(`${node} could not be started: ${error.message}`));
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal === null ? 0 : (constants.signals[signal] ?? 0));
    if (signal === null) return;
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

const major = Number.parseInt(process.versions.node, 10);
const main = findMain();
if (major < NODE_MAJOR_MIN) {
  const node = findPinnedNode();
  if (node === null) {
    fail(
      `this is Node ${process.versions.node}, and the pinned Node is not installed: run "npm start" once in the ` +
        `project, or use Node ${NODE_MAJOR_MIN} or newer.`,
    );
  } else {
    runUnder(node);
  }
} else if (main === null) {
  fail('this installation has no compiled sources: run "npm run build" in the project.');
} else {
  keepCompiled();
  await import(main.href);
}
