/**
 * A thread of the pool: runs exported functions of filters' offload modules.
 *
 * Path: pool.ts starts it through piscina and hands it one job at a time.
 * Invariant: the functions run with the texts that were checked, whatever is on disk by then. A job
 * that is cancelled or late ends this thread with it; the pool starts another.
 */
import { getPriority, setPriority } from 'node:os';
import { ModuleLoader, type Program } from '../../../shard/filters/index.ts';

/** One job of a pool thread. */
export interface PoolJob {
  readonly hash: string;
  /** The program as JSON, in memory that all threads share; read once for each digest. */
  readonly program: SharedArrayBuffer;
  readonly task: string;
  readonly payload: unknown;
}

/** What came of it. */
export interface PoolOutcome {
  readonly value: unknown;
  /** When it began, in milliseconds since the epoch, with a fraction. */
  readonly startedMs: number;
  readonly runMs: number;
}

/** How far below shards: they take a core from a job the moment they have work. */
const NICER_BY = 10;
const NICENESS_MAX = 19;

// On Linux the process 0 is the thread that calls.
setPriority(0, Math.min(getPriority(0) + NICER_BY, NICENESS_MAX));

const loader = new ModuleLoader();
const programs = new Map<string, Program>();

function programOf(job: PoolJob): Program {
  let program = programs.get(job.hash);
  if (program === undefined) {
    const bytes = new Uint8Array(job.program).slice();
    program = JSON.parse(new TextDecoder().decode(bytes)) as Program;
    programs.set(job.hash, program);
  }
  return program;
}

/** Runs one job. Rejects with what the function throws. */
export async function runJob(job: PoolJob): Promise<PoolOutcome> {
  const startedMs = performance.timeOrigin + performance.now();
  const module = await loader.load(programOf(job));
  const task = module[job.task] as ((payload: unknown) => unknown) | undefined;
  if (typeof task !== 'function') {
    throw new TypeError(`the offload module exports no function "${job.task}"`);
  }
  const value = await task(job.payload);
  return { value, startedMs, runMs: performance.timeOrigin + performance.now() - startedMs };
}
