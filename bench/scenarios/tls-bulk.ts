/**
 * One TLS connection and one GiB, downwards, upwards, and back and forth.
 *
 * Path: see bulk.ts; the candidate opens or seals every byte once. TLS 1.3 with AES-128-GCM. Origin
 * and generator share a core, and the generator has the same ciphering to do: CPU per MiB is the
 * sound figure, the throughput is that of the whole machine.
 */
import { BULK_CLAIMS, BULK_FIGURES, measureBulk } from './bulk.ts';
import type { Scenario } from './scenario.ts';

/** See the header. */
export const tlsBulk: Scenario = {
  name: 'tls-bulk',
  question: 'How fast does 1 GiB go through one TLS connection, and what does a MiB cost?',
  groups: ['tls'],
  tlsVersions: ['1.3'],
  figures: BULK_FIGURES,
  plots: [
    { kind: 'bars', figure: 'down', title: 'Throughput of one TLS connection, down' },
    { kind: 'bars', figure: 'downCpu', title: 'CPU per MiB down over TLS' },
  ],
  claims: BULK_CLAIMS,
  measure: (bench, tally) => measureBulk(bench, tally, '1.3'),
};
