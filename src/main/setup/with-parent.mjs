/**
 * Ends this process when the launcher that started it is gone, so that no gateway is left behind.
 *
 * Path: launch.mjs loads it with --import into the process it starts, over an IPC channel that
 * carries no messages; the kernel closes the channel however the launcher ends.
 * Invariant: neither keeps the process alive nor is passed on to workers and forks.
 */
import { isMainThread } from 'node:worker_threads';

if (isMainThread && process.channel !== undefined && process.channel !== null) {
  process.execArgv = process.execArgv.filter((flag) => !flag.includes('setup/with-parent.mjs'));
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  // A listener for 'disconnect' refers the channel; without this the process would never end.
  process.channel.unref();
}
