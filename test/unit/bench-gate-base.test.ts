/**
 * What a change is compared with: which commit, in which clone, and what happens without one.
 *
 * Path: repositories made in a temporary directory, with a set-up that is one line, go through the
 * functions of bench/gate/base.ts.
 * Invariant: a clone that has nothing to compare with is told in a sentence; only a name that is
 * not a commit is an error.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  buildBase,
  describeState,
  findBase,
  isSamePath,
  readAt,
  removeBase,
} from '../../bench/gate/base.ts';

const SETUP = join('src', 'main', 'setup', 'prepare.mjs');
const BUILDS = "import { writeFileSync } from 'node:fs';\nwriteFileSync('built', 'yes');\n";
const BREAKS = "process.stderr.write('holdfast: no compiler\\n');\nprocess.exitCode = 1;\n";

function git(folder: string, ...args: string[]): string {
  const own = ['-c', 'user.name=t', '-c', 'user.email=t@localhost', '-c', 'commit.gpgsign=false'];
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
  return execFileSync('git', [...own, ...args], { cwd: folder, encoding: 'utf8', env }).trim();
}

function write(folder: string, file: string, text: string): void {
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Commits one file and returns the commit. */
function commit(folder: string, file: string, text: string): string {
  write(folder, file, text);
  git(folder, 'add', '-A');
  git(folder, 'commit', '-qm', file);
  return git(folder, 'rev-parse', 'HEAD');
}

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-base-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A repository with one commit on main. */
function makeRepository(t: TestContext): string {
  const folder = makeFolder(t);
  git(folder, 'init', '-q', '-b', 'main');
  commit(folder, SETUP, BUILDS);
  t.after(() => removeBase(folder));
  return folder;
}

function clone(t: TestContext, from: string, ...options: string[]): string {
  const folder = makeFolder(t);
  git(folder, 'clone', '-q', ...options, `file://${from}`, 'clone');
  const inside = join(folder, 'clone');
  t.after(() => removeBase(inside));
  return inside;
}

describe('the base of a change', () => {
  it('is where its branch left main', async (t) => {
    const folder = makeRepository(t);
    const left = git(folder, 'rev-parse', 'HEAD');
    git(folder, 'checkout', '-qb', 'change');
    commit(folder, 'a', '1');
    commit(folder, 'b', '2');
    git(folder, 'checkout', '-q', 'main');
    commit(folder, 'c', '3');
    git(folder, 'checkout', '-q', 'change');
    assert.deepEqual(await findBase(folder, undefined), {
      commit: left,
      why: 'merge base with main',
    });
  });

  it('is what main of the origin has, for commits that are not there yet', async (t) => {
    const folder = makeRepository(t);
    const theirs = commit(folder, 'a', '1');
    const ours = clone(t, folder);
    commit(ours, 'b', '2');
    commit(ours, 'c', '3');
    assert.deepEqual(await findBase(ours, undefined), {
      commit: theirs,
      why: 'merge base with origin/main',
    });
  });

  it('is the commit before on a clean checkout of main', async (t) => {
    const folder = makeRepository(t);
    const before = git(folder, 'rev-parse', 'HEAD');
    commit(folder, 'a', '1');
    const expected = { commit: before, why: 'the commit before this one' };
    assert.deepEqual(await findBase(folder, undefined), expected);
    const checkout = clone(t, folder);
    git(checkout, 'checkout', '-q', '--detach');
    assert.deepEqual(await findBase(checkout, undefined), expected);
  });

  it('is what is asked for', async (t) => {
    const folder = makeRepository(t);
    const first = git(folder, 'rev-parse', 'HEAD');
    commit(folder, 'a', '1');
    commit(folder, 'b', '2');
    assert.deepEqual(await findBase(folder, 'HEAD~2'), { commit: first, why: 'HEAD~2' });
    await assert.rejects(findBase(folder, 'nowhere'), {
      name: 'UsageFailure',
      message: '"nowhere" is not a commit of this repository',
    });
  });

  it('is missing in a shallow clone, at the first commit, and without git', async (t) => {
    const folder = makeRepository(t);
    assert.deepEqual(await findBase(folder, undefined), { missing: 'this is the first commit' });
    commit(folder, 'a', '1');
    const shallow = await findBase(clone(t, folder, '--depth=1'), undefined);
    assert.match('missing' in shallow ? shallow.missing : '', /shallow/);
    const none = await findBase(makeFolder(t), undefined);
    assert.match('missing' in none ? none.missing : '', /not a git repository/);
  });
});

describe('the tree of the base', () => {
  it('is checked out beside this one and built, again for another commit', async (t) => {
    const folder = makeRepository(t);
    const first = commit(folder, 'src/a.ts', '1');
    const second = commit(folder, 'src/a.ts', '2');
    const tree = await buildBase(folder, first);
    assert.notEqual(tree, folder);
    assert.equal(readFileSync(join(tree, 'src/a.ts'), 'utf8'), '1');
    assert.equal(readFileSync(join(tree, 'built'), 'utf8'), 'yes');
    assert.equal(await buildBase(folder, second), tree);
    assert.equal(readFileSync(join(tree, 'src/a.ts'), 'utf8'), '2');
    assert.equal(git(folder, 'status', '--porcelain'), '');
    await removeBase(folder);
    assert.ok(!existsSync(tree));
  });

  it('is made anew when the repository it belonged to is gone', async (t) => {
    const folder = makeRepository(t);
    const tree = await buildBase(folder, git(folder, 'rev-parse', 'HEAD'));
    rmSync(join(folder, '.git'), { recursive: true });
    git(folder, 'init', '-q', '-b', 'main');
    const other = commit(folder, 'src/b.ts', 'new');
    assert.equal(await buildBase(folder, other), tree);
    assert.equal(readFileSync(join(tree, 'src/b.ts'), 'utf8'), 'new');
  });

  it('that does not build is told with the last line of its set-up', async (t) => {
    const folder = makeRepository(t);
    const broken = commit(folder, SETUP, BREAKS);
    await assert.rejects(buildBase(folder, broken), {
      name: 'RunFailure',
      message: `the base ${broken.slice(0, 12)} does not build: holdfast: no compiler`,
    });
  });

  it('counts as the same only while nothing of the product differs', async (t) => {
    const folder = makeRepository(t);
    const base = git(folder, 'rev-parse', 'HEAD');
    commit(folder, 'docs/page.md', 'words');
    assert.equal(await isSamePath(folder, base), true);
    write(folder, 'src/new.ts', '1');
    assert.equal(await isSamePath(folder, base), false);
    rmSync(join(folder, 'src/new.ts'));
    assert.equal(await isSamePath(folder, base), true);
    write(folder, SETUP, `${BUILDS}\n`);
    assert.equal(await isSamePath(folder, base), false);
  });

  it('is read without being checked out', async (t) => {
    const folder = makeRepository(t);
    const base = git(folder, 'rev-parse', 'HEAD');
    assert.equal(await readAt(folder, base, SETUP), BUILDS.trim());
    assert.equal(await readAt(folder, base, 'nothing'), undefined);
  });
});

describe('the state of a tree', () => {
  it('is its commit, and changes with what is changed on top of it', async (t) => {
    const folder = makeRepository(t);
    const head = git(folder, 'rev-parse', 'HEAD');
    assert.equal(await describeState(folder), head);
    write(folder, SETUP, BREAKS);
    const changed = await describeState(folder);
    assert.match(changed, new RegExp(`^${head}\\+[0-9a-f]{8}$`));
    assert.equal(await describeState(folder), changed);
  });
});
