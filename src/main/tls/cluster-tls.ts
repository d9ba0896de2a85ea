/**
 * A cluster's TLS: whom its endpoints are checked against, and what they are shown.
 *
 * Path: material.ts -> here -> {@link TlsConfigInput}.
 * Invariant: endpoints are checked against somebody unless the configuration says otherwise: the
 * cluster's own CA, else the machine's, else the authorities that Node brings.
 */
import { rootCertificates } from 'node:tls';
import type { TlsConfigInput } from '../../../native/epoll/index.ts';
import type { ClusterTlsConfig, ValuePath } from '../config/index.ts';
import {
  askCore,
  type Loading,
  NO_BYTES,
  noteCertificate,
  partOfPair,
  readAuthorities,
  readPair,
  reportSetting,
  tuningOf,
} from './loading.ts';

/** Where distributions keep what they trust. */
const MACHINE_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Intermediate certificates in an endpoint's chain. */
const DEPTH_MAX = 8;
/** How long a ticket of an endpoint is worth trying; endpoints say how long it really lasts. */
const TICKET_SECONDS = 7200;

/** A cluster whose TLS is loaded. */
export interface ClusterTlsSource {
  readonly name: string;
  readonly tls: ClusterTlsConfig;
  readonly path: ValuePath;
}

/** Reads and judges one cluster's TLS. What is wrong is left out of the input, and reported. */
export function loadClusterTls(source: ClusterTlsSource, loading: Loading): TlsConfigInput {
  const { name, tls, path } = source;
  const pair = tls.certificate === null ? null : readPair(tls.certificate, path, loading);
  const ca = tls.isPeerUnchecked ? NO_BYTES : authoritiesFor(source, loading);
  const input: TlsConfigInput = {
    name,
    role: 'originating',
    ...tuningOf(tls),
    isServerNameRequired: false,
    isPeerUnchecked: tls.isPeerUnchecked,
    tickets: tls.hasTickets ? 1 : 0,
    ticketSeconds: TICKET_SECONDS,
    domains: [
      {
        names: [],
        certificates: pair === null ? [] : [pair],
        alpn: tls.alpn,
        clientAuth: 'off',
        depthMax: DEPTH_MAX,
        ca,
        crl: NO_BYTES,
      },
    ],
  };
  const isLost = tls.ca !== null && !loading.files.read(tls.ca).ok;
  if (isLost) return input;
  const { problem, certificates } = askCore(input, loading);
  if (problem !== null) {
    if (problem.certificate >= 0) {
      const part = partOfPair(problem.text);
      const message = `${part}: ${problem.text}`;
      loading.report({ name: 'badCertificate', path: [...path, part], message, hint: '' });
    } else {
      reportSetting(problem.text, { tls: path, authorities: path }, { tls, loading });
    }
    return input;
  }
  for (const facts of certificates) {
    const { subject, fingerprint, keyKind, notBefore, notAfter } = facts;
    const file = tls.certificate?.cert ?? '';
    const own = { kind: 'cluster', owner: name, names: [], file, isStapled: false } as const;
    const certificate = { ...own, subject, fingerprint, keyKind, notBefore, notAfter };
    noteCertificate(certificate, [...path, 'cert'], loading);
  }
  return input;
}

function authoritiesFor(source: ClusterTlsSource, loading: Loading): Uint8Array {
  const { ca } = source.tls;
  if (ca !== null) return readAuthorities({ ca, crl: null }, source.path, loading).ca;
  for (const bundle of MACHINE_BUNDLES) {
    const read = loading.files.read(bundle);
    if (read.ok && read.bytes.length > 0) return read.bytes;
  }
  return Buffer.from(rootCertificates.join('\n'));
}
