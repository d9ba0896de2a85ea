/**
 * Makes a clone ready to run: packages, the pinned Node, and the native core built from its
 * sources.
 *
 * Path: `npm start`, `npm test` and the other scripts come through here first, on whatever Node
 * runs npm. When everything is current it returns within milliseconds and prints nothing.
 * Invariant: safe to interrupt at any point and to run twice at once; the next run repairs what is
 * half done. Does not touch anything outside the clone, and installs nothing on the machine.
 */
import { existsSync, realpathSync } from 'node:fs';
import { basename, delimiter, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeLock } from './lock.mjs';
import { checkBuildTools, checkNpm, checkPlatform, isCompilerTested } from './machine.mjs';
import {
  areDependenciesCurrent,
  dependencyHash,
  dependencyStamp,
  FAILED,
  isNativeCurrent,
  nativeHash,
  nativeStamp,
  readStamp,
  removeStamp,
  writeStamp,
} from './stamps.mjs';
import { runStep, SetupFailure, say } from './step.mjs';

const ROOT = realpathSync(join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..'));
const LOGS = join(ROOT, 'build', 'setup');
const MAKE_JOBS = 2;

/** The directory of the clone that this set-up belongs to. */
export function projectRoot() {
  return ROOT;
}

/** The Node that runs everything of the project, from its package. */
export function pinnedNode() {
  return join(ROOT, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
}

/**
 * The environment without this clone's own `.bin`, which a fresh install is about to replace.
 *
 * @returns {NodeJS.ProcessEnv}
 */
function outsideEnv() {
  const inside = join(ROOT, 'node_modules') + sep;
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((dir) => !(dir + sep).startsWith(inside));
  return { ...process.env, PATH: path.join(delimiter) };
}

/** The command that runs npm: the npm that started us, or the one in PATH. */
function npmCommand() {
  const cli = process.env['npm_execpath'];
  const node = process.env['npm_node_execpath'];
  const isUsable = cli !== undefined && basename(cli) === 'npm-cli.js' && existsSync(cli);
  if (
    isUsable &&
    node !== undefined &&
    existsSync(node) &&
    !node.startsWith(join(ROOT, 'node_modules') + sep)
  ) {
    return { command: node, args: [cli] };
  }
  return { command: 'npm', args: [] };
}

/** @param {number | undefined} lockFd */
async function installDependencies(lockFd) {
  const npm = npmCommand();
  removeStamp(dependencyStamp(ROOT));
  const hash = dependencyHash(ROOT);
  const flags = [
    'ci',
    '--include=dev',
    '--include=optional',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
  ];
  await runStep({
    title: 'installing packages and the pinned Node (npm ci)',
    command: npm.command,
    args: [...npm.args, ...flags],
    cwd: ROOT,
    env: outsideEnv(),
    log: join(LOGS, 'npm-ci.log'),
    lockFd,
  });
  if (!existsSync(pinnedNode())) {
    throw new SetupFailure(
      `npm ci ended well but left out node-linux-${process.arch}, the pinned Node: check that npm may ` +
        'install optional packages here and that the registry has it, then run the command again.',
    );
  }
  writeStamp(dependencyStamp(ROOT), hash);
}

/** The environment of the build: the pinned Node first, and no npm setting that could redirect it. */
function buildEnv() {
  const env = outsideEnv();
  for (const name of Object.keys(env)) {
    // node-gyp lets these override its own command line, --nodedir included.
    if (/^npm_(config|package_config_node_gyp)_/i.test(name)) delete env[name];
  }
  // A make that started us must not hand its job server on.
  delete env['MAKEFLAGS'];
  delete env['MFLAGS'];
  env['PATH'] = `${dirname(pinnedNode())}${delimiter}${env['PATH']}`;
  return env;
}

/**
 * @param {boolean} isRebuild start from nothing
 * @param {number | undefined} lockFd
 */
async function buildNative(isRebuild, lockFd) {
  const hash = nativeHash(ROOT);
  const stamp = nativeStamp(ROOT);
  // Without a stamp an earlier build was cut short, and make cannot know which objects are whole.
  const isTrusted = !isRebuild && readStamp(stamp) !== undefined;
  removeStamp(stamp);
  const node = `node-linux-${process.arch}`;
  const defines = [
    `holdfast_headers=../../../node_modules/${node}/include/node`,
    `holdfast_werror=${isCompilerTested() ? 1 : 0}`,
  ];
  const verbs = isTrusted ? ['configure', 'build'] : ['rebuild'];
  try {
    await runStep({
      title: 'building the native core',
      command: pinnedNode(),
      args: [
        join(ROOT, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'),
        ...verbs,
        `--nodedir=../../node_modules/${node}`,
        `--jobs=${MAKE_JOBS}`,
      ],
      cwd: join(ROOT, 'native', 'epoll'),
      env: { ...buildEnv(), GYP_DEFINES: defines.join(' ') },
      log: join(LOGS, 'native.log'),
      lockFd,
    });
  } catch (error) {
    // A compiler error leaves whole objects behind; only an interruption does not.
    if (error instanceof SetupFailure && error.exitCode === 1) writeStamp(stamp, FAILED);
    throw error;
  }
  writeStamp(stamp, hash);
}

/**
 * Brings the clone up to date; prints short progress lines to stderr when there is something to do.
 *
 * @param {{ readonly isRebuild?: boolean }} [options]
 * @throws SetupFailure with a sentence for the user
 */
export async function prepare({ isRebuild = false } = {}) {
  const unfit = checkPlatform();
  if (unfit !== undefined) throw new SetupFailure(unfit);
  if (!isRebuild && areDependenciesCurrent(ROOT) && isNativeCurrent(ROOT)) return;
  const { fd, release } = await takeLock(ROOT, (who) => {
    say(`waiting for another set-up of this clone to finish (${who})`);
  });
  try {
    const needsPackages = !areDependenciesCurrent(ROOT);
    const needsBuild = isRebuild || needsPackages || !isNativeCurrent(ROOT);
    if (!needsBuild) return;
    const missing = checkBuildTools();
    if (needsPackages) missing.push(...checkNpm(npmCommand()));
    if (missing.length > 0) throw new SetupFailure(missing.join('\nholdfast: '));
    if (needsPackages) await installDependencies(fd);
    if (isRebuild || !isNativeCurrent(ROOT)) await buildNative(isRebuild, fd);
  } finally {
    release();
  }
}

/**
 * Prepares and explains a failure to the user.
 *
 * @param {{ readonly isRebuild?: boolean }} [options]
 * @returns {Promise<number>} 0, or the code to exit with
 */
export async function prepareOrExplain(options) {
  try {
    await prepare(options);
    return 0;
  } catch (error) {
    if (!(error instanceof SetupFailure)) throw error;
    say(error.message);
    return error.exitCode;
  }
}

if (
  process.argv[1] !== undefined &&
  realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
) {
  process.exitCode = await prepareOrExplain({ isRebuild: process.argv.includes('--rebuild') });
}
