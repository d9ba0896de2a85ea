/**
 * Finds routes that no request can reach, because another route of the host takes all of them.
 *
 * Path: check-routes-together.ts asks for each host.
 * Invariant: what is found is true: a route is named only when every request that fits it fits an
 * other one that goes before it. Not everything that is true is found: patterns are compared by
 * their text only, and several routes that cover one together are not seen.
 */
import type { HttpConditionInput } from '../../../native/epoll/index.ts';
import type { HttpRouteConfig } from './config.ts';

/** Routes for one path that are compared with each other; more are not looked at. */
const COMPARED_MAX = 256;

/** Longer paths are compared as a whole only. */
const PATH_CHARACTERS_MAX = 512;

/** A route that is never taken, and one that takes its requests: positions in the host. */
export interface Unreachable {
  readonly route: number;
  readonly by: number;
}

type Route = Pick<HttpRouteConfig, 'pathKind' | 'path' | 'methods' | 'headers' | 'query'>;

/** The same, with what is compared often. */
interface Entry {
  readonly at: number;
  readonly route: Route;
  readonly methods: ReadonlySet<string>;
  readonly conditions: ReadonlySet<string>;
  /** Among routes for the same path the smaller one goes first, item by item. */
  readonly rank: readonly number[];
}

function describe(kind: string, { name, ...rest }: HttpConditionInput): string {
  return JSON.stringify([kind, kind === 'header' ? name.toLowerCase() : name, rest]);
}

function toEntry(route: Route, at: number): Entry {
  const headers = route.headers.map((each) => describe('header', each));
  const query = route.query.map((each) => describe('query', each));
  return {
    at,
    route,
    methods: new Set(route.methods),
    conditions: new Set([...headers, ...query]),
    rank: [route.methods.length > 0 ? 0 : 1, -headers.length, -query.length, at],
  };
}

/** A path by segments says the same with a slash at its end and without. */
function pathOf({ pathKind, path }: Route): string {
  return pathKind === 'segments' ? path.replace(/\/+$/, '') : path;
}

/** True when every request that fits `b`, but for its path, fits `a`. */
function isWider(a: Entry, b: Entry): boolean {
  const hasMethods =
    a.methods.size === 0 ||
    (b.methods.size > 0 && [...b.methods].every((each) => a.methods.has(each)));
  return hasMethods && [...a.conditions].every((each) => b.conditions.has(each));
}

/** With specificity, among routes for the same path: true when `a` is looked at before `b`. */
function isBefore(a: Entry, b: Entry): boolean {
  const different = a.rank.findIndex((value, i) => value !== b.rank[i]);
  return different >= 0 && (a.rank[different] ?? 0) < (b.rank[different] ?? 0);
}

/** Paths that contain all of a path, as keys of the table below. */
function* keysAbove(route: Route): Generator<string> {
  const path = pathOf(route);
  yield `${route.pathKind} ${path}`;
  const isShort = path.length <= PATH_CHARACTERS_MAX;
  const isFixed = route.pathKind !== 'regex' && path.startsWith('/') && isShort;
  for (let end = isFixed ? path.length : 0; end > 0; end--) {
    const isWhole = end === path.length;
    yield `prefix ${path.slice(0, end)}`;
    const isSegment = isWhole ? route.pathKind !== 'prefix' : path[end] === '/';
    if (isSegment) yield `segments ${path.slice(0, end)}`;
  }
  // Every path lies below the empty one; `*` is none.
  if (path !== '*') yield* ['segments ', 'prefix /'];
}

function findListed(entries: readonly Entry[]): Unreachable[] {
  const earlier = new Map<string, Entry[]>();
  const found: Unreachable[] = [];
  for (const entry of entries) {
    let by: Entry | undefined;
    for (const key of keysAbove(entry.route)) {
      by = earlier.get(key)?.find((other) => isWider(other, entry));
      if (by !== undefined) break;
    }
    if (by !== undefined) found.push({ route: entry.at, by: by.at });
    const key = `${entry.route.pathKind} ${pathOf(entry.route)}`;
    const list = earlier.get(key);
    if (list === undefined) earlier.set(key, [entry]);
    else if (by === undefined && list.length < COMPARED_MAX) list.push(entry);
  }
  return found;
}

/** A wider path is less specific and goes behind, so only routes for the same one matter. */
function findSpecific(entries: readonly Entry[]): Unreachable[] {
  const byPath = Map.groupBy(entries, ({ route }) => `${route.pathKind} ${pathOf(route)}`);
  return [...byPath.values()].flatMap((same) =>
    same.slice(0, COMPARED_MAX).flatMap((entry) => {
      const by = same.find((other) => isBefore(other, entry) && isWider(other, entry));
      return by === undefined ? [] : [{ route: entry.at, by: by.at }];
    }),
  );
}

/** All routes of a host that are never taken. */
export function findUnreachable(
  routes: readonly Route[],
  order: 'specificity' | 'listed',
): Unreachable[] {
  const entries = routes.map(toEntry);
  return order === 'listed' ? findListed(entries) : findSpecific(entries);
}
