/**
 * The thread that loads configurations beside a gateway that runs.
 *
 * Path: background-load.ts starts it and sends requests; load.ts does the work.
 * Invariant: before anything else it gives way to all other threads, so that a load takes no turn
 * from a shard; every request is answered once, in order. Files of TLS are not read here: keys stay
 * on the main thread.
 */
import { parentPort } from 'node:worker_threads';
import { loadNative } from '../../../native/epoll/index.ts';
import { NO_TLS_MATERIAL } from '../tls/index.ts';
import type { LoadAnswer, LoadRequest } from './background-load.ts';
import type { LoadResult } from './load.ts';
import type { World } from './world.ts';

const port = parentPort;
if (port === null) {
  throw new Error('src/main/config/load-worker.ts runs as a worker thread only');
}

try {
  loadNative().enterBackground();
} catch {
  // Without the core routes are not checked; load.ts says so.
}

const { loadConfigFile, loadConfigText } = await import('./load.ts');
const { createWorld } = await import('./world.ts');

function load({ text, path }: LoadRequest): LoadResult {
  const world: World = {
    ...createWorld(path),
    loadTls: () => ({ material: NO_TLS_MATERIAL, problems: [] }),
  };
  return text === null ? loadConfigFile(path ?? '', world) : loadConfigText(text, path, world);
}

port.on('message', (request: LoadRequest) => {
  const { material: _, ...result } = load(request);
  const answer: LoadAnswer = { id: request.id, result };
  port.postMessage(answer);
});
