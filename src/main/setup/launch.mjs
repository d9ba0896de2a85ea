/**
 * Prepares the clone and then runs one file of it under the pinned Node: `launch.mjs FILE
 * [ARGUMENT...]`.
 *
 * Path: every npm script that runs project code comes through here. The file gets a process group
 * of its own; signals reach it from here only, each once, although a terminal and npm both send
 * them.
 * Invariant: ends as the file ends, with its exit code or by its signal, and leaves nothing
 * running.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Ctrl-C arrives twice, from the terminal and from npm; what comes within this time is one signal. */
const SAME_SIGNAL_MS = 1000;
const NODE_MAJOR_MIN = 20;
/** A closed terminal ends the program: there is nobody left to talk to. */
const FORWARDED = /** @type {const} */ ({
  SIGINT: 'SIGINT',
  SIGTERM: 'SIGTERM',
  SIGHUP: 'SIGTERM',
});

/** @param {import('node:child_process').ChildProcess} child */
function forwardSignals(child) {
  /** @type {Map<string, number>} */
  const lastMs = new Map();
  for (const [signal, forwarded] of Object.entries(FORWARDED)) {
    process.on(signal, () => {
      const nowMs = performance.now();
      const isRepeat = nowMs - (lastMs.get(forwarded) ?? Number.NEGATIVE_INFINITY) < SAME_SIGNAL_MS;
      if (isRepeat) return;
      lastMs.set(forwarded, nowMs);
      child.kill(forwarded);
    });
  }
}

/**
 * Ends this process the way the child ended.
 *
 * @param {number | null} code
 * @param {NodeJS.Signals | null} signal
 */
function endLike(code, signal) {
  process.exitCode = code ?? 128 + (signal === null ? 0 : (constants.signals[signal] ?? 0));
  if (signal === null) return;
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** @param {string} file @param {readonly string[]} args */
async function launch(file, args) {
  const { pinnedNode, prepareOrExplain, projectRoot } = await import('./prepare.mjs');
  const failure = await prepareOrExplain();
  if (failure !== 0) {
    process.exitCode = failure;
    return;
  }
  const root = projectRoot();
  const node = pinnedNode();
  const watch = pathToFileURL(join(root, 'src', 'main', 'setup', 'with-parent.mjs')).href;
  const child = spawn(node, [`--import=${watch}`, join(root, file), ...args], {
    env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env['PATH'] ?? ''}` },
    detached: true,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  forwardSignals(child);
  child.once('error', (error) => {
    process.stderr.write(`holdfast: the pinned Node could not be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.once('exit', endLike);
}

const [file, ...args] = process.argv.slice(2);
if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `holdfast: this is Node ${process.versions.node}; install Node ${NODE_MAJOR_MIN} or newer to set Holdfast up ` +
      '(the gateway itself runs on its own pinned Node).\n',
  );
  process.exitCode = 1;
} else if (file === undefined) {
  process.stderr.write('usage: node src/main/setup/launch.mjs FILE [ARGUMENT...]\n');
  process.exitCode = 2;
} else {
  await launch(file, args);
}
