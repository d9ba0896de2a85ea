/**
 * Builds and runs the gate's harness: the core without Node, counted.
 *
 * Path: figures.ts asks for figures of a project tree; plants.ts for those of a tree with a planted
 * regression.
 * Invariant: every figure is a difference of two runs of unlike size, so that what happens once is
 * not in it; on one machine and compiler a figure is the same each time.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BUILD, explain, ROOT, readMachine, UsageFailure } from '../rig/index.ts';

const run = promisify(execFile);
const SOURCES = join(ROOT, 'bench', 'gate', 'harness');
/** Descriptors of the harness: client, gateway twice, endpoint, for each connection. */
const DESCRIPTORS_PER_PAIR = 4;
const SPARE_DESCRIPTORS = 200;
/** Rounds of messages, or connections, of the two runs that make a figure. */
const SIZE_FEW = 50;
const SIZE_MANY = 150;
const IDLE_FEW = 200;
const IDLE_MANY = 4200;
/** A run takes a second, under callgrind a few. */
const RUN_MS_MAX = 120_000;
const TOGGLE = '--toggle-collect=holdfast::proxy::Shard::turn(int)';

/** What one run of the harness prints. */
interface Printed {
  readonly messages?: number;
  readonly connections?: number;
  readonly isTraced?: boolean;
  readonly syscalls?: number;
  readonly allocations?: number;
  readonly bytes?: number;
}

/** Counts for each message or connection. */
export interface PerThing {
  /** A sentence where processes may not be traced. */
  readonly syscalls: number | string;
  readonly allocations: number;
}

/**
 * Absent: bytes. `policies` is HTTP on a route with 1,000 rules and a rate limit; `elsewhere` is
 * beside a host that has those and filters in JavaScript, which must not be asked.
 */
export type Carried =
  | 'tcp'
  | 'http'
  | 'policies'
  | 'elsewhere'
  | 'websocket'
  | 'websocket-elsewhere';

/** What passes through the core, and how much of it is ready in each turn. */
export interface Passing {
  readonly pairs: number;
  readonly carried?: Carried;
  /** The regression that is switched on. */
  readonly plant?: number;
}

/** A harness built from one tree. */
export interface Harness {
  /** For each message, or with HTTP for each request. */
  perMessage(passing: Passing): Promise<PerThing>;
  perConnection(plant?: number): Promise<PerThing>;
  /** A sentence where a process may have too few descriptors. */
  bytesPerConnection(carried?: Passing['carried']): Promise<number | string>;
  /** As perMessage; a sentence where valgrind is not installed. */
  instructionsPerMessage(passing: Passing): Promise<number | string>;
}

/** The last line that says something went wrong. */
function lastComplaint(cause: unknown): string {
  const lines = explain(cause).trim().split('\n');
  return lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? '';
}

/**
 * Builds the core library of a tree and the harness on it.
 *
 * @param flags - variables of the core's Makefile.
 * @throws UsageFailure when the compiler refuses; the message carries its complaint.
 */
export async function buildHarness(
  tree: string,
  name: string,
  flags: readonly string[] = [],
): Promise<Harness> {
  const out = join(BUILD, `harness-${name}`);
  try {
    await run('make', ['-s', '-j2', '-C', join(tree, 'native', 'epoll'), ...flags, 'lib']);
    await run('make', ['-s', '-C', SOURCES, `TREE=${tree}`, `OUT=${out}`, `${out}/harness`]);
  } catch (cause) {
    throw new UsageFailure(`the harness could not be built: ${lastComplaint(cause)}`, { cause });
  }
  return createHarness(join(out, 'harness'));
}

const difference = (many: number | undefined, few: number | undefined): number =>
  (many ?? 0) - (few ?? 0);

function createHarness(program: string): Harness {
  async function print(args: readonly (string | number)[], plant = 0): Promise<Printed> {
    const { stdout } = await run(program, args.map(String), {
      encoding: 'utf8',
      timeout: RUN_MS_MAX,
      env: { ...process.env, HF_GATE_PLANT: `${plant}` },
    });
    return JSON.parse(stdout) as Printed;
  }

  async function countInstructions(passing: Passing, rounds: number): Promise<number> {
    const { pairs, carried = 'tcp', plant = 0 } = passing;
    const args = ['--tool=callgrind', '--callgrind-out-file=/dev/null', '--collect-atstart=no'];
    const { stderr } = await run(
      'valgrind',
      [...args, TOGGLE, program, 'instructions', `${pairs}`, `${rounds}`, carried],
      { encoding: 'utf8', env: { ...process.env, HF_GATE_PLANT: `${plant}` } },
    );
    return Number(/Collected : (\d+)/.exec(stderr)?.[1]);
  }

  /** The difference of two runs, divided by how many more things the larger one did. */
  async function perThing(
    args: (size: number) => readonly (string | number)[],
    plant: number | undefined,
  ): Promise<PerThing> {
    const few = await print(args(SIZE_FEW), plant);
    const many = await print(args(SIZE_MANY), plant);
    const things =
      difference(many.messages, few.messages) + difference(many.connections, few.connections);
    const syscalls = difference(many.syscalls, few.syscalls) / things;
    return {
      syscalls: many.isTraced === true ? syscalls : 'processes may not be traced here',
      allocations: difference(many.allocations, few.allocations) / things,
    };
  }

  return {
    perMessage: ({ pairs, carried = 'tcp', plant }) =>
      perThing((rounds) => ['echo', pairs, rounds, carried], plant),
    perConnection: (plant) => perThing((count) => ['churn', count], plant),
    bytesPerConnection: async (carried = 'tcp') => {
      const needed = IDLE_MANY * DESCRIPTORS_PER_PAIR + SPARE_DESCRIPTORS;
      const { descriptorsMax } = readMachine();
      if (descriptorsMax < needed) return `it needs ${needed} descriptors, not ${descriptorsMax}`;
      const { bytes = 0, connections = 1 } = await print(['idle', IDLE_FEW, IDLE_MANY, carried]);
      return bytes / connections;
    },
    instructionsPerMessage: async (passing) => {
      if (!existsSync('/usr/bin/valgrind') && !(await hasValgrind())) {
        return 'valgrind is not installed';
      }
      const few = await countInstructions(passing, 100);
      const many = await countInstructions(passing, 300);
      const isRequest = ['http', 'policies', 'elsewhere'].includes(passing.carried ?? '');
      const perRound = passing.pairs * (isRequest ? 1 : 2);
      return (many - few) / (perRound * 200);
    },
  };
}

async function hasValgrind(): Promise<boolean> {
  return run('valgrind', ['--version']).then(
    () => true,
    () => false,
  );
}

/** Compiler and architecture: instruction counts of another one are not comparable. */
export async function readToolchain(): Promise<string> {
  const { stdout } = await run('g++', ['-dumpfullversion'], { encoding: 'utf8' });
  return `g++ ${stdout.trim()} ${process.arch}`;
}
