/**
 * What native filters counted, as Prometheus families.
 *
 * Path: the board's numbers, in the order of the core's own table -> here -> metrics.ts.
 * Invariant: a use of a filter is shown from its first decision on; of a gateway without native
 * filters nothing is read.
 */
import type { CoreSources } from './core-metrics.ts';
import type { Family } from './exposition.ts';
import { type Row, type Shown, tableFamilies } from './table-families.ts';

/** Counters of `holdfast/compression`, which other filters have not. */
const CODING: Readonly<Record<string, Shown>> = Object.fromEntries([
  ...Object.entries({ gzip: 'gzip', brotli: 'br', zstd: 'zstd' }).flatMap(([key, algorithm]) => [
    [
      `${key}Responses`,
      {
        name: 'holdfast_compression_responses_total',
        labels: { algorithm },
        help: 'Responses that were compressed.',
      },
    ],
    ...(['In', 'Out'] as const).map((way) => [
      `${key}Bytes${way}`,
      {
        name: 'holdfast_compression_bytes_total',
        labels: { algorithm, direction: way.toLowerCase() },
        help: 'Content that went into compressors, and what came out.',
      },
    ]),
  ]),
  ['uncompressed', { name: 'holdfast_compression_skipped_total' }],
]);

/** One family for each counter of native filters. */
export function policyFamilies({ abi, board, ids }: CoreSources): Family[] {
  const rows = [...ids.policies()].flatMap(({ site, name, id }): Row[] => {
    const values = board.policyCounters(id);
    return values.some((value) => value > 0) ? [{ labels: { filter: name, site }, values }] : [];
  });
  const isCoding = abi.policyCounters.map(({ name }) => name in CODING);
  const coded = rows.filter(({ values }) => values.some((value, i) => isCoding[i] && value > 0));
  const namesOf = (isOf: boolean): Set<string> =>
    new Set(abi.policyCounters.filter((_, i) => isCoding[i] === isOf).map(({ name }) => name));
  const prefix = 'holdfast_policy';
  return [
    ...tableFamilies(abi.policyCounters, rows, { prefix, names: {}, skipped: namesOf(true) }),
    ...tableFamilies(abi.policyCounters, coded, {
      prefix,
      names: CODING,
      skipped: namesOf(false),
    }),
  ];
}
