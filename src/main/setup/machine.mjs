/**
 * Says what this machine lacks to build and run Holdfast, in sentences a person can act on.
 *
 * Path: prepare.mjs asks before it installs or builds anything. Plain JavaScript that runs on Node
 * 20 with nothing installed.
 * Invariant: each thing that is missing gives exactly one sentence with its remedy, and all of them
 * are reported at once. Does not install anything.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The oldest Node that can run the set-up; the gateway itself runs on the pinned one. */
export const NODE_MAJOR_MIN = 20;
const ARCHITECTURES = ['x64', 'arm64'];
const CXX_MAJOR_MIN = 12;
/** Compilers whose warnings are known, so that a warning may stop the build. */
const CXX_MAJORS_TESTED = [12];

const PROBE = '#include <bit>\n#include <concepts>\n#include <span>\nint main() { return 0; }\n';

/** @typedef {{ readonly stdout: string, readonly stderr: string, readonly found: boolean, readonly ok: boolean }} Probe */

/**
 * Runs a small command to see whether it is there.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} [input]
 * @returns {Probe}
 */
function probe(command, args, input = '') {
  const result = spawnSync(command, [...args], { encoding: 'utf8', input, timeout: 30_000 });
  return {
    stdout: result.stdout ?? '',
    stderr: result.stderr ?? '',
    found: result.error === undefined,
    ok: result.status === 0,
  };
}

/**
 * The command that installs packages on this distribution.
 *
 * @param {{ readonly debian: string, readonly fedora: string, readonly arch: string }} names
 */
function installCommand(names) {
  let release = '';
  try {
    release = readFileSync('/etc/os-release', 'utf8');
  } catch {
    // A machine without os-release gets the Debian names, which most people can translate.
  }
  const family = /^ID(?:_LIKE)?=.*$/gm;
  const ids = (release.match(family) ?? []).join(' ');
  if (/fedora|rhel|centos|suse/.test(ids)) return `sudo dnf install ${names.fedora}`;
  if (/\barch\b/.test(ids)) return `sudo pacman -S ${names.arch}`;
  return `sudo apt-get install ${names.debian}`;
}

/** The compiler that the build uses: `CXX`, or g++. */
export function compilerCommand() {
  return process.env['CXX'] || 'g++';
}

/** True when a compiler warning should stop the build: only with compilers the project is tested with. */
export function isCompilerTested() {
  const version = probe(compilerCommand(), ['-dumpversion']).stdout.trim();
  return CXX_MAJORS_TESTED.includes(Number.parseInt(version, 10));
}

/**
 * What makes this platform unfit, or undefined. Costs nothing, so it runs every time.
 *
 * @returns {string | undefined}
 */
export function checkPlatform() {
  if (process.platform !== 'linux') {
    return (
      `Holdfast runs on Linux only (it is built on epoll), and this is ${process.platform}: ` +
      'use a Linux machine, a virtual machine or a container.'
    );
  }
  if (!ARCHITECTURES.includes(process.arch)) {
    return (
      `Holdfast runs on ${ARCHITECTURES.join(' and ')}, and this Node is built for ` +
      `${process.arch}: install a 64-bit Node on a 64-bit machine.`
    );
  }
  return undefined;
}

/** @returns {string | undefined} */
function checkCompiler() {
  const command = compilerCommand();
  const install = installCommand({ debian: 'g++', fedora: 'gcc-c++', arch: 'gcc' });
  const flags = ['-std=c++20', '-ftrivial-auto-var-init=zero', '-fsyntax-only', '-x', 'c++', '-'];
  const trial = probe(command, flags, PROBE);
  if (!trial.found) {
    return `A C++ compiler is missing (${command}): install g++ ${CXX_MAJOR_MIN} or newer, for example with "${install}".`;
  }
  if (!trial.ok) {
    const version = probe(command, ['-dumpfullversion', '-dumpversion']).stdout.trim();
    const reason = trial.stderr.trim().split('\n')[0] ?? '';
    return (
      `${command} ${version} cannot compile C++20 here (${reason}): install g++ ${CXX_MAJOR_MIN} ` +
      `or newer with its C library headers, for example with "${install}", or name another compiler in CXX.`
    );
  }
  return undefined;
}

/** @returns {string | undefined} */
function checkMake() {
  if (probe('make', ['--version']).ok) return undefined;
  const install = installCommand({ debian: 'make', fedora: 'make', arch: 'make' });
  return `make is missing: install it, for example with "${install}".`;
}

/** @returns {string | undefined} */
function checkPython() {
  const script = 'import sys; sys.exit(0 if sys.version_info >= (3, 8) else 1)';
  const trial = probe('python3', ['-c', script]);
  if (trial.ok) return undefined;
  const install = installCommand({ debian: 'python3', fedora: 'python3', arch: 'python' });
  const what = trial.found ? 'python3 is older than 3.8' : 'python3 is missing';
  return `${what}; the build of the native core needs it: install it, for example with "${install}".`;
}

/**
 * Whether npm can be run; asked only when there is something to install.
 *
 * @param {{ readonly command: string, readonly args: readonly string[] }} npm
 * @returns {string[]} as checkBuildTools() does
 */
export function checkNpm({ command, args }) {
  if (probe(command, [...args, '--version']).ok) return [];
  const install = installCommand({ debian: 'npm', fedora: 'npm', arch: 'npm' });
  return [`npm is missing: install it, for example with "${install}".`];
}

/** @returns {string | undefined} */
function checkLibc() {
  // The pinned Node is linked against glibc; the report is the one place that names the C library.
  const report = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (
    /** @type {unknown} */ (process.report.getReport())
  );
  if (report.header.glibcVersionRuntime !== undefined) return undefined;
  return 'Holdfast needs glibc, and this machine has another C library (Alpine has musl): use Debian, Ubuntu or Fedora.';
}

/**
 * What is missing to build the native core, one sentence each; empty when nothing is.
 *
 * @returns {string[]}
 */
export function checkBuildTools() {
  return [checkLibc(), checkCompiler(), checkMake(), checkPython()].filter(
    (sentence) => sentence !== undefined,
  );
}
