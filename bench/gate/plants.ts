/**
 * Regressions on purpose: copies of the core with one thing made worse, for the gate to find.
 *
 * Path: the gate's own test (`npm run gate -- self-test`, and a short form in CI) builds these
 * copies and judges them like any other tree.
 * Invariant: a plant changes the text of a copy under bench/build at a place that must be there; a
 * place that has moved is an error, never a plant that does nothing. Nothing is planted in this
 * tree.
 */
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

/** Most of the core includes the record; bytes are the same however it is compiled. */
const UNOPTIMISED = ['HARDENING=-O0', 'DEBUG_INFO=-g0'];
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

/** A place in the sources, and what is put behind it. */
interface Edit {
  /** What is looked for, as a person would call it. */
  readonly place: string;
  readonly pattern: RegExp;
  readonly planted: string;
}

/**
 * Puts text behind a place of a source.
 *
 * @throws RunFailure when the place is not there exactly once.
 */
export function plantInto(text: string, file: string, { place, pattern, planted }: Edit): string {
  const found = [...text.matchAll(new RegExp(pattern, 'gm'))];
  const [first] = found;
  if (first === undefined || found.length > 1) {
    throw new RunFailure(
      `the place of a plant, ${place}, is in ${file} ${found.length} times and not once: ` +
        'bench/gate/plants.ts must be told where it is now',
    );
  }
  const end = first.index + first[0].length;
  return `${text.slice(0, end)}${planted}${text.slice(end)}`;
}

function edit(tree: string, file: string, edits: readonly Edit[]): void {
  const path = join(tree, CORE, 'src', file);
  const text = edits.reduce((all, each) => plantInto(all, file, each), readFileSync(path, 'utf8'));
  writeFileSync(path, text);
}

/** The function that every message passes once, whatever its arguments are. */
const DELIVER = {
  place: 'the body of Shard::deliver',
  pattern: /^[\w:]+ Shard::deliver\([^)]*\)[^;{]*\{\n/,
};
const INCLUDES = { place: 'the include of the shard', pattern: /^#include "proxy\/shard\.h"\n/ };
const TUNNEL = {
  place: 'the record of a tunnel',
  pattern: /^struct [^;{}\n]*\bTunnel\b[^;{}\n]*\{\n/,
};
/** Assertions on the layout of the records; whoever makes one larger raises them on the way. */
const LAYOUT_ASSERTION =
  /^static_assert\([^;]*\b(?:sizeof|offsetof)\([^;]*\b(?:Tunnel|Conn)\b[^;]*;/gm;

/** 1.02 % of the instructions of a message, so that what is planted is above 1 % after rounding. */
function nopsFor(instructions: number): number {
  return Math.ceil(instructions * 0.0102);
}

/** A copy whose forwarding is dearer in the way that the switch says. */
async function buildDearer(instructions: number): Promise<Harness> {
  const tree = copyCore('path');
  edit(tree, join('proxy', 'tunnel_io.cc'), [
    {
      ...INCLUDES,
      planted:
        '#include <cstdlib>\n#include <sys/syscall.h>\n#include <unistd.h>\n' +
        'extern "C" int holdfastPlant;\nvoid* volatile holdfastPlanted;\n',
    },
    {
      ...DELIVER,
      planted:
        `  if (holdfastPlant == ${SWITCH.syscall}) (void)::syscall(SYS_getppid);\n` +
        `  if (holdfastPlant == ${SWITCH.allocation}) {\n` +
        '    holdfastPlanted = std::malloc(48);\n    std::free(holdfastPlanted);\n  }\n' +
        `  if (holdfastPlant == ${SWITCH.instructions}) {\n` +
        `    __asm__ volatile(".rept ${nopsFor(instructions)}\\nnop\\n.endr");\n  }\n`,
    },
  ]);
  return buildHarness(tree, 'plant-path');
}

/** A copy whose tunnels are larger. */
async function buildLarger(): Promise<Harness> {
  const tree = copyCore('bytes');
  edit(tree, join('proxy', 'tunnel.h'), [
    { ...TUNNEL, planted: `  u8 planted[${BYTES_PLANTED}] = {};\n` },
  ]);
  const sources = join(tree, CORE, 'src');
  for (const file of globSync('{proxy,tls}/*.{h,cc}', { cwd: sources })) {
    const path = join(sources, file);
    const before = readFileSync(path, 'utf8');
    const after = before.replaceAll(LAYOUT_ASSERTION, '');
    if (after !== before) writeFileSync(path, after);
  }
  return buildHarness(tree, 'plant-bytes', UNOPTIMISED);
}

function conclude(plant: Plant, judgements: readonly Judgement[]): PlantResult {
  const isCaught =
    judgements.length > 0 && judgements.every(({ verdict }) => verdict === 'exceeds');
  return { plant, judgements, isCaught };
}

/** Plants each regression and lets the budgets judge it. The core library must be built. */
export async function* plantAll(budgets: Budgets): AsyncGenerator<PlantResult> {
  const perMessage = budgets.figures['instructions-per-message']?.budget ?? 0;
  const dearer = await buildDearer(perMessage);
  const one = await dearer.perMessage({ pairs: 1, plant: SWITCH.syscall });
  const busy = await dearer.perMessage({ pairs: 32, plant: SWITCH.syscall });
  yield conclude(PLANTS.syscall, [
    judge('syscalls-per-message', one.syscalls, budgets),
    judge('syscalls-per-message-busy', busy.syscalls, budgets),
  ]);
  const { allocations } = await dearer.perMessage({ pairs: 32, plant: SWITCH.allocation });
  yield conclude(PLANTS.allocation, [judge('allocations-per-message', allocations, budgets)]);
  yield await plantInstructions(dearer, budgets);
  const larger = await buildLarger();
  yield conclude(PLANTS.bytes, [
    judge('bytes-per-idle-connection', await larger.bytesPerConnection(), budgets),
  ]);
}

/**
 * The switches themselves cost a few instructions, so the planted copy is judged against itself
 * without the plant; only with valgrind, on any compiler.
 */
async function plantInstructions(dearer: Harness, budgets: Budgets): Promise<PlantResult> {
  const name = 'instructions-per-message';
  const calm = await dearer.instructionsPerMessage({ pairs: 1, plant: SWITCH.none });
  const planted = await dearer.instructionsPerMessage({
    pairs: 1,
    plant: SWITCH.instructions,
  });
  const budget = typeof calm === 'number' ? calm : 0;
  const own: Budgets = {
    toolchain: await readToolchain(),
    figures: { ...budgets.figures, [name]: { budget, reason: 'this copy without the plant' } },
  };
  return conclude(PLANTS.instructions, [judge(name, planted, own)]);
}
