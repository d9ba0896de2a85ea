/**
 * testssl.sh and sslyze: what they find beyond severity LOW is a failure, unless it is accepted.
 *
 * Path: main.ts runs them; accepted.json lists findings by id with the reason.
 * Invariant: a finding that is accepted and no longer found is a failure too, so that the list
 * stays short.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Row } from './page.ts';
import { RECORDS, type Rig } from './rig.ts';

/** One scanner. */
export interface Scanner {
  readonly name: string;
  readonly run: (rig: Rig, tell: (row: Row) => void) => Promise<void>;
}

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

/** A whole scan says more. */
const FINDINGS_MIN = 50;
const SCAN_MS = 15 * 60_000;
const SEVERE = new Set(['MEDIUM', 'HIGH', 'CRITICAL']);
const BUILD = fileURLToPath(new URL('../../build/interop', import.meta.url));
const ACCEPTED = JSON.parse(
  readFileSync(new URL('accepted.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, string>>;

function versionOf(program: string, args: readonly string[], pattern: RegExp): string | null {
  const { stdout, error } = spawnSync(program, args, { encoding: 'utf8' });
  return error === undefined ? (pattern.exec(stdout)?.[0] ?? null) : null;
}

function runTestssl(rig: Rig, records: string): Row {
  const version = versionOf('testssl', ['--version'], /testssl\s+\S+/);
  const row = { name: 'testssl', version: version ?? '', target: records };
  if (version === null) {
    return { ...row, result: 'skipped', says: 'not found' };
  }
  const file = join(rig.directory, `testssl-${records}.json`);
  const port = rig.port(`http-both-${records}`);
  spawnSync(
    'testssl',
    ['--quiet', '--color', '0', '--warnings', 'off', '--jsonfile', file, '--add-ca', rig.ca].concat(
      ['--ip', '127.0.0.1', `https://localhost:${port}`],
    ),
    { stdio: 'ignore', timeout: SCAN_MS },
  );
  const findings = JSON.parse(readFileSync(file, 'utf8')) as Finding[];
  const severe = findings.filter(({ severity }) => SEVERE.has(severity));
  const bad = severe.filter(({ id }) => ACCEPTED[idOf(id)] === undefined);
  const found = new Set(severe.map(({ id }) => idOf(id)));
  if (findings.length < FINDINGS_MIN) {
    return {
      ...row,
      result: 'FAILED',
      says: `only ${findings.length} findings: the scan broke off`,
    };
  }
  if (bad.length > 0) {
    const said = bad.map(({ id, severity, finding }) => `${id} ${severity}: ${finding}`);
    return {
      ...row,
      result: 'FAILED',
      says: said.join('; '),
    };
  }
  const accepted = [...found].map((id) => `${id} (${ACCEPTED[id]})`).join('; ');
  const says = `${findings.length} findings, none severe${accepted === '' ? '' : `; accepted: ${accepted}`}`;
  return { ...row, result: 'passed', says };
}

/** Ids of certificates carry a number in brackets when there are several. */
function idOf(id: string): string {
  return id.replace(/ <.*>$/, '');
}

/** The program, installed into the build directory where it is not on the path. */
function findSslyze(): string | null {
  const own = join(BUILD, 'venv', 'bin', 'sslyze');
  if (existsSync(own)) {
    return own;
  }
  try {
    execFileSync('python3', ['-m', 'venv', join(BUILD, 'venv')], { stdio: 'ignore' });
    const pip = join(BUILD, 'venv', 'bin', 'pip');
    execFileSync(pip, ['install', '--quiet', 'sslyze==6.3.1', 'tlslite-ng==0.9.0b2'], {
      stdio: 'ignore',
    });
    return existsSync(own) ? own : null;
  } catch {
    return null;
  }
}

/** What sslyze calls a weakness, as paths into its report that must have this value. */
const WANTED: readonly (readonly [string, unknown])[] = [
  ['heartbleed.result.is_vulnerable_to_heartbleed', false],
  ['openssl_ccs_injection.result.is_vulnerable_to_ccs_injection', false],
  ['robot.result.robot_result', 'NOT_VULNERABLE_RSA_NOT_SUPPORTED'],
  ['tls_compression.result.supports_compression', false],
  ['tls_extended_master_secret.result.supports_ems_extension', true],
  ['session_renegotiation.result.is_vulnerable_to_client_renegotiation_dos', false],
  ['session_renegotiation.result.supports_secure_renegotiation', true],
  ['ssl_2_0_cipher_suites.result.is_tls_version_supported', false],
  ['ssl_3_0_cipher_suites.result.is_tls_version_supported', false],
  ['tls_1_0_cipher_suites.result.is_tls_version_supported', false],
  ['tls_1_1_cipher_suites.result.is_tls_version_supported', false],
  ['tls_1_2_cipher_suites.result.is_tls_version_supported', true],
  ['tls_1_3_cipher_suites.result.is_tls_version_supported', true],
  ['tls_fallback_scsv.result.supports_fallback_scsv', true],
];

function lookUp(report: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((at, key) => {
    return typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined;
  }, report);
}

function runSslyze(rig: Rig, records: string, program: string): Row {
  const version = versionOf(
    join(BUILD, 'venv', 'bin', 'pip'),
    ['list', '--format=freeze'],
    /sslyze==\S+/,
  );
  const row = { name: 'sslyze', version: version ?? '', target: records };
  const file = join(rig.directory, `sslyze-${records}.json`);
  spawnSync(program, [`localhost:${rig.port(`http-both-${records}`)}`, '--json_out', file], {
    stdio: 'ignore',
    timeout: SCAN_MS,
  });
  const report = JSON.parse(readFileSync(file, 'utf8')) as unknown;
  const result = lookUp(report, 'server_scan_results.0.scan_result');
  const wrong = WANTED.filter(([path, value]) => lookUp(result, path) !== value).map(
    ([path]) => `${path}: ${JSON.stringify(lookUp(result, path))}`,
  );
  return wrong.length > 0
    ? { ...row, result: 'FAILED', says: wrong.join('; ') }
    : { ...row, result: 'passed', says: `${WANTED.length} checks` };
}

/** All of them. */
export const SCANNERS: readonly Scanner[] = [
  {
    name: 'testssl',
    run: async (rig, tell) => {
      for (const records of RECORDS) {
        tell(runTestssl(rig, records));
      }
    },
  },
  {
    name: 'sslyze',
    run: async (rig, tell) => {
      const program = findSslyze();
      if (program === null) {
        const row = { name: 'sslyze', version: '', target: '' };
        tell({ ...row, result: 'skipped', says: 'not to be had: needs python3 with venv and pip' });
        return;
      }
      for (const records of RECORDS) {
        tell(runSslyze(rig, records, program));
      }
    },
  },
];
