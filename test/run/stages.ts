/**
 * The stages of the test suite: what each runs, how its output is counted, and how long it may
 * take.
 *
 * Path: test/run.ts picks stages from this table; test/run/process.ts runs their steps.
 * Invariant: ALL_STAGES is what CI runs, in the order from quick to slow. The limits together stay
 * above what the suite takes on two cores and exist only to end a step that hangs.
 */
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';

/** How the output of a step turns into counts. */
export type Counting =
  /** The step is one check: it passed if it ended with 0. */
  | 'exit'
  /** The step prints `N passed, N failed`, `NAME: ..., ok` for fuzzers, and `skipped: NAME`. */
  | 'native'
  /** The step is a run of node:test with the reporter of this directory. */
  | 'node';

export interface Step {
  readonly name: string;
  readonly command: readonly string[];
  readonly counting: Counting;
  readonly limitMs: number;
}

export interface Stage {
  readonly name: string;
  /** False when the project does not have what the stage would run. */
  readonly isPresent: (root: string) => boolean;
  readonly steps: (root: string, patterns: readonly string[]) => readonly Step[];
}

const MINUTE_MS = 60_000;
const TEST_LIMIT_MS = 2 * MINUTE_MS;
/** Test files at a time: one more than the cores of CI, because tests wait now and then. */
const FILES_AT_A_TIME = 3;
const NODE = process.execPath;
/** Where our own TypeScript and JavaScript is; explicit, so that no tool walks node_modules. */
const LINTED = ['src', 'test', 'bench', 'native/epoll/index.ts', 'native/epoll/sources.mjs'];

const isAlwaysPresent = (): boolean => true;

function bin(root: string, name: string): string {
  return join(root, 'node_modules', '.bin', name);
}

function check(name: string, command: readonly string[]): Step {
  return { name, command, counting: 'exit', limitMs: 2 * MINUTE_MS };
}

/** The test files of a directory; a pattern that matches no file name selects tests by their names. */
function nodeTests(
  root: string,
  directory: string,
  patterns: readonly string[],
  limitMs: number,
): Step {
  const files = globSync(`test/${directory}/**/*.test.ts`, { cwd: root }).sort();
  const named = files.filter((file) => patterns.some((pattern) => file.includes(pattern)));
  const selection =
    patterns.length === 0 || named.length > 0
      ? []
      : patterns.map((pattern) => `--test-name-pattern=${pattern}`);
  const flags = [
    '--test',
    `--test-concurrency=${FILES_AT_A_TIME}`,
    `--test-timeout=${TEST_LIMIT_MS}`,
    '--test-reporter=./test/run/reporter.ts',
    ...selection,
  ];
  // Without a file to run, node:test would look for files by itself.
  const nothing = ['printf', `there is no test file in test/${directory}\n`];
  return {
    name: directory,
    command: files.length === 0 ? nothing : [NODE, ...flags, ...(named.length > 0 ? named : files)],
    counting: 'node',
    limitMs,
  };
}

function makeStage(name: string, target: string, limitMs: number): Stage {
  return {
    name,
    isPresent: isAlwaysPresent,
    steps: () => [
      {
        name: target,
        command: ['make', '--no-print-directory', '-j2', '-C', 'native/epoll', target],
        counting: 'native',
        limitMs,
      },
    ],
  };
}

const CHECK: Stage = {
  name: 'check',
  isPresent: isAlwaysPresent,
  steps: (root) => [
    check('format', [bin(root, 'biome'), 'check', '--colors=off', '--max-diagnostics=50']),
    check('lint', [
      bin(root, 'oxlint'),
      '--format=unix',
      '--deny-warnings',
      ...LINTED.filter((path) => existsSync(join(root, path))),
    ]),
    check('types', [bin(root, 'tsc'), '--noEmit', '--pretty', 'false']),
    nodeTests(root, 'tidy', [], 2 * MINUTE_MS),
  ],
};

const BUILD: Stage = {
  name: 'build',
  isPresent: isAlwaysPresent,
  steps: (root) => [
    check('javascript', [bin(root, 'tsc'), '-p', 'tsconfig.build.json', '--pretty', 'false']),
    check('addon', [
      'install',
      '-D',
      'native/epoll/build/Release/holdfast.node',
      'dist/native/epoll/build/Release/holdfast.node',
    ]),
    check('page', [
      'install',
      '-D',
      '-m',
      '644',
      'src/main/demo/page.html',
      'dist/src/main/demo/page.html',
    ]),
  ],
};

const UNIT: Stage = {
  name: 'unit',
  isPresent: isAlwaysPresent,
  steps: (root, patterns) => [nodeTests(root, 'unit', patterns, 6 * MINUTE_MS)],
};

const E2E: Stage = {
  name: 'e2e',
  isPresent: isAlwaysPresent,
  steps: (root, patterns) => [nodeTests(root, 'e2e', patterns, 12 * MINUTE_MS)],
};

const GATE: Stage = {
  name: 'gate',
  isPresent: (root) => existsSync(join(root, 'bench', 'gate.ts')),
  steps: () => [
    {
      name: 'gate',
      command: [NODE, 'bench/gate.ts', '--short'],
      counting: 'exit',
      limitMs: 4 * MINUTE_MS,
    },
  ],
};

/** What `npm test` and CI run. */
export const ALL_STAGES: readonly Stage[] = [
  CHECK,
  makeStage('native', 'test', 7 * MINUTE_MS),
  UNIT,
  makeStage('asan', 'asan', 8 * MINUTE_MS),
  makeStage('tsan', 'tsan', 8 * MINUTE_MS),
  makeStage('fuzz', 'fuzz-short', 6 * MINUTE_MS),
  E2E,
  GATE,
];

/** Every stage that can be asked for by name. */
export const STAGES: readonly Stage[] = [...ALL_STAGES, BUILD];
