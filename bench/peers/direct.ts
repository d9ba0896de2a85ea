/**
 * No gateway at all: the load generator speaks to the origin.
 *
 * Path: the floor of every comparison. Its latency is what the machine and the generator add; its
 * kernel memory is what two sockets cost, so that the gateway's two are what remains.
 */
import type { Candidate, StartOptions } from '../rig/index.ts';

/** The floor. */
export const direct: Candidate = {
  name: 'direct',
  title: 'no gateway',
  role: 'floor',
  carries: ['tcp', 'http', 'websocket'],
  find: async () => ({ version: 'none' }),
  start: async (options: StartOptions) => ({
    address: `127.0.0.1:${options.originPort}`,
    pids: () => [],
    stop: async () => {},
  }),
};
