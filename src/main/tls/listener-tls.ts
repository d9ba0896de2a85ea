/**
 * A listener's TLS: its certificates read, sorted by name, and tried by the core.
 *
 * Path: material.ts -> here -> {@link TlsConfigInput}.
 * Invariant: everything that is wrong is found in one load, though the core names one thing at a
 * time. Takes as long as two checks of each certificate at most.
 */
import type {
  TlsCertificateInput,
  TlsCheck,
  TlsConfigInput,
  TlsDomainInput,
} from '../../../native/epoll/index.ts';
import type {
  ClientAuthConfig,
  ListenerCertificateConfig,
  ListenerTlsConfig,
  ValuePath,
} from '../config/index.ts';
import { readLeaf } from './certificate.ts';
import { type Claim, type Conflict, type DomainPlan, planDomains } from './domains.ts';
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

/** A listener whose TLS is loaded. */
export interface ListenerTlsSource {
  readonly name: string;
  readonly tls: ListenerTlsConfig;
  readonly path: ValuePath;
}

interface Entry {
  readonly claim: Claim;
  readonly config: ListenerCertificateConfig;
  readonly pair: TlsCertificateInput;
  /** Where its clientAuth stands. */
  readonly authPath: ValuePath;
  readonly auth: ClientAuthConfig;
}

/** Reads and judges one listener's TLS. What is wrong is left out of the input, and reported. */
export function loadListenerTls(source: ListenerTlsSource, loading: Loading): TlsConfigInput {
  const entries = readEntries(source, loading);
  const { domains, conflicts } = planDomains(entries.map(({ claim }) => claim));
  for (const conflict of conflicts) reportConflict(conflict, source, loading);
  const input = makeInput(source, entries, { domains, loading });
  if (domains.length === 0) return input;
  const { problem, certificates } = askCore(input, loading);
  if (problem === null) noteCertificates({ source, entries, domains }, certificates, loading);
  else reportAll({ source, entries, domains }, loading);
  return input;
}

/** A listener's certificates, sorted. */
interface Sorted {
  readonly source: ListenerTlsSource;
  readonly entries: readonly Entry[];
  readonly domains: readonly DomainPlan[];
}

/** Finds everything that is wrong: the core names one thing at a time, so each domain is asked for. */
function reportAll(sorted: Sorted, loading: Loading): void {
  for (const domain of sorted.domains) {
    if (reportDomain(domain, sorted, loading) === 'shared') return;
  }
}

/** Finds what is wrong with a domain; `shared`: it is a setting that all domains have. */
function reportDomain(
  { names, claims }: DomainPlan,
  { source, entries }: Sorted,
  loading: Loading,
): 'own' | 'shared' {
  let rest = claims;
  while (rest.length > 0) {
    const only = { domains: [{ names, claims: rest }], loading };
    const { problem } = askCore(makeInput(source, entries, only), loading);
    if (problem === null) return 'own';
    const wrong = rest[problem.certificate];
    if (wrong === undefined) {
      const entry = entries.find(({ claim }) => claim === claims[0]);
      const authorities = entry?.authPath ?? [...source.path, 'clientAuth'];
      const places = { tls: source.path, authorities };
      const isShared = reportSetting(problem.text, places, { tls: source.tls, loading });
      return isShared ? 'shared' : 'own';
    }
    reportCertificate(problem.text, certificatePath(source, wrong), loading);
    rest = rest.filter((claim) => claim !== wrong);
  }
  return 'own';
}

function certificatePath(source: ListenerTlsSource, claim: Claim): ValuePath {
  return [...source.path, 'certificates', claim.position];
}

function readEntries(source: ListenerTlsSource, loading: Loading): Entry[] {
  const { tls, path } = source;
  return tls.certificates.flatMap((config, position) => {
    const at = [...path, 'certificates', position];
    const pair = readPair(config, at, loading);
    if (pair === null) return [];
    const leaf = readLeaf(Buffer.from(pair.chain));
    if (leaf === null) {
      reportCertificate(`there is no certificate in ${config.cert}`, at, loading);
      return [];
    }
    const hasOwnAuth = config.clientAuth !== null;
    const auth = config.clientAuth ?? tls.clientAuth;
    const claim: Claim = {
      position,
      names: config.names ?? leaf.names,
      isExplicit: config.names !== null,
      keyKind: leaf.keyKind,
      clientAuth: JSON.stringify([auth.mode, auth.ca, auth.crl, auth.depth]),
      isDefault: config.isDefault,
    };
    const authPath = hasOwnAuth ? [...at, 'clientAuth'] : [...path, 'clientAuth'];
    return [{ claim, config, pair, authPath, auth }];
  });
}

function makeInput(
  source: ListenerTlsSource,
  entries: readonly Entry[],
  parts: { readonly domains: readonly DomainPlan[]; readonly loading: Loading },
): TlsConfigInput {
  const { name, tls } = source;
  const byPosition = new Map(entries.map((entry) => [entry.claim.position, entry]));
  return {
    name,
    role: 'terminating',
    ...tuningOf(tls),
    isServerNameRequired: tls.isServerNameRequired,
    isPeerUnchecked: false,
    tickets: tls.tickets,
    ticketSeconds: tls.ticketSeconds,
    domains: parts.domains.map((plan) => {
      const members = plan.claims.flatMap(({ position }) => byPosition.get(position) ?? []);
      return makeDomain(plan.names, members, { tls, loading: parts.loading });
    }),
  };
}

function makeDomain(
  names: readonly string[],
  members: readonly Entry[],
  parts: { readonly tls: ListenerTlsConfig; readonly loading: Loading },
): TlsDomainInput {
  const [first] = members;
  const auth = first?.auth ?? parts.tls.clientAuth;
  const isAsked = auth.mode !== 'off' && first !== undefined;
  const { ca, crl } = isAsked
    ? readAuthorities(auth, first.authPath, parts.loading)
    : { ca: NO_BYTES, crl: NO_BYTES };
  // What is not there was reported; without it the core can still judge the rest.
  const isLost = auth.ca === null || !parts.loading.files.read(auth.ca).ok;
  return {
    names,
    certificates: members.map(({ pair }) => pair),
    alpn: parts.tls.alpn,
    clientAuth: isAsked && isLost ? 'off' : auth.mode,
    depthMax: auth.depth,
    ca,
    crl,
  };
}

function reportCertificate(text: string, path: ValuePath, loading: Loading): void {
  const part = partOfPair(text);
  const at = [...path, part];
  loading.report({ name: 'badCertificate', path: at, message: `${part}: ${text}`, hint: '' });
}

const CONFLICT_HINTS: Readonly<Record<Conflict['reason'], string>> = {
  'same-kind': 'their keys are of the same kind; "names" says which one answers for which names',
  'other-clients': 'what they ask of clients differs; set the same "clientAuth" on both',
  nameless: 'set "names", or "default: true"',
  'two-defaults': 'keep one; certificates for the same names may both be the default',
};

function reportConflict(conflict: Conflict, source: ListenerTlsSource, loading: Loading): void {
  const { first, second, name, reason } = conflict;
  const hint = CONFLICT_HINTS[reason];
  const path = certificatePath(source, second);
  const number = `certificate #${first.position + 1}`;
  if (reason === 'nameless') {
    const message = 'the certificate has no DNS name: no client would get it';
    loading.report({ name: 'tlsIncomplete', path: [...path, 'cert'], message, hint });
    return;
  }
  const placeOf = (claim: Claim): ValuePath => {
    const at = certificatePath(source, claim);
    if (reason === 'two-defaults') return [...at, 'default'];
    return claim.isExplicit ? [...at, 'names', claim.names.indexOf(name)] : [...at, 'cert'];
  };
  const message =
    reason === 'two-defaults'
      ? `${number} is the default already`
      : `server name "${name}" belongs to ${number} already`;
  const places = { path: placeOf(second), other: placeOf(first) };
  loading.report({ name: 'duplicateServerName', ...places, message, hint });
}

function noteCertificates(parts: Sorted, facts: TlsCheck['certificates'], loading: Loading): void {
  const { source, entries, domains } = parts;
  for (const { claim, config } of entries) {
    const used = domains.filter(({ claims }) => claims.includes(claim));
    const found = facts.find(
      ({ domain, certificate }) => domains[domain]?.claims[certificate] === claim,
    );
    if (found === undefined) continue;
    const { subject, fingerprint, keyKind, notBefore, notAfter } = found;
    const names = used.flatMap((domain) => domain.names);
    noteCertificate(
      {
        kind: 'listener',
        owner: source.name,
        names,
        file: config.cert,
        subject,
        fingerprint,
        keyKind,
        notBefore,
        notAfter,
        isStapled: config.ocsp !== null,
      },
      [...certificatePath(source, claim), 'cert'],
      loading,
    );
  }
}
