/**
 * Checks the types of filter files with the TypeScript compiler, where one is installed.
 *
 * Path: `holdfast validate` and the start of the gateway; the compiler runs as a process of its
 * own.
 * Invariant: files are only read. Without a compiler, or without the types of Node, nothing is said
 * to be checked: the outcome says so, and the configuration is judged without it, because Node runs
 * the files anyway.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SourceFault } from './protocol.ts';

const TSC_MS_MAX = 60_000;
const OUTPUT_BYTES_MAX = 1 << 20;
const LINE = /^(.+?)\((\d+),(\d+)\): error (TS\d+): (.*)$/;
/** What did not come to checking. */
const FAILED = /^error TS\d+: /m;
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', '..');

/** What the compiler said. */
export interface TypesOutcome {
  /** False when there is no compiler. */
  readonly isChecked: boolean;
  readonly faults: readonly SourceFault[];
}

/** What stands in the nearest node_modules of a directory; null: nowhere. */
function findUpwards(from: string, path: string): string | null {
  for (let directory = from; ; directory = dirname(directory)) {
    const found = join(directory, 'node_modules', path);
    if (existsSync(found)) return found;
    if (directory === dirname(directory)) return null;
  }
}

/** What the files have, else what the gateway has. */
function findNear(file: string, path: string): string | null {
  return findUpwards(dirname(file), path) ?? findUpwards(ROOT, path);
}

/** The options that filters are checked with: strict, and as Node runs them. */
function writeProject(directory: string, files: readonly string[], types: string): string {
  const suffix = import.meta.url.endsWith('.ts') ? '.ts' : '.d.ts';
  const own = (path: string): string[] => [join(ROOT, 'src', `${path}${suffix}`)];
  const project = {
    compilerOptions: {
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      // As Node runs them: modules, whatever a package.json above them says.
      module: 'esnext',
      moduleResolution: 'bundler',
      types: ['node'],
      typeRoots: [dirname(types)],
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      erasableSyntaxOnly: true,
      paths: {
        'holdfast/sdk': own('sdk/index'),
        'holdfast/testing': own('testing/index'),
        'holdfast/*': own('shard/builtin/*'),
        zod: [findUpwards(ROOT, 'zod') ?? join(ROOT, 'node_modules', 'zod')],
      },
    },
    files,
  };
  const path = join(directory, 'tsconfig.json');
  writeFileSync(path, JSON.stringify(project));
  return path;
}

function run(compiler: string, project: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(compiler, ['-p', project, '--pretty', 'false'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TSC_MS_MAX,
    });
    let output = '';
    const take = (chunk: Buffer): void => {
      if (output.length < OUTPUT_BYTES_MAX) output += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', reject);
    child.once('close', () => resolve(output));
  });
}

/** Checks the types of files, TypeScript ones only. */
export async function checkTypes(paths: readonly string[]): Promise<TypesOutcome> {
  const files = paths.filter((path) => /\.m?ts$/.test(path));
  const [first] = files;
  if (first === undefined) return { isChecked: true, faults: [] };
  const compiler = findNear(first, join('.bin', 'tsc'));
  const types = findNear(first, join('@types', 'node'));
  if (compiler === null || types === null) return { isChecked: false, faults: [] };
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-types-'));
  try {
    const output = await run(compiler, writeProject(directory, files, types));
    const faults = output.split('\n').flatMap((text): SourceFault[] => {
      const match = LINE.exec(text);
      if (match === null) return [];
      const [, name, line, column, code, message] = match;
      const file = join(process.cwd(), `${name}`);
      const path = files.find((known) => known === name || known === file) ?? `${name}`;
      const place = { file: path, line: Number(line), column: Number(column), field: '' };
      return [{ ...place, message: `type error ${code}: ${message}` }];
    });
    return { isChecked: !FAILED.test(output), faults };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
