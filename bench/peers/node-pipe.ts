/**
 * The gateway one writes in ten lines of Node: `socket.pipe(upstream).pipe(socket)`.
 *
 * Path: runs node-pipe-program.ts under the same Node as Holdfast; with several workers, one
 * process each by node:cluster.
 * Beyond the defaults: TCP_NODELAY, as everybody else has it.
 */
import { fileURLToPath } from 'node:url';
import { type Candidate, type Running, type StartOptions, TLS_VERSIONS } from '../rig/index.ts';
import { listPortsAndTls, startPeer } from './start.ts';

const PROGRAM = fileURLToPath(new URL('./node-pipe-program.ts', import.meta.url));

function start(options: StartOptions): Promise<Running> {
  return startPeer(options, {
    argv: [process.execPath, PROGRAM, `${options.workers}`, ...listPortsAndTls(options)],
  });
}

/** `net.Socket.pipe`. */
export const nodePipe: Candidate = {
  name: 'node-pipe',
  title: 'net.Socket.pipe',
  role: 'peer',
  carries: ['tcp'],
  tlsVersions: TLS_VERSIONS,
  find: async () => ({ version: process.version.slice(1) }),
  start,
};
