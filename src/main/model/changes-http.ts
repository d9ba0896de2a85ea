/**
 * What differs between the HTTP of a listener before a reload and after it, in words.
 *
 * Path: changes.ts asks for listeners whose HTTP changed.
 * Invariant: every difference is in one of the words; values never appear, because headers that a
 * route sets may be secret. Bounded: many routes are counted rather than named.
 */
import { isDeepStrictEqual } from 'node:util';
import type { HttpConfig } from '../config/index.ts';

/** Routes that are named; more are counted. */
const ROUTES_NAMED_MAX = 8;

interface PlacedRoute {
  readonly host: string;
  readonly config: unknown;
}

/** Routes by name, with the names of their host: a route that moved to another one has changed. */
function routesOf(http: HttpConfig): ReadonlyMap<string, PlacedRoute> {
  return new Map(
    http.hosts.flatMap(({ names, routes }) =>
      routes.map((config) => [config.name, { host: names.join(' '), config }] as const),
    ),
  );
}

function named(word: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, ROUTES_NAMED_MAX).map((name) => JSON.stringify(name));
  const rest = names.length > ROUTES_NAMED_MAX ? [`${names.length - ROUTES_NAMED_MAX} more`] : [];
  return [`${names.length === 1 ? 'route' : 'routes'} ${[...shown, ...rest].join(', ')} ${word}`];
}

/** What of a host is not one of its routes, and in which order they stand. */
function frameOf({ hosts }: HttpConfig): unknown {
  return hosts.map(({ names, order, routes }) => ({
    names,
    order,
    routes: routes.map(({ name }) => name),
  }));
}

/** Words for each difference; empty when there is none. */
export function describeHttpChanges(before: HttpConfig | null, after: HttpConfig | null): string[] {
  if (before === null || after === null) return before === after ? [] : ['http'];
  const { hosts: _old, ...oldSettings } = before;
  const { hosts: _new, ...settings } = after;
  const old = routesOf(before);
  const now = routesOf(after);
  const added = [...now.keys()].filter((name) => !old.has(name));
  const removed = [...old.keys()].filter((name) => !now.has(name));
  const changed = [...now].flatMap(([name, route]) => {
    const former = old.get(name);
    return former === undefined || isDeepStrictEqual(former, route) ? [] : [name];
  });
  const isMoved =
    added.length + removed.length + changed.length === 0 &&
    !isDeepStrictEqual(frameOf(before), frameOf(after));
  return [
    ...(isDeepStrictEqual(oldSettings, settings) ? [] : ['http']),
    ...named('added', added),
    ...named('changed', changed),
    ...named('removed', removed),
    ...(isMoved ? ['order of routes'] : []),
  ];
}
