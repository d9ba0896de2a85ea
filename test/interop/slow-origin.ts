/**
 * An origin in a process of its own, so that what it does for attackers delays no canary.
 *
 * Path: slow-clients.ts starts it and reads the port that it says.
 * Invariant: it reads every request whole and answers with half a mebibyte; it ends with its input.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';

const CONTENT = Buffer.alloc(512 * 1024, 'c');
const BACKLOG = 8192;

const origin = createServer((request, response) => {
  response.on('error', () => {});
  request.on('error', () => {});
  request.resume();
  request.once('end', () => response.end(CONTENT));
});
origin.keepAliveTimeout = 60_000;
origin.listen(0, '127.0.0.1', BACKLOG);
await once(origin, 'listening');
const bound = origin.address();
process.stdout.write(`${typeof bound === 'object' && bound !== null ? bound.port : 0}\n`);
process.stdin.resume().once('end', () => process.exit(0));
