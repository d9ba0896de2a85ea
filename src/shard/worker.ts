/**
 * The entry of a shard's thread: one native reactor, and the port on which main asks for things.
 *
 * Path: main/shards starts this file as a worker; client bytes flow in the native core below and
 * never come up here. Runs on the shard thread.
 * Invariant: every request is answered once, in order. A thrown error outside a request ends this
 * thread and only its own connections; main starts a successor.
 * Does not validate snapshots: they are valid by construction.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { loadNative } from '../../native/epoll/index.ts';
import { createCallTable } from './calls.ts';
import type { ShardEnvelope, ShardMessage, ShardStart } from './protocol.ts';

const port = parentPort;
if (port === null) {
  throw new Error('src/shard/worker.ts runs as a worker thread only');
}

const start = workerData as ShardStart;
const shard = loadNative().createShard(start.native);
const calls = createCallTable(shard, start.faults);

function post(message: ShardMessage): void {
  port?.postMessage(message);
}

port.on('message', (envelope: ShardEnvelope) => {
  const { call, name } = envelope;
  try {
    post({ kind: 'reply', call, result: calls.answer(envelope) });
  } catch (error) {
    post({
      kind: 'failure',
      call,
      message: error instanceof Error ? error.message : String(error),
    });
  }
  if (name === 'stop') {
    port.close();
  }
});

shard.start();
post({ kind: 'started' });
