/**
 * Asks the core whether routes can be compiled, and finds routes that no request can reach.
 *
 * Path: check-http.ts runs it once for each listener. The core's faults have numbers of hosts and
 * routes; here they get back to where they stand in the file.
 * Invariant: a route that the schema refuses hides nothing about the others: it is left out, and
 * the numbers of those that are left lead to their own places.
 */
import type { HttpFault, HttpInput } from '../../../native/epoll/index.ts';
import type { FindingName } from './codes.ts';
import type { HttpRouteConfig } from './config.ts';
import type { ValuePath } from './findings.ts';
import { toHttpInput } from './http-input.ts';
import { toRoute, toSettings } from './normalize-http.ts';
import { type HttpCheck, type Item, type PlacedMap, valueAt, writtenPath } from './plain.ts';
import { reportInside } from './report-inside.ts';
import { listenerHttp } from './schema-http.ts';
import { route as routeSchema } from './schema-route.ts';
import { findUnreachable } from './unreachable.ts';

/** A route that has the right shape, and where it stands. */
interface PlacedRoute {
  readonly config: HttpRouteConfig;
  readonly path: ValuePath;
}

interface PlacedHost {
  readonly order: 'specificity' | 'listed';
  readonly routes: readonly PlacedRoute[];
}

function readHost({ map, path }: PlacedMap): PlacedHost {
  const routes = Array.isArray(map['routes']) ? (map['routes'] as unknown[]) : [];
  return {
    order: map['order'] === 'listed' ? 'listed' : 'specificity',
    routes: routes.flatMap((raw, i) => {
      const parsed = routeSchema.safeParse(raw);
      const config = parsed.success ? toRoute(parsed.data, '') : null;
      return config === null ? [] : [{ config, path: [...path, 'routes', i] }];
    }),
  };
}

/** Routes as the core takes them. Names of hosts are judged elsewhere. */
function toInput(hosts: readonly PlacedHost[]): HttpInput {
  return toHttpInput(
    {
      ...toSettings(listenerHttp.parse({})),
      hosts: hosts.map(({ order, routes }, i) => ({
        names: [`host-${i}`],
        order,
        routes: routes.map(({ config }) => config),
      })),
    },
    { cluster: () => 0, route: () => 0 },
  );
}

/** Faults of routes, and routes that are never taken. */
export function checkRoutesTogether(
  items: readonly PlacedMap[],
  item: Item,
  check: HttpCheck,
): void {
  const hosts = items.map(readHost);
  if (hosts.every(({ routes }) => routes.length === 0)) return;
  const faults = check.world.checkRoutes(toInput(hosts));
  if (faults === null) {
    const message = 'routes are not checked: the native core could not be loaded';
    check.report('routesUnchecked', [...item.path, 'http', 'hosts'], message);
  }
  for (const fault of faults ?? []) {
    const route = hosts[fault.host]?.routes[fault.route];
    if (route !== undefined && fault.text !== TOO_MANY) reportFault(fault, route, check);
  }
  for (const { order, routes } of hosts) {
    const configs = routes.map(({ config }) => config);
    for (const { route, by } of findUnreachable(configs, order)) {
      const [late, early] = [routes[route], routes[by]];
      if (late === undefined || early === undefined) continue;
      const { line } = check.source.place(early.path);
      const message = `the route is never taken: the one on line ${line} takes all its requests`;
      const hint = order === 'listed' ? 'move it up, or remove it' : 'remove one of the two';
      check.report('unreachableRoute', late.path, message, hint);
    }
  }
}

/** Where the thing that a fault is about stands. */
function pathOf(fault: HttpFault, { config, path }: PlacedRoute): ValuePath {
  const { place, index } = fault;
  switch (place) {
    case 'path':
      return [...path, 'match', 'path', config.pathKind];
    case 'methods':
      return [...path, 'match', 'methods'];
    case 'header':
      return [...path, 'match', 'headers', index, config.headers[index]?.kind ?? 'name'];
    case 'query':
      return [...path, 'match', 'query', index, config.query[index]?.kind ?? 'name'];
    case 'split':
      return [...path, 'split'];
    case 'rewritePattern':
      return [...path, 'rewrite', 'regex'];
    case 'rewriteText':
      return [...path, 'rewrite', config.rewrite.kind === 'prefix' ? 'prefix' : 'to'];
    case 'text':
      return [...path, ...(config.action === 'respond' ? ['respond', 'body'] : ['redirect', 'to'])];
    case 'requestEdit':
    case 'responseEdit': {
      const isRequest = place === 'requestEdit';
      const edit = (isRequest ? config.requestEdits : config.responseEdits)[index];
      const key = isRequest ? 'requestHeaders' : 'responseHeaders';
      return [...path, key, ...(edit === undefined ? [] : [edit.kind, edit.name])];
    }
    case 'host':
    case 'name':
      return path;
  }
}

/** Counts are checked before, with the limit in the message. */
const TOO_MANY = 'too many';

const TEMPLATES = new Set<string>(['text', 'requestEdit', 'responseEdit']);

function findingOf({ place }: HttpFault): FindingName {
  if (place === 'split') return 'outOfRange';
  return TEMPLATES.has(place) ? 'badTemplate' : 'badPattern';
}

/** What the value at a path is called: the last key that is a word. */
function subjectOf(path: ValuePath): string {
  return path.findLast((part) => typeof part === 'string') ?? 'route';
}

function reportFault(fault: HttpFault, route: PlacedRoute, check: HttpCheck): void {
  const { findings, source } = check;
  const path = writtenPath(check.resolved.value, pathOf(fault, route));
  const value = valueAt(check.resolved.value, path);
  const name = findingOf(fault);
  const message = `${subjectOf(path)}: ${fault.text}`;
  if (typeof value !== 'string' || fault.position < 0) {
    findings.add({ name, path, place: source.place(path), message });
    return;
  }
  const { position, length } = fault;
  reportInside({ name, path, value, position, length, message }, check);
}
