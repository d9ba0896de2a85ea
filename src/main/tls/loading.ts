/**
 * What loading one listener's or cluster's TLS is done with, and the steps that both share.
 *
 * Path: listener-tls.ts and cluster-tls.ts, under material.ts.
 * Invariant: whatever goes wrong is reported at the value of the configuration that has to change.
 */
import type { TlsCertificateInput, TlsCheck, TlsConfigInput } from '../../../native/epoll/index.ts';
import type { ClientAuthConfig, KeyPairConfig, TlsTuning, ValuePath } from '../config/index.ts';
import type { FileSet } from './file-set.ts';
import type { OwnCertificate, TlsFinding } from './material.ts';
import { crlEndMs, readOcsp } from './validity.ts';

/** One load under way. */
export interface Loading {
  readonly files: FileSet;
  /** Null: the core is not there to ask. */
  readonly check: ((input: TlsConfigInput) => TlsCheck) | null;
  readonly nowSeconds: number;
  readonly report: (finding: TlsFinding) => void;
  readonly certificates: OwnCertificate[];
}

export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Certificates that end within this time are worth a warning. */
const ENDING_WITHIN_SECONDS = 14 * 86_400;
/** Permission bits that let others than the owner read. */
const OTHERS_READ = 0o044;

/** Reads a file; what it cannot read is reported at `path`. */
export function readFile(file: string, path: ValuePath, loading: Loading): Buffer | null {
  const read = loading.files.read(file);
  if (read.ok) return read.bytes;
  const message = `${String(path.at(-1))}: ${file} ${read.reason}`;
  const hint = 'relative paths start at the configuration file';
  loading.report({ name: 'unreadableFile', path, message, hint });
  return null;
}

/** Reads a certificate with what belongs to it; null when a file is missing or wrong. */
export function readPair(
  pair: KeyPairConfig & { readonly ocsp?: string | null },
  path: ValuePath,
  loading: Loading,
): TlsCertificateInput | null {
  const chain = readFile(pair.cert, [...path, 'cert'], loading);
  const key = readFile(pair.key, [...path, 'key'], loading);
  const file = pair.ocsp ?? null;
  const ocsp = file === null ? NO_BYTES : readFile(file, [...path, 'ocsp'], loading);
  warnOfExposure(pair.key, [...path, 'key'], loading);
  if (chain === null || key === null || ocsp === null) return null;
  const isGood = file === null || checkOcsp(file, { ocsp, path: [...path, 'ocsp'] }, loading);
  return isGood ? { chain, key, ocsp } : null;
}

function checkOcsp(
  file: string,
  { ocsp, path }: { readonly ocsp: Uint8Array; readonly path: ValuePath },
  loading: Loading,
): boolean {
  const read = readOcsp(Buffer.from(ocsp));
  if ('fault' in read) {
    const message = `ocsp: ${file} ${read.fault}`;
    loading.report({ name: 'badCertificate', path, message, hint: '' });
    return false;
  }
  warnOfAge(`ocsp: ${file}`, { endMs: read.endMs, path }, loading);
  return true;
}

/** Warns of what should have been renewed by now. */
function warnOfAge(
  what: string,
  { endMs, path }: { readonly endMs: number; readonly path: ValuePath },
  loading: Loading,
): void {
  if (endMs / 1000 > loading.nowSeconds) return;
  const day = new Date(endMs).toISOString().slice(0, 10);
  const message = `${what} should have been renewed by ${day}`;
  const hint = 'peers that are checked with it are refused';
  loading.report({ name: 'statusStale', path, message, hint });
}

function warnOfExposure(file: string, path: ValuePath, loading: Loading): void {
  const read = loading.files.read(file);
  if (!read.ok || (read.mode & OTHERS_READ) === 0) return;
  const message = `key: others than its owner can read ${file}`;
  loading.report({ name: 'keyExposed', path, message, hint: `chmod 600 ${file}` });
}

/** Reads what peers are checked against. */
export function readAuthorities(
  from: Pick<ClientAuthConfig, 'ca' | 'crl'>,
  path: ValuePath,
  loading: Loading,
): { readonly ca: Uint8Array; readonly crl: Uint8Array } {
  const read = (file: string | null, key: string): Uint8Array =>
    file === null ? NO_BYTES : (readFile(file, [...path, key], loading) ?? NO_BYTES);
  const authorities = { ca: read(from.ca, 'ca'), crl: read(from.crl, 'crl') };
  if (from.crl !== null) {
    const at = { endMs: crlEndMs(Buffer.from(authorities.crl)), path: [...path, 'crl'] };
    warnOfAge(`crl: ${from.crl}`, at, loading);
  }
  return authorities;
}

/** The part of an input that both sides have. */
export function tuningOf(
  tls: TlsTuning,
): Pick<TlsConfigInput, 'engine' | 'policy' | 'records' | 'suites12' | 'suites13' | 'groups'> {
  const { policy, records, suites12, suites13, groups } = tls;
  return { engine: tls.engine ?? '', policy, records, suites12, suites13, groups };
}

/** Asks the core; an input that it cannot even read is a problem like any other. */
export function askCore(input: TlsConfigInput, loading: Loading): TlsCheck {
  if (loading.check === null) return { problem: null, certificates: [] };
  try {
    return loading.check(input);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { problem: { domain: -1, certificate: -1, text }, certificates: [] };
  }
}

/** Which part of a certificate a sentence of the core is about. */
export function partOfPair(text: string): 'cert' | 'key' {
  return /^(?:the key|there is no private key)/.test(text) ? 'key' : 'cert';
}

/**
 * Reports a sentence of the core that is about settings, at the setting. True when it is about one
 * that all domains share.
 */
export function reportSetting(
  text: string,
  places: { readonly tls: ValuePath; readonly authorities: ValuePath },
  settings: { readonly tls: TlsTuning; readonly loading: Loading },
): boolean {
  const { tls, loading } = settings;
  const at = (key: string): ValuePath => [...places.tls, key];
  const suite = /cipher suite "(.*)"/.exec(text)?.[1];
  const isCrl = /\bCRLs?\b/.test(text);
  if (isCrl || /\bCA's text|authorit/.test(text)) {
    const path = [...places.authorities, isCrl ? 'crl' : 'ca'];
    loading.report({ name: 'badAuthority', path, message: text, hint: '' });
    return false;
  }
  const isIn12 = suite !== undefined && tls.suites12.split(':').includes(suite);
  const path =
    suite !== undefined
      ? at(isIn12 ? 'ciphers' : 'ciphersTls13')
      : /group/.test(text)
        ? at('groups')
        : /engine/.test(text)
          ? at('engine')
          : places.tls;
  loading.report({ name: 'badTlsOptions', path, message: text, hint: '' });
  return true;
}

/** Notes a certificate that will be used, and warns when it ends soon. */
export function noteCertificate(
  certificate: OwnCertificate,
  path: ValuePath,
  loading: Loading,
): void {
  loading.certificates.push(certificate);
  const { notAfter, file } = certificate;
  const leftSeconds = notAfter - loading.nowSeconds;
  if (leftSeconds > ENDING_WITHIN_SECONDS) return;
  const day = new Date(notAfter * 1000).toISOString().slice(0, 10);
  const message = `cert: ${file} ends on ${day}`;
  loading.report({ name: 'certificateEnding', path, message, hint: 'renew it' });
}
