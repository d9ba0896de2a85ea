/**
 * What stands behind a candidate: the native origin, or an HTTP origin in Node.
 *
 * Path: the rig starts one origin for each measurement, on the load cores unless told otherwise.
 * Invariant: an origin says what it is (`title`), and the report says it with every figure.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from './build.ts';
import { RunFailure } from './failure.ts';
import { LoadRun, listArguments } from './load.ts';
import type { Processes } from './processes.ts';

/** An origin that accepts. */
export interface RunningOrigin {
  readonly pid: number;
  readonly title: string;
}

/** A kind of origin. */
export interface Origin {
  start(processes: Processes, port: number, cores: string): Promise<RunningOrigin>;
}

/** Echo, upload, download, fan-out, HTTP and WebSocket, in the load generator's program. */
export const echoOrigin: Origin = {
  start: async (processes, port, cores) => {
    const flags = { listen: `127.0.0.1:${port}`, interactive: 'yes' };
    const run = new LoadRun(processes.startLoadgen(listArguments('origin', flags), cores));
    await run.event('ready');
    return { pid: run.pid, title: 'the native origin' };
  },
};

/** The Node that has a uWebSockets.js binary, where the private package is installed. */
function chooseNode(): string {
  const pinned = join(ROOT, 'bench', 'node_modules', '.bin', 'node');
  return existsSync(pinned) ? pinned : process.execPath;
}

/** uWebSockets.js where it can be had, node:http and ws elsewhere. */
export const httpOrigin: Origin = {
  start: async (processes, port, cores) => {
    const program = join(ROOT, 'bench', 'origins', 'http-origin.ts');
    const child = processes.startPinned([chooseNode(), program, `${port}`], cores);
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    for await (const line of lines) {
      const { origin } = JSON.parse(line) as { origin: string };
      return { pid: child.pid ?? 0, title: origin };
    }
    throw new RunFailure('the HTTP origin did not start');
  },
};
