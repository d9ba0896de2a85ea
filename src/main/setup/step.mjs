/**
 * Runs one long command of the set-up: a line when it starts, a line when it ends, all else in a
 * log.
 *
 * Path: prepare.mjs runs npm and node-gyp through it. The command gets its own process group, so a
 * signal to the set-up ends the command with all its children, once, and the set-up then ends
 * itself.
 * Invariant: after a failure the last lines of the log are shown, with the name of the
 * whole log.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';

const TAIL_LINES = 30;
/** Lines of npm and node-gyp about themselves; the reason of a failure stands in the others. */
const CHATTER = /^(gyp (info|ERR!)|npm (warn|error   )|make: (Entering|Leaving))/;
const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
/** What a shell reports for a command that a signal ended is this plus the number of the signal. */
export const SIGNAL_EXIT_BASE = 128;

/** A failure that has been explained to the user already; the set-up ends with `exitCode`. */
export class SetupFailure extends Error {
  /** @param {string} message @param {number} [exitCode] */
  constructor(message, exitCode = 1) {
    super(message);
    this.name = 'SetupFailure';
    this.exitCode = exitCode;
  }
}

/** @param {string} line */
export function say(line) {
  process.stderr.write(`holdfast: ${line}\n`);
}

/** @param {string} log */
function showTail(log) {
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  const telling = lines.filter((line) => !CHATTER.test(line));
  for (const line of (telling.length > 0 ? telling : lines).slice(-TAIL_LINES))
    process.stderr.write(`  | ${line}\n`);
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
function signalGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group has ended by itself.
  }
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<{ code: number | null, stopped: NodeJS.Signals | undefined, error?: Error }>}
 */
function waitForEnd(child) {
  return new Promise((resolve) => {
    /** @type {NodeJS.Signals | undefined} */
    let stopped;
    /** @param {NodeJS.Signals} signal */
    const stop = (signal) => {
      stopped = signal;
      signalGroup(child, 'SIGTERM');
    };
    for (const signal of SIGNALS) process.on(signal, stop);
    /** @param {{ code: number | null, error?: Error }} end */
    const finish = (end) => {
      for (const signal of SIGNALS) process.off(signal, stop);
      resolve({ ...end, stopped });
    };
    child.once('error', (error) => finish({ code: null, error }));
    child.once('exit', (code) => finish({ code }));
  });
}

/**
 * @typedef {object} Step
 * @property {string} title what the user reads while it runs
 * @property {string} command
 * @property {readonly string[]} args
 * @property {string} cwd
 * @property {NodeJS.ProcessEnv} env
 * @property {string} log file that gets all output
 * @property {number | undefined} lockFd the lock, held by the command too, so that no other set-up
 *   runs beside a command that outlives this one
 */

/**
 * Runs a step to its end.
 *
 * @param {Step} step
 * @throws SetupFailure when the command fails or a signal stops the set-up
 */
export async function runStep(step) {
  mkdirSync(dirname(step.log), { recursive: true });
  const output = openSync(step.log, 'w');
  say(`${step.title} ...`);
  const started = process.hrtime.bigint();
  const child = spawn(step.command, [...step.args], {
    cwd: step.cwd,
    env: step.env,
    detached: true,
    stdio: ['ignore', output, output, step.lockFd ?? 'ignore'],
  });
  const { code, stopped, error } = await waitForEnd(child);
  closeSync(output);
  const seconds = (Number(process.hrtime.bigint() - started) / 1e9).toFixed(1);
  if (stopped !== undefined) {
    throw new SetupFailure(
      'stopped; the next run goes on from here',
      SIGNAL_EXIT_BASE + (stopped === 'SIGINT' ? 2 : 15),
    );
  }
  if (error !== undefined)
    throw new SetupFailure(`${step.command} could not be started: ${error.message}`);
  if (code !== 0) {
    showTail(step.log);
    throw new SetupFailure(
      `${step.title} failed after ${seconds} s; the whole log is in ${relative(process.cwd(), step.log)}`,
    );
  }
  say(`${step.title}: done in ${seconds} s`);
}
