/**
 * Checks that HTTP goes together with the rest of its listener, and its hosts with each other.
 *
 * Path: check.ts runs it on the plain value, for listeners of every protocol; single routes are
 * check-route.ts's.
 * Invariant: a listener whose `http` key is there never relays bytes by mistake, and no two hosts
 * have one name.
 */

import { checkRoute, checkSubset } from './check-route.ts';
import { checkRoutesTogether } from './check-routes-together.ts';
import type { ValuePath } from './findings.ts';
import * as limit from './limits.ts';
import { amountOf, asList, asMap, type HttpCheck, type Item, type PlacedMap } from './plain.ts';
import { formatSize, parseSize, quote } from './units.ts';
import { parseHostName } from './values-http.ts';
import { listWrittenMirrors } from './written-filters.ts';

/** Deadlines of a listener that are for tunnels. */
const TUNNEL_TIMEOUTS = ['idle', 'halfClose'];

/** What TLS may agree on for HTTP; an HTTP/1.1 codec reads both. */
const PROTOCOLS = new Set<unknown>(['http/1.1', 'http/1.0']);

function hostsOf(item: Item): PlacedMap[] {
  const hosts = asMap(item.map['http'])['hosts'];
  if (!Array.isArray(hosts)) return [];
  return hosts.map((raw, i) => ({ map: asMap(raw), path: [...item.path, 'http', 'hosts', i] }));
}

function routesOf(host: PlacedMap): PlacedMap[] {
  const routes = host.map['routes'];
  if (!Array.isArray(routes)) return [];
  return routes.map((raw, i) => ({ map: asMap(raw), path: [...host.path, 'routes', i] }));
}

/** The clusters that routes of a listener name, and where. */
export function listRouteClusters(
  item: Item,
): { readonly name: unknown; readonly path: ValuePath }[] {
  if (item.map['protocol'] !== 'http') return [];
  return hostsOf(item)
    .flatMap(routesOf)
    .flatMap(({ map, path }) => [
      { name: map['cluster'], path: [...path, 'cluster'] },
      ...asList(map['split']).map((part, i) => ({
        name: asMap(part)['cluster'],
        path: [...path, 'split', i, 'cluster'],
      })),
    ]);
}

/**
 * Where routes and mirrors ask for parts of clusters, the first place of each different part: each
 * is one more cluster to the core.
 */
export function listSubsetPlaces(listeners: readonly Item[]): ValuePath[] {
  const found = new Map<string, ValuePath>();
  const add = (names: readonly unknown[], wanted: unknown, path: ValuePath): void => {
    const subset = asMap(wanted);
    const labels = Object.keys(subset)
      .toSorted()
      .map((key) => [key, subset[key]]);
    if (labels.length === 0) return;
    for (const name of names) {
      const part = JSON.stringify([name, labels]);
      if (typeof name === 'string' && !found.has(part)) found.set(part, [...path, 'subset']);
    }
  };
  for (const { map, path } of listeners.flatMap(hostsOf).flatMap(routesOf)) {
    const splits = asList(map['split']).map((part) => asMap(part)['cluster']);
    add([map['cluster'], ...splits], map['subset'], path);
  }
  for (const { map, path } of listeners.flatMap(listWrittenMirrors)) {
    add([map['cluster']], map['subset'], path);
  }
  return [...found.values()];
}

function shown({ name }: Item): string {
  return name === null ? 'a listener' : `listener ${quote(name)}`;
}

/** HTTP of one listener, or that there is none. */
export function checkListenerHttp(item: Item, check: HttpCheck): void {
  const isMap = Object.keys(item.map).length > 0;
  if (item.map['protocol'] === 'http') {
    checkTogether(item, check);
    checkLimits(item, check);
    checkHosts(item, check);
    for (const mirror of listWrittenMirrors(item)) checkSubset(mirror, check);
  } else if (isMap) {
    checkTcp(item, check);
  }
}

function checkTcp({ map, path, name }: Item, { report, source }: HttpCheck): void {
  if (map['cluster'] === undefined) {
    const message = `${shown({ map, path, name })} has no "cluster"`;
    report('missingKey', [...path, 'cluster'], message, 'for example: cluster: "brokers"');
  }
  if (map['http'] !== undefined || source.hasKey([...path, 'http'])) {
    const isUnset = map['protocol'] === undefined;
    const message = '"http" has no effect: the listener relays bytes as they are';
    const hint = isUnset ? 'set "protocol: http"' : 'write "protocol: http"';
    report('notHttp', [...path, 'http'], message, hint);
  }
}

function checkTogether(item: Item, { report }: HttpCheck): void {
  const { map, path } = item;
  const tls = asMap(map['tls']);
  if (tls['mode'] === 'passthrough') {
    const message = 'TLS passes through, so that no HTTP can be read';
    report('notHttp', [...path, 'tls', 'mode'], message, 'terminate TLS here, or "protocol: tcp"');
  }
  for (const [i, protocol] of asList(tls['alpn']).entries()) {
    if (PROTOCOLS.has(protocol) || typeof protocol !== 'string') continue;
    const at = [...path, 'tls', 'alpn', ...(Array.isArray(tls['alpn']) ? [i] : [])];
    const message = `${quote(protocol)} is not spoken by a listener with HTTP/1.1`;
    report('notHttp', at, message, 'write "http/1.1", or leave "alpn" out');
  }
  if (asList(map['routes']).length > 0) {
    const message = '"routes" by server name are for bytes that are relayed as they are';
    report('notHttp', [...path, 'routes'], message, 'write routes under "http.hosts"');
  }
  if (map['codec'] !== undefined) {
    const message = '"codec" tells frames of TCP apart; this listener speaks HTTP';
    report('notHttp', [...path, 'codec'], message, 'leave it out, or write "protocol: tcp"');
  }
  const timeouts = asMap(map['timeouts']);
  for (const key of TUNNEL_TIMEOUTS) {
    if (timeouts[key] === undefined) continue;
    const message = `"${key}" has no effect on HTTP`;
    const hint = 'see "http.timeouts", "timeouts" of routes, and "websocket.idle"';
    report('notApplicable', [...path, 'timeouts', key], message, hint);
  }
  const hasHosts = asMap(map['http'])['hosts'] !== undefined;
  if (hasHosts && map['cluster'] !== undefined) {
    const message = '"cluster" has no effect: "http.hosts" says where requests go';
    const hint = 'remove it, or add a route: { cluster: NAME } to a host without names';
    report('notApplicable', [...path, 'cluster'], message, hint);
  }
  if (!hasHosts && map['cluster'] === undefined) {
    const message = `${shown(item)} has neither "cluster" nor "http.hosts"`;
    const hint = 'for example: cluster: app';
    report('missingKey', [...path, 'cluster'], message, hint);
  }
}

function checkLimits({ map, path }: Item, { report }: HttpCheck): void {
  const http = asMap(map['http']);
  const limits = asMap(http['limits']);
  const head = amountOf(parseSize, limits['head'], 32 * 1024);
  const target = amountOf(parseSize, limits['target'], 8 * 1024);
  if (head !== null && target !== null && target > head) {
    const key = limits['target'] === undefined ? 'head' : 'target';
    const message = `"target" is ${formatSize(target)}, above "head" of ${formatSize(head)}`;
    report('wrongOrder', [...path, 'http', 'limits', key], message);
  }
  const raw = http['trust'];
  for (const [i, network] of asList(raw).entries()) {
    if (typeof network !== 'string' || !/\/0+$/.test(network)) continue;
    const place = [...path, 'http', 'trust', ...(Array.isArray(raw) ? [i] : [])];
    const message = 'everyone is believed what X-Forwarded-For says';
    report('trustsEveryone', place, message, 'name the networks of the proxies in front only');
  }
}

function checkHosts(item: Item, check: HttpCheck): void {
  const { report } = check;
  const hosts = hostsOf(item);
  const at = [...item.path, 'http', 'hosts'];
  if (hosts.length > limit.HTTP_HOSTS_MAX) {
    const message = `there are ${hosts.length} hosts, the limit is ${limit.HTTP_HOSTS_MAX}`;
    report('tooMany', [...at, limit.HTTP_HOSTS_MAX], message);
    return;
  }
  const routes = hosts.map(routesOf);
  const count = routes.reduce((sum, list) => sum + list.length, 0);
  if (count > limit.HTTP_ROUTES_MAX) {
    const message = `${shown(item)} has ${count} routes, the limit is ${limit.HTTP_ROUTES_MAX}`;
    report('tooMany', at, message);
    return;
  }
  checkHostNames(hosts, check);
  checkRouteNames(routes.flat(), check);
  for (const route of routes.flat()) checkRoute(route, check);
  checkRoutesTogether(hosts, item, check);
}

function checkHostNames(hosts: readonly PlacedMap[], { source, report }: HttpCheck): void {
  const first = new Map<string, ValuePath>();
  for (const { map, path } of hosts) {
    const raw = map['names'];
    const names = raw === undefined ? ['*'] : asList(raw);
    if (names.length > limit.SERVER_NAMES_MAX) {
      const message = `there are ${names.length} names, the limit is ${limit.SERVER_NAMES_MAX}`;
      report('tooMany', [...path, 'names', limit.SERVER_NAMES_MAX], message);
    }
    for (const [i, name] of names.entries()) {
      const parsed = typeof name === 'string' ? parseHostName(name) : null;
      if (parsed?.ok !== true) continue;
      const at = raw === undefined ? path : [...path, 'names', ...(Array.isArray(raw) ? [i] : [])];
      const other = first.get(parsed.value);
      first.set(parsed.value, other ?? at);
      if (other === undefined) continue;
      const what =
        raw === undefined ? 'a host without names is "*", which' : `host ${quote(parsed.value)}`;
      const hint = `the first one is on line ${source.place(other).line}`;
      report('duplicateRoute', at, `${what} has an entry already`, hint);
    }
  }
}

function checkRouteNames(routes: readonly PlacedMap[], { source, report }: HttpCheck): void {
  const first = new Map<string, ValuePath>();
  for (const { map, path } of routes) {
    const name = map['name'];
    if (typeof name !== 'string') continue;
    const at = [...path, 'name'];
    const other = first.get(name);
    first.set(name, other ?? at);
    if (other === undefined) continue;
    const hint = `the first one is on line ${source.place(other).line}`;
    report('duplicateRoute', at, `there are two routes named ${quote(name)}`, hint);
  }
}
