/**
 * The filters that a configuration names, where they stand, whatever else is wrong with it; and the
 * clusters that mirrors among them copy requests to.
 *
 * Path: load.ts lists them; src/main/filters checks each, so that faults of filters are shown
 * together with all others. Clusters of mirrors are checked with those of routes.
 * Invariant: takes any value whatsoever; what has the wrong shape is left to the schema, or to the
 * filter.
 */
import type { ValuePath } from './findings.ts';
import * as limit from './limits.ts';
import { asMap, type Item, items, type PlacedMap, type PlainMap, type Report } from './plain.ts';
import { parseFilterName } from './schema-filters.ts';

/** Where a filter stands, or what else it is for. */
export type FilterPlace =
  | 'listener'
  | 'tcp-listener'
  | 'route'
  | 'codec'
  | 'balancer'
  | 'discovery';

/** One use of a filter. */
export interface WrittenFilter {
  readonly path: ValuePath;
  readonly use: string;
  /** Null without. */
  readonly with: unknown;
  readonly place: FilterPlace;
}

const MIRROR = 'holdfast/mirror';

interface List {
  readonly raw: readonly unknown[];
  readonly path: ValuePath;
  readonly place: FilterPlace;
}

function listAt(map: PlainMap, path: ValuePath, place: FilterPlace): List[] {
  const raw = map['filters'];
  return Array.isArray(raw) ? [{ raw, path: [...path, 'filters'], place }] : [];
}

function listsOf({ map, path }: Item): List[] {
  const isHttp = map['protocol'] === 'http';
  const own = listAt(map, path, isHttp ? 'listener' : 'tcp-listener');
  const hosts = asMap(map['http'])['hosts'];
  if (!isHttp || !Array.isArray(hosts)) return own;
  const routes = hosts.flatMap((host: unknown, i) => {
    const list = asMap(host)['routes'];
    return (Array.isArray(list) ? list : []).flatMap((route: unknown, j) =>
      listAt(asMap(route), [...path, 'http', 'hosts', i, 'routes', j], 'route'),
    );
  });
  return [...own, ...routes];
}

function readUse(item: unknown, path: ValuePath, place: FilterPlace): WrittenFilter[] {
  const { use, with: config = null } = typeof item === 'string' ? { use: item } : asMap(item);
  if (typeof use !== 'string' || !parseFilterName(use).ok) return [];
  return [{ path, use, with: plain(config), place }];
}

function codecOf({ map, path }: Item): WrittenFilter[] {
  return map['protocol'] === 'http' ? [] : readUse(map['codec'], [...path, 'codec'], 'codec');
}

/** Balancers and discoveries of clusters. */
function listSteering(root: unknown): WrittenFilter[] {
  const kinds = ['balancer', 'discovery'] as const;
  return items(asMap(root), 'clusters').flatMap(({ map, path }) =>
    kinds.flatMap((kind) => readUse(map[kind], [...path, kind], kind)),
  );
}

/** All uses: those of listeners in the order of the file, then those of clusters. */
export function listFilters(root: unknown): WrittenFilter[] {
  const written = items(asMap(root), 'listeners').flatMap((listener) => [
    ...listsOf(listener).flatMap(({ raw, path, place }) =>
      raw.slice(0, limit.FILTERS_MAX).flatMap((item, i) => readUse(item, [...path, i], place)),
    ),
    ...codecOf(listener),
  ]);
  return [...written, ...listSteering(root)];
}

/** The filters of a listener and its routes that are written as maps. */
function listFilterMaps(item: Item): PlacedMap[] {
  return listsOf(item).flatMap(({ raw, path }) =>
    raw.map((value, i) => ({ map: asMap(value), path: [...path, i] })),
  );
}

/** Refuses lists that are too long. */
export function checkFilterLists(listeners: readonly Item[], report: Report): void {
  for (const { raw, path } of listeners.flatMap(listsOf)) {
    if (raw.length <= limit.FILTERS_MAX) continue;
    const message = `there are ${raw.length} filters, the limit is ${limit.FILTERS_MAX}`;
    report('tooMany', [...path, limit.FILTERS_MAX], message);
  }
}

/** Maps of the reader have no prototype; what filters are told has the one that people expect. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  // Not an assignment, which would take "__proto__" for the prototype.
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

/** What mirrors of a listener and its routes are told, as it is written. */
export function listWrittenMirrors(item: Item): PlacedMap[] {
  return listFilterMaps(item)
    .filter(({ map }) => map['use'] === MIRROR)
    .map(({ map, path }) => ({ map: asMap(map['with']), path: [...path, 'with'] }));
}
