/**
 * Every process a benchmark starts, and the promise that none of them stays.
 *
 * Path: peers, origins and load generators are started here and nowhere else.
 * Invariant: peers run under the guard of the load generator, which ends them and their children
 * when its stdin closes; so they end even when this process is killed. `close` waits until all are
 * gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { RunFailure } from './failure.ts';

/** How a process is started. */
export interface Launch {
  readonly argv: readonly string[];
  /** Cores as taskset takes them: `0`, `0-1`. */
  readonly cores: string;
  /** Where output goes; without it, output is dropped. */
  readonly logPath?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A process under guard. */
export interface Guarded {
  readonly pid: number;
  /** The process and all its living descendants. */
  pids(): number[];
  hasEnded(): boolean;
  stop(): Promise<void>;
}

/** Parent of each process, for finding descendants. */
function readParents(): Map<number, number> {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // The process ended between the listing and the reading.
    }
  }
  return parents;
}

/** `pid` and everything below it. */
export function listDescendants(pid: number): number[] {
  const parents = readParents();
  const found = [pid];
  for (const ancestor of found) {
    for (const [child, parent] of parents) if (parent === ancestor) found.push(child);
  }
  return found.filter((each) => parents.has(each));
}

const EXIT_WAIT_MS = 5_000;

async function waitForExit(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => child.kill('SIGKILL'), EXIT_WAIT_MS);
  await once(child, 'exit');
  clearTimeout(timer);
}

/** Starts processes and ends them all in `close`. */
export class Processes {
  readonly #loadgen: string;
  readonly #children = new Set<ChildProcess>();

  constructor(loadgen: string) {
    this.#loadgen = loadgen;
  }

  /** Starts the load generator itself, pinned; the caller talks to it over its pipes. */
  startLoadgen(args: readonly string[], cores: string): ChildProcess {
    return this.startPinned([this.#loadgen, ...args], cores);
  }

  /** Starts a program that ends when its stdin does, pinned. */
  startPinned(argv: readonly string[], cores: string): ChildProcess {
    return this.#track(
      spawn('taskset', ['-c', cores, ...argv], { stdio: ['pipe', 'pipe', 'pipe'] }),
    );
  }

  /**
   * Starts a command under guard.
   *
   * @throws RunFailure when it cannot be started at all.
   */
  async startGuarded(launch: Launch): Promise<Guarded> {
    const log = launch.logPath === undefined ? undefined : openSync(launch.logPath, 'a');
    const argv = ['guard', 'taskset', '-c', launch.cores, ...launch.argv];
    const child = this.#track(
      spawn(this.#loadgen, argv, {
        stdio: ['pipe', 'pipe', log ?? 'ignore'],
        env: { ...process.env, ...launch.env },
      }),
    );
    if (log !== undefined) closeSync(log);
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const [first] = (await Promise.race([once(lines, 'line'), once(child, 'exit')])) as [unknown];
    if (typeof first !== 'string') throw new RunFailure(`${launch.argv[0]} could not be started`);
    lines.on('line', () => {});
    const { pid } = JSON.parse(first) as { pid: number };
    return {
      pid,
      pids: () => listDescendants(pid),
      hasEnded: () => child.exitCode !== null || child.signalCode !== null,
      stop: async () => {
        child.stdin?.end();
        await waitForExit(child);
      },
    };
  }

  /** Ends everything that still runs and waits for it. */
  async close(): Promise<void> {
    const living = [...this.#children];
    for (const child of living) child.stdin?.end();
    for (const child of living) {
      // The load generator measures until its end unless told; the guard needs time to end its
      // group.
      if (child.spawnfile === 'taskset') child.kill('SIGTERM');
      await waitForExit(child);
    }
  }

  #track(child: ChildProcess): ChildProcess {
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    child.once('error', () => this.#children.delete(child));
    child.stdin?.on('error', () => {});
    return child;
  }
}
