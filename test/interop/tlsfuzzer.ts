/**
 * tlsfuzzer: its scripts that apply to what is offered, run as a test peer.
 *
 * Path: main.ts starts it; tlsfuzzer.json says which scripts run with which arguments, which probes
 * are left out of them, and which scripts are left out, each with the reason.
 * Invariant: the program is fetched into the ignored build directory, or found where
 * HOLDFAST_TLSFUZZER says, and never part of the project. A script that the list does not know is
 * a failure.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Row } from './page.ts';
import { RECORDS, type Rig } from './rig.ts';

interface Script {
  readonly args?: readonly string[];
  /** rsa by default. */
  readonly listener?: string;
  /** Probes that are left out, under the reason. */
  readonly without?: Readonly<Record<string, readonly string[]>>;
  /** The same, where OpenSSL keeps its records. */
  readonly withoutOnOpenssl?: Readonly<Record<string, readonly string[]>>;
}

interface List {
  readonly commit: string;
  readonly run: Readonly<Record<string, Script>>;
  /** Names of scripts under the reason for which they do not run. */
  readonly leftOut: Readonly<Record<string, readonly string[]>>;
}

const BUILD = fileURLToPath(new URL('../../build/interop', import.meta.url));
const SOURCE = 'https://github.com/tlsfuzzer/tlsfuzzer';
const PACKAGE = 'tlslite-ng==0.9.0b2';
const SCRIPT_MS = 10 * 60_000;
const SAID_MAX = 400;
const LIST = JSON.parse(readFileSync(new URL('tlsfuzzer.json', import.meta.url), 'utf8')) as List;

/** Where it is and with which Python it runs; null when it cannot be had. */
function find(): { readonly directory: string; readonly python: string } | null {
  const directory = process.env['HOLDFAST_TLSFUZZER'] ?? join(BUILD, 'tlsfuzzer');
  const venv = join(BUILD, 'venv');
  const quietly = { stdio: 'ignore' } as const;
  try {
    if (!existsSync(join(directory, 'scripts'))) {
      execFileSync('git', ['clone', '--quiet', SOURCE, directory], quietly);
      execFileSync('git', ['-C', directory, 'checkout', '--quiet', LIST.commit], quietly);
    }
    if (!existsSync(join(venv, 'bin', 'pip'))) {
      execFileSync('python3', ['-m', 'venv', venv], quietly);
    }
    execFileSync(join(venv, 'bin', 'pip'), ['install', '--quiet', PACKAGE], quietly);
    return { directory, python: join(venv, 'bin', 'python') };
  } catch {
    return null;
  }
}

function runScript(
  place: { readonly directory: string; readonly python: string },
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly said: string }> {
  return new Promise((resolve) => {
    const child = spawn(place.python, args, {
      cwd: place.directory,
      env: { ...process.env, PYTHONPATH: place.directory },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), SCRIPT_MS);
    const hear = (piece: Buffer): void => {
      said += piece.toString('latin1');
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, said });
    });
  });
}

/** Probes that passed, and what failed. */
function judge(code: number | null, said: string): Pick<Row, 'result' | 'says'> {
  const passed = Number(/^PASS: (\d+)/m.exec(said)?.[1] ?? 0);
  const expected = Number(/^XFAIL: (\d+)/m.exec(said)?.[1] ?? 0);
  if (code === 0 && passed + expected > 0) {
    return { result: 'passed', says: `${passed + expected} probes` };
  }
  const failed = /^FAILED:\n((?:\t.*\n?)*)/m.exec(said)?.[1] ?? said.slice(-SAID_MAX);
  return { result: 'FAILED', says: failed.slice(0, SAID_MAX) };
}

/** Runs the scripts of the list against both ways of keeping records. */
export async function runTlsfuzzer(rig: Rig, tell: (row: Row) => void): Promise<void> {
  const base = { name: 'tlsfuzzer', version: LIST.commit.slice(0, 12) };
  const place = find();
  if (place === null) {
    const says =
      'not to be had: needs git, python3 with venv, and the network, or HOLDFAST_TLSFUZZER';
    tell({ ...base, version: '', target: '', result: 'skipped', says });
    return;
  }
  const listed = new Set([...Object.keys(LIST.run), ...Object.values(LIST.leftOut).flat()]);
  const there = readdirSync(join(place.directory, 'scripts'))
    .map((file) => /^test-(.*)\.py$/.exec(file)?.[1])
    .filter((name) => name !== undefined);
  for (const name of there.filter((each) => !listed.has(each))) {
    tell({ ...base, target: name, result: 'FAILED', says: 'is not in tlsfuzzer.json' });
  }
  for (const [name, script] of Object.entries(LIST.run)) {
    const { args = [], listener = 'rsa' } = script;
    for (const records of RECORDS) {
      const onOpenssl = records === 'openssl' ? script.withoutOnOpenssl : {};
      const without = { ...script.without, ...onOpenssl };
      const { code, said } = await runScript(place, [
        join('scripts', `test-${name}.py`),
        '-h',
        '127.0.0.1',
        '-p',
        `${rig.port(`http-${listener}-${records}`)}`,
        ...args,
        ...Object.values(without)
          .flat()
          .flatMap((probe) => ['-e', probe]),
      ]);
      const judged = judge(code, said);
      const left = Object.entries(without).map(
        ([why, names]) => `${names.length} left out: ${why}`,
      );
      const says = [judged.says, ...left].join('; ');
      tell({ ...base, target: `${name}, ${records}`, result: judged.result, says });
    }
  }
}
