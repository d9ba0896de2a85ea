/**
 * Checks one module of a configuration in a process of its own.
 *
 * Path: main/filters/plan-filters.ts checks every module that a configuration names; `holdfast
 * validate` does the same.
 * Invariant: always answers, within CHECK_MS_MAX, whatever the module does: a process can be killed
 * at any moment and gives all its memory back, which a thread in a tight loop does not.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CheckOrder, CheckReply } from './protocol.ts';

/** How long loading may take. */
export const CHECK_MS_MAX = 10_000;
const HEAP_MIB_MAX = 256;

const WORKER_URL = new URL(
  import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js',
  import.meta.url,
);

function failed(order: CheckOrder, message: string): CheckReply {
  const fault = { file: order.specifier, line: 0, column: 0, field: '', message };
  return {
    summary: null,
    program: null,
    offload: null,
    sourceFaults: [fault],
    configFaults: [],
  };
}

/** Checks a module. Never rejects. */
export async function checkModule(
  order: CheckOrder,
  timeoutMs: number = CHECK_MS_MAX,
): Promise<CheckReply> {
  const { promise, resolve } = Promise.withResolvers<CheckReply>();
  const child = fork(fileURLToPath(WORKER_URL), {
    // What a module prints while it is loaded is nobody's output.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
    execArgv: ['--disable-warning=ExperimentalWarning', `--max-old-space-size=${HEAP_MIB_MAX}`],
  });
  const timer = setTimeout(() => {
    resolve(failed(order, `it did not finish loading within ${timeoutMs} ms`));
  }, timeoutMs);
  child.once('message', (reply) => resolve(reply as CheckReply));
  child.once('error', (error) =>
    resolve(failed(order, `it could not be checked: ${error.message}`)),
  );
  child.once('exit', (code, signal) => {
    const how = code === null ? `was ended by ${signal}` : `ended its process with code ${code}`;
    const why = signal === 'SIGABRT' ? ': too much memory, as a rule' : '';
    resolve(failed(order, `it ${how} while it was loaded${why}`));
  });
  child.send(order, (error) => {
    if (error !== null) resolve(failed(order, `it could not be checked: ${error.message}`));
  });
  const reply = await promise;
  clearTimeout(timer);
  child.kill('SIGKILL');
  return reply;
}
