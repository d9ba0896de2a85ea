/**
 * Builds the native load generator when its sources are newer than the program.
 *
 * Path: main.ts, gate.ts and the tests call this before anything else of the rig. TLS clients are a
 * second program, because they need the system's OpenSSL and the first must not.
 * Invariant: make decides what is out of date; two processes that build at once do not mix their
 * output, because each waits for the lock directory.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { explain, UsageFailure } from './failure.ts';

/** The project's top directory. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Where peers, scratch files and downloads live; never committed. */
export const BUILD = join(ROOT, 'bench', 'build');

const LOADGEN = join(ROOT, 'bench', 'loadgen');
const LOCK = join(LOADGEN, 'build.lock');
const LOCK_STALE_MS = 180_000;
const LOCK_POLL_MS = 100;

const run = promisify(execFile);

async function takeLock(): Promise<void> {
  for (;;) {
    try {
      mkdirSync(LOCK);
      return;
    } catch {
      const ageMs = Date.now() - (statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (ageMs > LOCK_STALE_MS) rmdirSync(LOCK);
      await delay(LOCK_POLL_MS);
    }
  }
}

async function make(name: string, problem: string): Promise<string> {
  await takeLock();
  try {
    await run('make', ['-s', '-C', LOADGEN, '-j2', `build/${name}`], { encoding: 'utf8' });
  } catch (cause) {
    const lines = explain(cause).trim().split('\n');
    throw new UsageFailure(`${problem}: ${lines.at(-1)}`, { cause });
  } finally {
    rmdirSync(LOCK);
  }
  return join(LOADGEN, 'build', name);
}

/**
 * Builds the load generator and returns the program's path.
 *
 * @throws UsageFailure when the compiler is missing or refuses; the message carries its last line.
 */
export function buildLoadgen(): Promise<string> {
  return make('loadgen', 'the load generator could not be built (make and g++ 12 are needed)');
}

/**
 * Builds the load generator with TLS clients and returns the program's path.
 *
 * @throws UsageFailure where OpenSSL's headers are missing; the message says how to install them.
 */
export function buildTlsLoadgen(): Promise<string> {
  const problem = 'TLS clients want OpenSSL and its headers (npm run bench -- setup tls)';
  return make('loadgen-tls', problem);
}
