/**
 * The tree that a change is compared with: the merge base, built in a worktree of its own.
 *
 * Path: gate.ts asks for it before the soft gate; the worktree stays in the temporary directory
 * between runs, so that the same base is built once.
 * Invariant: the worktree is at exactly the commit asked for and its addon is built from it. The
 * tree at `root` is not touched. That there is nothing to compare with is a sentence, not an error.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { explain, RunFailure, UsageFailure } from '../rig/index.ts';

/** The commit to compare with, or why there is none. */
export type Base =
  | { readonly commit: string; readonly why: string }
  /** A sentence. */
  | { readonly missing: string };

const run = promisify(execFile);
const GIT_BYTES_MAX = 1 << 26;
const BRANCHES = ['origin/main', 'main'];
/** What decides how the product runs; the rest of the tree is tests, benchmarks and words. */
const PATH_FILES = ['src', 'native/epoll', 'package.json', 'package-lock.json'];
/** What the addon is built from. */
const ADDON_FILES = ['native/epoll', 'src/main/setup', 'package-lock.json'];
const ADDON = ['native/epoll/build/Release/holdfast.node', 'native/epoll/build/.sources'];
const LOCK_FILE = 'package-lock.json';
/** A build from nothing takes one minute on two cores, with the packages two. */
const BUILD_MS_MAX = 360_000;

/** Outside the tree, where no formatter, compiler or test of the tree finds it. */
function worktreeOf(root: string): string {
  const name = createHash('sha256').update(root).digest('hex').slice(0, 12);
  return join(tmpdir(), `holdfast-gate-${name}`);
}

/** A hook that runs the gate must not send git to the hook's own repository. */
function ownEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')),
  );
}

async function git(folder: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('git', args, {
    cwd: folder,
    encoding: 'utf8',
    env: ownEnv(),
    maxBuffer: GIT_BYTES_MAX,
  });
  return stdout.trim();
}

const ask = (folder: string, ...args: string[]): Promise<string | undefined> =>
  git(folder, ...args).catch(() => undefined);

/**
 * The commit to compare with: what was asked for, else the merge base with main; on main itself,
 * where that is the same commit, the one before.
 *
 * @throws UsageFailure when the name given is not a commit.
 */
export async function findBase(root: string, wanted: string | undefined): Promise<Base> {
  if (wanted !== undefined) {
    const commit = await ask(root, 'rev-parse', '--verify', '--quiet', `${wanted}^{commit}`);
    if (commit === undefined) {
      throw new UsageFailure(`"${wanted}" is not a commit of this repository`);
    }
    return { commit, why: wanted };
  }
  const head = await ask(root, 'rev-parse', '--verify', '--quiet', 'HEAD');
  if (head === undefined) return { missing: 'this is not a git repository with a commit' };
  for (const branch of BRANCHES) {
    const commit = await ask(root, 'merge-base', 'HEAD', branch);
    if (commit !== undefined && commit !== head)
      return { commit, why: `merge base with ${branch}` };
  }
  const parent = await ask(root, 'rev-parse', '--verify', '--quiet', 'HEAD^');
  if (parent !== undefined) return { commit: parent, why: 'the commit before this one' };
  const isShallow = (await ask(root, 'rev-parse', '--is-shallow-repository')) === 'true';
  return {
    missing: isShallow
      ? 'the clone is shallow; fetch the history, or name a commit with --base'
      : 'this is the first commit',
  };
}

/** The text of a file at a commit, or undefined where the commit does not have it. */
export function readAt(root: string, commit: string, file: string): Promise<string | undefined> {
  return ask(root, 'show', `${commit}:${file}`);
}

async function isSame(root: string, commit: string, files: readonly string[]): Promise<boolean> {
  const changed = await ask(root, 'diff', '--name-only', commit, '--', ...files);
  const added = await ask(root, 'ls-files', '--others', '--exclude-standard', '--', ...files);
  return changed === '' && added === '';
}

/** True when the product of the tree, uncommitted changes included, is that of the commit. */
export function isSamePath(root: string, commit: string): Promise<boolean> {
  return isSame(root, commit, PATH_FILES);
}

/** The packages are copied when both trees lock the same ones. */
function copyPackages(root: string, tree: string): void {
  const locks = [root, tree].map((each) => join(each, LOCK_FILE));
  if (!locks.every((lock) => existsSync(lock))) return;
  const [here, there] = locks.map((lock) => readFileSync(lock, 'utf8'));
  const packages = join(tree, 'node_modules');
  if (here !== there || existsSync(packages) || !existsSync(join(root, 'node_modules'))) return;
  cpSync(join(root, 'node_modules'), packages, { recursive: true, verbatimSymlinks: true });
}

/** The addon is copied when both trees have the same sources; the set-up checks that it fits. */
async function copyAddon(root: string, tree: string, commit: string): Promise<void> {
  if (!(await isSame(root, commit, ADDON_FILES))) return;
  if (!ADDON.every((file) => existsSync(join(root, file)))) return;
  mkdirSync(join(tree, 'native/epoll/build/Release'), { recursive: true });
  for (const file of ADDON) cpSync(join(root, file), join(tree, file));
}

/** A worktree of another repository, or of one that was deleted, is not used. */
async function isWorktreeOf(root: string, tree: string): Promise<boolean> {
  const folders = await Promise.all(
    [root, tree].map((each) =>
      ask(each, 'rev-parse', '--path-format=absolute', '--git-common-dir'),
    ),
  );
  const [own, other] = folders.map((each) => (each === undefined ? undefined : realpathSync(each)));
  return own !== undefined && own === other;
}

async function checkOut(root: string, commit: string): Promise<string> {
  const tree = worktreeOf(root);
  await git(root, 'worktree', 'prune');
  if (existsSync(tree) && !(await isWorktreeOf(root, tree))) {
    rmSync(tree, { recursive: true, force: true });
  }
  if (!existsSync(tree)) {
    await git(root, 'worktree', 'prune');
    await git(root, 'worktree', 'add', '--detach', '--force', tree, commit);
  }
  await git(tree, 'checkout', '--detach', '--force', commit);
  return tree;
}

/**
 * Checks the commit out and builds it as a user would; a minute the first time.
 *
 * @returns the worktree's path.
 * @throws RunFailure when it cannot be built.
 */
export async function buildBase(
  root: string,
  commit: string,
  signal?: AbortSignal,
): Promise<string> {
  const fail = (what: string, cause: unknown): RunFailure => {
    const line = explain(cause).trim().split('\n').at(-1);
    return new RunFailure(`the base ${commit.slice(0, 12)} ${what}: ${line}`, { cause });
  };
  let tree: string;
  try {
    tree = await checkOut(root, commit);
    copyPackages(root, tree);
    await copyAddon(root, tree, commit);
  } catch (cause) {
    throw fail('cannot be checked out', cause);
  }
  try {
    await run('node', [join('src', 'main', 'setup', 'prepare.mjs')], {
      cwd: tree,
      timeout: BUILD_MS_MAX,
      env: ownEnv(),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (cause) {
    throw fail('does not build', cause);
  }
  return tree;
}

/** Removes the worktree. */
export async function removeBase(root: string): Promise<void> {
  const tree = worktreeOf(root);
  rmSync(tree, { recursive: true, force: true });
  await ask(root, 'worktree', 'prune');
}

/** Names the state of a tree: its commit, and a hash of what is changed on top of it. */
export async function describeState(root: string): Promise<string> {
  const head = (await ask(root, 'rev-parse', 'HEAD')) ?? 'no commit';
  const changed = (await ask(root, 'diff', 'HEAD')) ?? '';
  if (changed === '') return head;
  return `${head}+${createHash('sha256').update(changed).digest('hex').slice(0, 8)}`;
}
