/**
 * The entry of a shard's thread: one native reactor, and the port on which main asks for things.
 *
 * Path: main/shards starts this file as a worker; client bytes flow in the native core below and
 * never come up here. Runs on the shard thread.
 * Invariant: every request is answered once, in order but for those about filters, which may wait
 * for what filters do. A thrown error outside a request ends this
 * thread and only its own connections; main starts a successor.
 * Does not validate snapshots: they are valid by construction.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { loadNative } from '../../native/epoll/index.ts';
import { createCallTable } from './calls.ts';
import { FilterCalls } from './filter-calls.ts';
import type { ShardEnvelope, ShardMessage, ShardStart } from './protocol.ts';

const port = parentPort;
if (port === null) {
  throw new Error('src/shard/worker.ts runs as a worker thread only');
}

const start = workerData as ShardStart;
const shard = loadNative().createShard(start.native);
const filters = new FilterCalls({ native: shard, shard: start.native.shard, post, isThread: true });
const calls = createCallTable(shard, filters, start.faults);

function post(message: ShardMessage): void {
  port?.postMessage(message);
}

function fail(call: number, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  post({ kind: 'failure', call, message });
}

port.on('message', (envelope: ShardEnvelope) => {
  const { call, name } = envelope;
  try {
    const result = calls.answer(envelope);
    if (result instanceof Promise) {
      result.then(
        (value: unknown) => post({ kind: 'reply', call, result: value }),
        (error: unknown) => fail(call, error),
      );
    } else {
      post({ kind: 'reply', call, result });
    }
  } catch (error) {
    fail(call, error);
  }
  if (name === 'stop') {
    void filters.close().finally(() => port.close());
  }
});

shard.start();
post({ kind: 'started' });
