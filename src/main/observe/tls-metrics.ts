/**
 * What main knows about TLS, as Prometheus families: certificates, loads of their files, ticket
 * keys.
 *
 * Path: gateway-metrics.ts connects the sources -> here -> metrics.ts. Handshakes are counted by
 * the core.
 * Invariant: certificates are named by subject and fingerprint; nothing secret is shown.
 */
import { type Family, many, one } from './exposition.ts';

/** Where the figures come from. */
export interface TlsSources {
  readonly certificates: () => readonly {
    readonly kind: 'listener' | 'cluster';
    readonly owner: string;
    readonly subject: string;
    readonly fingerprint: string;
    /** Seconds since 1970. */
    readonly notAfter: number;
  }[];
  readonly tlsReloads: () => {
    readonly byResult: Readonly<Record<string, number>>;
    readonly lastSuccessSeconds: number;
  };
  /** Null when no listener has TLS. */
  readonly ticketKeyAgeMs: () => number | null;
}

/** All families of TLS. */
export function tlsFamilies(sources: TlsSources): Family[] {
  const { byResult, lastSuccessSeconds } = sources.tlsReloads();
  const ageMs = sources.ticketKeyAgeMs();
  return [
    {
      name: 'holdfast_tls_cert_not_after_timestamp_seconds',
      kind: 'gauge',
      help: 'When a certificate of ours, or one of its chain, ends, in seconds since 1970.',
      samples: sources.certificates().map(({ kind, owner, subject, fingerprint, notAfter }) => ({
        labels: { [kind]: owner, subject, fingerprint },
        value: notAfter,
      })),
    },
    many(
      {
        kind: 'counter',
        name: 'holdfast_tls_reloads_total',
        help: 'Loads of certificates, keys and authorities since the start, by what came of them.',
      },
      'result',
      Object.entries(byResult),
    ),
    one(
      {
        kind: 'gauge',
        name: 'holdfast_tls_last_reload_success_timestamp_seconds',
        help: 'When such files were last loaded with success since the start; 0: never.',
      },
      lastSuccessSeconds,
    ),
    {
      kind: 'gauge',
      name: 'holdfast_tls_ticket_key_age_seconds',
      help: 'How long the present key has sealed tickets; not there without TLS.',
      samples: ageMs === null ? [] : [{ labels: {}, value: ageMs / 1000 }],
    },
  ];
}
