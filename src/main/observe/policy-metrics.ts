/**
 * What native filters counted, as Prometheus families.
 *
 * Path: the board's numbers, in the order of the core's own table -> here -> metrics.ts.
 * Invariant: a use of a filter is shown from its first decision on; of a gateway without native
 * filters nothing is read.
 */
import type { CoreSources } from './core-metrics.ts';
import type { Family } from './exposition.ts';
import { type Row, tableFamilies } from './table-families.ts';

/** One family for each counter of native filters. */
export function policyFamilies({ abi, board, ids }: CoreSources): Family[] {
  const rows = [...ids.policies()].flatMap(({ site, name, id }): Row[] => {
    const values = board.policyCounters(id);
    return values.some((value) => value > 0) ? [{ labels: { filter: name, site }, values }] : [];
  });
  return tableFamilies(abi.policyCounters, rows, {
    prefix: 'holdfast_policy',
    names: {},
    skipped: new Set(),
  });
}
