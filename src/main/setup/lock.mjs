/**
 * Keeps two set-ups of one clone from running at once.
 *
 * Path: prepare.mjs holds the lock while it installs and builds. The lock is an abstract Unix
 * socket named after the clone, so the kernel releases it however the holder ends and nothing can
 * be stale; who waits is connected to the holder and woken by the end of that connection.
 * Invariant: at most one holder for each user and clone in a network namespace.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** @param {string} root */
function lockName(root) {
  const digest = createHash('sha256').update(root).digest('hex').slice(0, 32);
  return `\0holdfast-setup-${process.getuid?.() ?? 0}-${digest}`;
}

/**
 * Tries to become the holder.
 *
 * @param {string} name
 * @returns {Promise<import('node:net').Server | undefined>} undefined when somebody else holds it
 */
async function tryHold(name) {
  const holder = createServer((waiter) => {
    waiter.on('error', () => waiter.destroy());
    waiter.write(`${process.pid}\n`);
  });
  holder.listen(name);
  try {
    await once(holder, 'listening');
    return holder;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}

/**
 * Waits until the present holder is gone; tells its process id as soon as that is known.
 *
 * @param {string} name
 * @param {(pid: string) => void} onHolder
 */
async function waitForHolder(name, onHolder) {
  const waiter = connect(name);
  waiter.on('data', (text) => onHolder(String(text).trim()));
  waiter.on('error', () => waiter.destroy());
  await once(waiter, 'close');
}

/**
 * Takes the lock of a clone, waiting for as long as another set-up holds it.
 *
 * @param {string} root the clone
 * @param {(pid: string) => void} onWait called with the holder's process id when there is a wait
 * @returns {Promise<() => void>} releases the lock
 */
export async function takeLock(root, onWait) {
  const name = lockName(root);
  for (;;) {
    /** @type {Set<import('node:net').Socket>} */
    const waiters = new Set();
    const holder = await tryHold(name);
    if (holder !== undefined) {
      holder.on('connection', (waiter) => waiters.add(waiter));
      return () => {
        holder.close();
        for (const waiter of waiters) waiter.destroy();
      };
    }
    await waitForHolder(name, onWait);
  }
}
