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

const ANSWER_MS = 500;

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
 * The descriptor of a listening socket, which Node knows but does not document.
 *
 * @param {import('node:net').Server} holder
 * @returns {number | undefined}
 */
function descriptorOf(holder) {
  const fd = /** @type {{ _handle?: { fd?: number } }} */ (/** @type {unknown} */ (holder))._handle
    ?.fd;
  return fd !== undefined && fd >= 0 ? fd : undefined;
}

/**
 * Waits until the present holder is gone.
 *
 * @param {string} name
 * @param {(pid: string) => void} onHolder called once, with the holder's process id
 */
async function waitForHolder(name, onHolder) {
  const waiter = connect(name);
  // A command that outlives its set-up holds on to the lock and answers nothing.
  const silence = setTimeout(() => onHolder('one that was cut short'), ANSWER_MS);
  waiter.once('data', (text) => {
    clearTimeout(silence);
    onHolder(`process ${String(text).trim()}`);
  });
  // The end of a holder may show as a reset; the close that follows is what counts.
  waiter.on('error', () => {});
  await new Promise((resolve) => waiter.once('close', resolve));
  clearTimeout(silence);
}

/**
 * @typedef {object} Lock
 * @property {number | undefined} fd hand it to a child as well: the lock lasts as long as either
 * @property {() => void} release
 */

/**
 * Takes the lock of a clone, waiting for as long as another set-up holds it.
 *
 * @param {string} root the clone
 * @param {(holder: string) => void} onWait called with who holds it when there is a wait
 * @returns {Promise<Lock>}
 */
export async function takeLock(root, onWait) {
  const name = lockName(root);
  for (;;) {
    /** @type {Set<import('node:net').Socket>} */
    const waiters = new Set();
    const holder = await tryHold(name);
    if (holder !== undefined) {
      holder.on('connection', (waiter) => waiters.add(waiter));
      const release = () => {
        holder.close();
        for (const waiter of waiters) waiter.destroy();
      };
      return { fd: descriptorOf(holder), release };
    }
    await waitForHolder(name, onWait);
  }
}
