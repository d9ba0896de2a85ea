/**
 * `holdfast filter test`: runs the tests of filters with this Node, wherever they are.
 *
 * Path: starts `node --test` with register.ts preloaded, and waits for it.
 * Invariant: the exit code is the tests'.
 */
import { spawn } from 'node:child_process';

/** Beside this file, in the sources and in the built form alike. */
const REGISTER_URL = new URL('./register.ts', import.meta.url).href.replace(
  /ts$/,
  import.meta.url.slice(-2),
);
/** Tells Node that it runs below another test runner, whose protocol it speaks then. */
const BELOW_RUNNER = 'NODE_TEST_CONTEXT';

/** Runs test files; resolves with the exit code. */
export function runFilterTests(files: readonly string[]): Promise<number> {
  const flags = ['--test', '--test-isolation=none', `--import=${REGISTER_URL}`];
  const child = spawn(process.execPath, [...flags, ...files], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, [BELOW_RUNNER]: undefined },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
