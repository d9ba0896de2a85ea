/**
 * Filters that do not run in the order of their list: native ones are asked first, wherever they
 * stand.
 *
 * Path: check-config.ts warns of what is found here.
 * Invariant: only filters that are asked at the same moment are compared, in one list; a filter of
 * responses or messages, or of connections where requests are meant, is not in anybody's way.
 */
import { NEED } from '../../sdk/definition/index.ts';
import { isNativeFilter } from './builtin/index.ts';
import type { CheckedUse } from './check-uses.ts';
import type { FilterFinding, FilterSite, FilterUse } from './sites.ts';

/** True when a filter in TypeScript is asked where native ones are. */
function isAskedWithNative({ summary }: CheckedUse, isTcp: boolean): boolean {
  const { kind, needs } = summary;
  const hooks = isTcp ? NEED.accept | NEED.open : NEED.request | NEED.routed;
  return kind === (isTcp ? 'network' : 'stream') && (needs.mask & hooks) !== 0;
}

/** Native filters that stand behind one in TypeScript, each once. */
export function checkOrder(
  sites: readonly FilterSite[],
  checked: ReadonlyMap<FilterUse, CheckedUse>,
): FilterFinding[] {
  const findings: FilterFinding[] = [];
  /** The first filter in TypeScript of each list. */
  const firsts = new Map<string, FilterUse>();
  for (const { listener, route, isTcp } of sites) {
    for (const use of route ?? listener) {
      const list = JSON.stringify(use.path.slice(0, -1));
      const first = firsts.get(list);
      const found = checked.get(use);
      if (isNativeFilter(use.specifier) && first !== undefined) {
        const message = `"${use.specifier}" runs before "${first.specifier}", which stands in front of it`;
        const path = [...use.path, 'use'];
        findings.push({ path, file: '', line: 0, column: 0, message });
        continue;
      }
      const isFirst = first === undefined && found !== undefined;
      if (isFirst && isAskedWithNative(found, isTcp ?? false)) firsts.set(list, use);
    }
  }
  return findings;
}
