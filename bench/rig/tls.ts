/**
 * The certificate that every candidate terminates TLS with, made for one measurement.
 *
 * Path: a rig with TLS makes it in its own folder and hands the paths to the candidate.
 * Invariant: everybody has the same kind: ECDSA on P-256, self-signed. What clients offer is said
 * by the flags of a load, one version, one suite and one group, so nobody can negotiate something
 * else.
 * Does not verify anything: the load generator checks the signature of the handshake, not the
 * issuer.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain, UsageFailure } from './failure.ts';
import type { LoadFlags } from './load.ts';

/** What a candidate terminates TLS with. Paths. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  /** Both in one file, for those who want it so. */
  readonly both: string;
}

/** Versions that the scenarios measure. */
export const TLS_VERSIONS = ['1.3', '1.2'] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** The suites of the scenarios, by the names of OpenSSL. */
const SUITES: Readonly<Record<TlsVersion, string>> = {
  '1.3': 'TLS_AES_128_GCM_SHA256',
  '1.2': 'ECDHE-ECDSA-AES128-GCM-SHA256',
};
const GROUP = 'X25519';
const SERVER_NAME = 'bench.test';
const DAYS = '30';

/** Makes key and certificate. @throws UsageFailure when OpenSSL's program is missing. */
export function makeCertificate(folder: string): TlsFiles {
  const certificate = join(folder, 'certificate.pem');
  const key = join(folder, 'key.pem');
  const both = join(folder, 'certificate-and-key.pem');
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = ['-subj', `/CN=${SERVER_NAME}`, '-addext', `subjectAltName=DNS:${SERVER_NAME}`];
  const paths = ['-keyout', key, '-out', certificate];
  try {
    execFileSync('openssl', ['req', '-x509', ...curve, ...names, '-days', DAYS, ...paths], {
      stdio: 'pipe',
    });
  } catch (cause) {
    throw new UsageFailure(
      `openssl could not make a certificate (npm run bench -- setup tls): ${explain(cause).split('\n')[0]}`,
      { cause },
    );
  }
  writeFileSync(both, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'));
  return { certificate, key, both };
}

/** OpenSSL of the system, which nginx and HAProxy have, and of Node, which Holdfast has. */
export function describeOpenssl(): string {
  const system = execFileSync('openssl', ['version'], { encoding: 'utf8' }).split(' ')[1];
  return `${system} of the system, ${process.versions.openssl} in Node`;
}

/** The flags of a load that speaks TLS. */
export function tlsFlags(version: TlsVersion, suite: string = SUITES[version]): LoadFlags {
  return { tls: version, suite, group: GROUP, 'server-name': SERVER_NAME };
}

/** What the load says it negotiated when everything was as offered. */
export function negotiatedName(version: TlsVersion, suite: string = SUITES[version]): string {
  return `TLSv${version} ${suite} ${GROUP}`;
}
