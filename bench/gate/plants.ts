/**
 * Regressions on purpose: copies of the core with one thing made worse, for the gate to find.
 *
 * Path: the gate's own test (`npm run gate -- self-test`, and a short form in CI) builds these
 * copies and judges them like any other tree.
 * Invariant: a plant changes the text of a copy under bench/build at a place that must be there; a
 * place that has moved is an error, never a plant that does nothing. Nothing is planted in this
 * tree.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUILD, ROOT, RunFailure } from '../rig/index.ts';
import { type Budgets, type Judgement, judge } from './budgets.ts';
import { buildHarness, type Harness, readToolchain } from './harness.ts';

/** One regression and the figures that must show it. */
export interface Plant {
  readonly name: string;
  readonly title: string;
  readonly figures: readonly string[];
}

/** What the gate made of a plant. */
export interface PlantResult {
  readonly plant: Plant;
  readonly isCaught: boolean;
  readonly judgements: readonly Judgement[];
}

/** The switch of each plant in the copy that has several; see harness.cc. */
const SWITCH = { none: 0, syscall: 1, allocation: 2, instructions: 3 } as const;
const BYTES_PLANTED = 32;

const PLANTS = {
  syscall: {
    name: 'syscall',
    title: 'one more system call for each message',
    figures: ['syscalls-per-message', 'syscalls-per-message-busy'],
  },
  allocation: {
    name: 'allocation',
    title: 'one allocation for each message',
    figures: ['allocations-per-message'],
  },
  instructions: {
    name: 'instructions',
    title: '1 % more instructions for each message',
    figures: ['instructions-per-message'],
  },
  bytes: {
    name: 'bytes',
    title: `${BYTES_PLANTED} more bytes in the connection's record`,
    figures: ['bytes-per-idle-connection'],
  },
} as const satisfies Record<string, Plant>;

const CORE = join('native', 'epoll');

/** Copies the core, with what is built already, so that only what changes is compiled again. */
function copyCore(name: string): string {
  const tree = join(BUILD, `plant-${name}`);
  rmSync(tree, { recursive: true, force: true });
  const folder = join(tree, CORE);
  mkdirSync(folder, { recursive: true });
  for (const part of ['src', 'Makefile', join('out', 'release')]) {
    const times = { recursive: true, preserveTimestamps: true };
    cpSync(join(ROOT, CORE, part), join(folder, part), times);
  }
  return tree;
}

function edit(tree: string, file: string, change: (text: string) => string): void {
  const path = join(tree, CORE, 'src', file);
  const before = readFileSync(path, 'utf8');
  const after = change(before);
  if (after === before) throw new RunFailure(`the place for a plant is not in ${file} any more`);
  writeFileSync(path, after);
}

/** 1.02 % of the instructions of a message, so that what is planted is above 1 % after rounding. */
function nopsFor(instructions: number): number {
  return Math.ceil(instructions * 0.0102);
}

/** A copy whose forwarding is dearer in the way that the switch says. */
async function buildDearer(instructions: number): Promise<Harness> {
  const tree = copyCore('path');
  edit(tree, 'proxy/tunnel_io.cc', (text) =>
    text
      .replace(
        /\n#include "proxy\/shard\.h"\n/,
        `$&#include <cstdlib>\n#include <sys/syscall.h>\n#include <unistd.h>\nextern "C" int holdfastPlant;\nvoid* volatile holdfastPlanted;\n`,
      )
      .replace(
        /\nbool Shard::deliver\([^)]*\) \{\n/,
        `$&  if (holdfastPlant == ${SWITCH.syscall}) (void)::syscall(SYS_getppid);\n` +
          `  if (holdfastPlant == ${SWITCH.allocation}) {\n    holdfastPlanted = std::malloc(48);\n    std::free(holdfastPlanted);\n  }\n` +
          `  if (holdfastPlant == ${SWITCH.instructions}) __asm__ volatile(".rept ${nopsFor(instructions)}\\nnop\\n.endr");\n`,
      ),
  );
  return buildHarness(tree, 'plant-path');
}

/** A copy whose tunnels are larger; whoever does that raises the assertions on the way. */
async function buildLarger(): Promise<Harness> {
  const tree = copyCore('bytes');
  edit(tree, 'proxy/tunnel.h', (text) =>
    text
      .replace(/\nstruct Tunnel \{\n/, `$&  u8 planted[${BYTES_PLANTED}] = {};\n`)
      .replace(/^static_assert\(.*sizeof\((?:Tunnel|Conn)\).*;$/gm, '')
      .replace(/^static_assert\(offsetof\(Tunnel[\s\S]*?;$/gm, ''),
  );
  return buildHarness(tree, 'plant-bytes');
}

function conclude(plant: Plant, judgements: readonly Judgement[]): PlantResult {
  const isCaught =
    judgements.length > 0 && judgements.every(({ verdict }) => verdict === 'exceeds');
  return { plant, judgements, isCaught };
}

/** Plants each regression and lets the budgets judge it. The core library must be built. */
export async function plantAll(budgets: Budgets): Promise<PlantResult[]> {
  const perMessage = budgets.figures['instructions-per-message']?.budget ?? 0;
  const dearer = await buildDearer(perMessage);
  const one = await dearer.perMessage(1, SWITCH.syscall);
  const busy = await dearer.perMessage(32, SWITCH.syscall);
  const allocating = await dearer.perMessage(32, SWITCH.allocation);
  const larger = await buildLarger();
  const results = [
    conclude(PLANTS.syscall, [
      judge('syscalls-per-message', one.syscalls, budgets),
      judge('syscalls-per-message-busy', busy.syscalls, budgets),
    ]),
    conclude(PLANTS.allocation, [
      judge('allocations-per-message', allocating.allocations, budgets),
    ]),
    conclude(PLANTS.bytes, [
      judge('bytes-per-idle-connection', await larger.bytesPerConnection(), budgets),
    ]),
  ];
  return [...results, await plantInstructions(dearer, budgets)];
}

/**
 * The switches themselves cost a few instructions, so the planted copy is judged against itself
 * without the plant; only with valgrind, on any compiler.
 */
async function plantInstructions(dearer: Harness, budgets: Budgets): Promise<PlantResult> {
  const name = 'instructions-per-message';
  const calm = await dearer.instructionsPerMessage(1, SWITCH.none);
  const planted = await dearer.instructionsPerMessage(1, SWITCH.instructions);
  const budget = typeof calm === 'number' ? calm : 0;
  const own: Budgets = {
    toolchain: await readToolchain(),
    figures: { ...budgets.figures, [name]: { budget, reason: 'this copy without the plant' } },
  };
  return conclude(PLANTS.instructions, [judge(name, planted, own)]);
}
