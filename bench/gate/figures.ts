/**
 * The counted figures of the gate: what each is, and how to get it from a project tree.
 *
 * Path: gate.ts measures them in this order and compares each with its budget.
 * Invariant: a figure is nearly deterministic: two runs on one machine agree within its tolerance.
 * What depends on time is not here (see time.ts).
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HTTP_REQUESTS, type Measured, type RigParts, WEBSOCKET_MESSAGES } from '../rig/index.ts';
import { buildHarness, type Harness, type Passing, readToolchain } from './harness.ts';
import {
  measureAllocations,
  measureBytes,
  measureConnectionSyscalls,
  measureCrossings,
  measureSyscalls,
} from './product.ts';

const run = promisify(execFile);
/** Connections ready in one turn, for the figures that depend on it. */
const BUSY_PAIRS = 32;

/** Everything a figure may need; the harness is built once. */
export interface Subject {
  readonly tree: string;
  readonly harness: Harness;
  readonly parts: RigParts;
  /** What the budgets' instruction counts are from. */
  readonly toolchainOfBudgets: string;
}

/** One counted figure. */
export interface CountedFigure {
  readonly name: string;
  readonly title: string;
  /** `core` figures take a second, `product` ones start the whole program. */
  readonly kind: 'core' | 'product';
  measure(subject: Subject): Promise<Measured>;
}

async function measureInstructions(subject: Subject, passing: Passing): Promise<Measured> {
  const toolchain = await readToolchain();
  if (toolchain !== subject.toolchainOfBudgets) {
    return `the budget is for ${subject.toolchainOfBudgets}, this is ${toolchain}`;
  }
  return subject.harness.instructionsPerMessage(passing);
}

const SIZES_SCRIPT = `
const { loadNative } = await import(process.argv[1]);
process.stdout.write(JSON.stringify(loadNative().abi.sizes));
`;

async function measureSize(tree: string, record: string): Promise<Measured> {
  const face = join(tree, 'native', 'epoll', 'index.ts');
  const args = ['--input-type=module', '-e', SIZES_SCRIPT, face];
  const { stdout } = await run(process.execPath, args, { encoding: 'utf8' });
  const sizes = JSON.parse(stdout) as Record<string, number>;
  return sizes[record] ?? `the addon does not tell the size of ${record}`;
}

/** What requests and WebSockets have beside messages over TCP. */
interface Kind {
  readonly name: string;
  readonly title: string;
  readonly carried: 'http' | 'websocket';
  readonly idle: { readonly name: string; readonly title: string };
}

const KINDS: readonly Kind[] = [
  {
    name: 'request',
    title: 'keep-alive request',
    carried: 'http',
    idle: { name: 'http-client', title: 'idle keep-alive client' },
  },
  {
    name: 'websocket-message',
    title: 'WebSocket message',
    carried: 'websocket',
    idle: { name: 'websocket', title: 'idle WebSocket' },
  },
];

/** What must cost no more for filters that it does not meet. */
const ELSEWHERE = [
  { name: 'request', title: 'keep-alive request', carried: 'elsewhere' },
  { name: 'websocket-message', title: 'WebSocket message', carried: 'websocket-elsewhere' },
] as const;

const SIZES = [
  { pairs: 1, suffix: '', title: 'one connection ready in a turn' },
  { pairs: BUSY_PAIRS, suffix: '-busy', title: `${BUSY_PAIRS} connections ready in a turn` },
];

/** Of the core. */
function listCoreFigures({ name, title, carried, idle }: Kind): CountedFigure[] {
  const sized = SIZES.flatMap((size): CountedFigure[] => {
    const passing = { pairs: size.pairs, carried };
    return [
      {
        name: `syscalls-per-${name}${size.suffix}`,
        title: `system calls per ${title}, ${size.title}`,
        kind: 'core',
        measure: async ({ harness }) => (await harness.perMessage(passing)).syscalls,
      },
      {
        name: `instructions-per-${name}${size.suffix}`,
        title: `instructions per ${title}, ${size.title}`,
        kind: 'core',
        measure: (subject) => measureInstructions(subject, passing),
      },
    ];
  });
  return [
    ...sized,
    {
      name: `allocations-per-${name}`,
      title: `allocations per ${title} in the core`,
      kind: 'core',
      measure: async ({ harness }) =>
        (await harness.perMessage({ pairs: BUSY_PAIRS, carried })).allocations,
    },
    {
      name: `bytes-per-idle-${idle.name}`,
      title: `resident bytes per ${idle.title} in the core`,
      kind: 'core',
      measure: ({ harness }) => harness.bytesPerConnection(carried),
    },
  ];
}

/** Of the product. */
function listProductFigures({ name, title, carried, idle }: Kind): CountedFigure[] {
  const traffic = carried === 'http' ? HTTP_REQUESTS : WEBSOCKET_MESSAGES;
  return [
    {
      name: `product-bytes-per-idle-${idle.name}`,
      title: `user memory per ${idle.title}, Node included`,
      kind: 'product',
      measure: (subject) => measureBytes({ ...subject, traffic }),
    },
    {
      name: `product-crossings-per-${name}`,
      title: `calls into JavaScript per ${title}`,
      kind: 'product',
      measure: (subject) => measureCrossings({ ...subject, traffic }),
    },
    {
      name: `product-allocations-per-${name}`,
      title: `allocations per ${title}, Node included`,
      kind: 'product',
      measure: (subject) => measureAllocations({ ...subject, traffic }),
    },
  ];
}

/** All of them. */
export const FIGURES: readonly CountedFigure[] = [
  {
    name: 'syscalls-per-message',
    title: 'system calls per message, one connection ready in a turn',
    kind: 'core',
    measure: async ({ harness }) => (await harness.perMessage({ pairs: 1 })).syscalls,
  },
  {
    name: 'syscalls-per-message-busy',
    title: `system calls per message, ${BUSY_PAIRS} connections ready in a turn`,
    kind: 'core',
    measure: async ({ harness }) => (await harness.perMessage({ pairs: BUSY_PAIRS })).syscalls,
  },
  {
    name: 'syscalls-per-connection',
    title: 'system calls per connection: accept, connect, one round trip, FIN both ways',
    kind: 'core',
    measure: async ({ harness }) => (await harness.perConnection()).syscalls,
  },
  {
    name: 'allocations-per-message',
    title: 'allocations per message in the core',
    kind: 'core',
    measure: async ({ harness }) => (await harness.perMessage({ pairs: BUSY_PAIRS })).allocations,
  },
  {
    name: 'allocations-per-connection',
    title: 'allocations per connection in the core',
    kind: 'core',
    measure: async ({ harness }) => (await harness.perConnection()).allocations,
  },
  {
    name: 'instructions-per-message',
    title: 'instructions per message, one connection ready in a turn',
    kind: 'core',
    measure: (subject) => measureInstructions(subject, { pairs: 1 }),
  },
  {
    name: 'instructions-per-message-busy',
    title: `instructions per message, ${BUSY_PAIRS} connections ready in a turn`,
    kind: 'core',
    measure: (subject) => measureInstructions(subject, { pairs: BUSY_PAIRS }),
  },
  {
    name: 'bytes-per-idle-connection',
    title: 'resident bytes per idle proxied connection in the core',
    kind: 'core',
    measure: ({ harness }) => harness.bytesPerConnection(),
  },
  ...KINDS.flatMap(listCoreFigures),
  {
    name: 'instructions-per-request-policies',
    title: `instructions per keep-alive request with 1,000 rules and a rate limit, ${BUSY_PAIRS} ready`,
    kind: 'core',
    measure: (subject) => measureInstructions(subject, { pairs: BUSY_PAIRS, carried: 'policies' }),
  },
  ...ELSEWHERE.map(
    ({ name, title, carried }): CountedFigure => ({
      name: `instructions-per-${name}-elsewhere`,
      title: `instructions per ${title} with filters of another host, ${BUSY_PAIRS} ready`,
      kind: 'core',
      measure: (subject) => measureInstructions(subject, { pairs: BUSY_PAIRS, carried }),
    }),
  ),
  ...['conn', 'tunnel', 'mailboxMessage'].map((record) => ({
    name: `size-of-${record}`,
    title: `size of the record ${record}`,
    kind: 'core' as const,
    measure: ({ tree }: Subject) => measureSize(tree, record),
  })),
  {
    name: 'product-bytes-per-idle-connection',
    title: 'user memory per idle proxied connection, Node included',
    kind: 'product',
    measure: measureBytes,
  },
  {
    name: 'product-crossings-per-message',
    title: 'calls into JavaScript per message',
    kind: 'product',
    measure: measureCrossings,
  },
  {
    name: 'product-allocations-per-message',
    title: 'allocations per message, Node included',
    kind: 'product',
    measure: measureAllocations,
  },
  {
    name: 'product-syscalls-per-message',
    title: 'system calls per message, Node included',
    kind: 'product',
    measure: measureSyscalls,
  },
  {
    name: 'product-syscalls-per-connection',
    title: 'system calls per connection, Node included',
    kind: 'product',
    measure: measureConnectionSyscalls,
  },
  ...KINDS.flatMap(listProductFigures),
];

/** Builds what the figures of a tree need. */
export async function prepareSubject(
  tree: string,
  parts: RigParts,
  toolchainOfBudgets: string,
): Promise<Subject> {
  return { tree, parts, toolchainOfBudgets, harness: await buildHarness(tree, 'head') };
}
