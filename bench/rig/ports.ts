/**
 * Listening ports of a run: below the range that the kernel gives to outgoing connections.
 *
 * Path: each measurement asks for two, one for the gateway and one for the origin.
 * Invariant: a port was free a moment ago; with `--port` it is that one or a clear refusal.
 */
import { createServer } from 'node:net';
import { UsageFailure } from './failure.ts';

const PORT_MIN = 20_000;
const PORT_MAX = 30_000;
const TRIES_MAX = 200;

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const listener = createServer();
  listener.once('error', () => resolve(false));
  listener.listen(port, '127.0.0.1', () => listener.close(() => resolve(true)));
  return promise;
}

/** Finds free ports, or checks the ones from `base` on. */
export class Ports {
  #base: number | undefined;
  #next = PORT_MIN + (process.pid % 1000) * 9;

  constructor(base?: number) {
    this.#base = base;
  }

  /** @throws UsageFailure when `--port` names a port that is taken. */
  async take(count: number): Promise<number[]> {
    if (this.#base !== undefined) return this.#takeFrom(this.#base, count);
    const ports: number[] = [];
    for (let tries = 0; ports.length < count && tries < TRIES_MAX; tries += 1) {
      this.#next = this.#next >= PORT_MAX ? PORT_MIN : this.#next + 1;
      if (await isFree(this.#next)) ports.push(this.#next);
    }
    if (ports.length < count) {
      throw new UsageFailure(`no free port between ${PORT_MIN} and ${PORT_MAX} on 127.0.0.1`);
    }
    return ports;
  }

  async #takeFrom(base: number, count: number): Promise<number[]> {
    const ports = Array.from({ length: count }, (_, index) => base + index);
    for (const port of ports) {
      if (await isFree(port)) continue;
      throw new UsageFailure(
        `port ${port} on 127.0.0.1 is in use; choose another with --port, or leave it out`,
      );
    }
    return ports;
  }
}
