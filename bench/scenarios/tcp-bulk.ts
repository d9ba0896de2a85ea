/**
 * One connection and one GiB, downwards, upwards, and back and forth.
 *
 * Path: see bulk.ts; plain TCP on both sides. Throughput is that of the whole machine, since origin
 * and generator share a core; CPU per MiB is the candidate's own. Does not measure latency.
 */
import { BULK_CLAIMS, BULK_FIGURES, measureBulk } from './bulk.ts';
import type { Scenario } from './scenario.ts';

/** See the header. */
export const tcpBulk: Scenario = {
  name: 'tcp-bulk',
  question:
    'How fast does 1 GiB go through one connection, and what does the gateway hold meanwhile?',
  groups: ['tcp'],
  figures: BULK_FIGURES,
  plots: [{ kind: 'bars', figure: 'down', title: 'Throughput of one connection, down' }],
  claims: BULK_CLAIMS,
  measure: (bench, tally) => measureBulk(bench, tally),
};
