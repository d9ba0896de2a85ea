/**
 * The tree that a change is compared with: the merge base, built in a worktree of its own.
 *
 * Path: gate.ts asks for it before the soft gate; the worktree stays in the temporary directory
 * between runs, so that the same base is built once.
 * Invariant: the worktree is at exactly the commit asked for and its addon is built from it. This
 * tree is not touched.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { explain, ROOT, UsageFailure } from '../rig/index.ts';

const run = promisify(execFile);
/** Outside this tree, where no formatter, compiler or test of this tree finds it. */
const WORKTREE = join(
  tmpdir(),
  `holdfast-gate-${createHash('sha256').update(ROOT).digest('hex').slice(0, 12)}`,
);
const LOCK_FILE = 'package-lock.json';

async function git(folder: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('git', args, { cwd: folder, encoding: 'utf8' });
  return stdout.trim();
}

/**
 * The commit to compare with: what was asked for, else the merge base with main, else the parent.
 *
 * @returns undefined where there is nothing to compare with: no git, or a first commit.
 * @throws UsageFailure when the name given is not a commit.
 */
export async function findBase(wanted: string | undefined): Promise<string | undefined> {
  if (wanted !== undefined) {
    return git(ROOT, 'rev-parse', '--verify', `${wanted}^{commit}`).catch((cause: unknown) => {
      throw new UsageFailure(`"${wanted}" is not a commit of this repository`, { cause });
    });
  }
  const head = await git(ROOT, 'rev-parse', 'HEAD').catch(() => undefined);
  for (const branch of ['origin/main', 'main']) {
    const base = await git(ROOT, 'merge-base', 'HEAD', branch).catch(() => undefined);
    if (base !== undefined && base !== head) return base;
  }
  return git(ROOT, 'rev-parse', 'HEAD^').catch(() => undefined);
}

/** The text of a file at a commit, or undefined where the commit does not have it. */
export async function readAt(commit: string, file: string): Promise<string | undefined> {
  return git(ROOT, 'show', `${commit}:${file}`).catch(() => undefined);
}

/** The linked packages are shared when both trees lock the same ones. */
function sharePackages(tree: string): void {
  const [here, there] = [ROOT, tree].map((each) => readFileSync(join(each, LOCK_FILE), 'utf8'));
  const packages = join(tree, 'node_modules');
  if (here !== there || existsSync(packages)) return;
  cpSync(join(ROOT, 'node_modules'), packages, { recursive: true, verbatimSymlinks: true });
}

/**
 * Checks the commit out and builds it as a user would; a minute the first time.
 *
 * @returns the worktree's path.
 * @throws UsageFailure when it does not build.
 */
export async function buildBase(commit: string): Promise<string> {
  await git(ROOT, 'worktree', 'prune');
  if (!existsSync(join(WORKTREE, '.git'))) {
    await git(ROOT, 'worktree', 'add', '--detach', '--force', WORKTREE, commit);
  }
  await git(WORKTREE, 'checkout', '--detach', '--force', commit);
  sharePackages(WORKTREE);
  try {
    await run('node', [join('src', 'main', 'setup', 'prepare.mjs')], { cwd: WORKTREE });
  } catch (cause) {
    const line = explain(cause).trim().split('\n').at(-1);
    throw new UsageFailure(`the merge base ${commit.slice(0, 12)} does not build: ${line}`, {
      cause,
    });
  }
  return WORKTREE;
}

/** Removes the worktree. */
export async function removeBase(): Promise<void> {
  if (existsSync(WORKTREE)) await git(ROOT, 'worktree', 'remove', '--force', WORKTREE);
}
