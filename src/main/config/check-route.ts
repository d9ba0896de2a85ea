/**
 * Checks one route: that it does exactly one thing, and that what it says has an effect.
 *
 * Path: check-http.ts runs it on the plain value of each route.
 * Invariant: takes any value whatsoever; what has the wrong shape is left to the schema. Does not
 * judge patterns, paths and templates: the core does (check-routes-together.ts).
 */
import type { ValuePath } from './findings.ts';
import {
  HTTP_CONDITIONS_MAX,
  HTTP_EDIT_BYTES_MAX,
  HTTP_EDITS_MAX,
  HTTP_SPLITS_MAX,
} from './limits.ts';
import { amountOf, asList, asMap, type HttpCheck, type PlacedMap, type PlainMap } from './plain.ts';
import { parseDuration, quote } from './units.ts';
import { parseHeaderName } from './values-http.ts';

const ACTIONS = ['cluster', 'split', 'redirect', 'respond'];
const PATHS = ['segments', 'exact', 'prefix', 'regex'];
const COMPARISONS = ['exact', 'prefix', 'suffix', 'regex', 'present'];
const HASHES = ['header', 'cookie', 'query', 'address'];
const HASH_BALANCERS = new Set<unknown>(['maglev', 'ring-hash']);

/** Responses that have no content (RFC 9110 15.3.5, 15.4.5), as they may be written. */
const EMPTY_STATUSES = new Set<unknown>([204, 304, '204', '304']);

/** What only routes to clusters have a use for. */
const CLUSTER_KEYS = [
  'rewrite',
  'host',
  'requestHeaders',
  'timeouts',
  'retry',
  'hash',
  'subset',
] as const;

/** Headers that say how a message is framed, or what the connection is used for. */
const RESERVED: ReadonlyMap<string, string> = new Map([
  ['connection', ''],
  ['content-length', ''],
  ['expect', ''],
  ['host', 'write "host: NAME" in the route'],
  ['http2-settings', ''],
  ['keep-alive', ''],
  ['proxy-connection', ''],
  ['sec-websocket-accept', ''],
  ['sec-websocket-key', ''],
  ['sec-websocket-version', ''],
  ['te', ''],
  ['trailer', ''],
  ['transfer-encoding', ''],
  ['upgrade', 'write "websocket: true" in the route'],
]);

/** Which keys of a choice a map has. */
function keysOf(map: PlainMap, keys: readonly string[]): string[] {
  return keys.filter((key) => map[key] !== undefined && map[key] !== null);
}

/** Each route. */
export function checkRoute(route: PlacedMap, check: HttpCheck): void {
  if (Object.keys(route.map).length === 0) return;
  checkAction(route, check);
  checkMatch(route, check);
  checkRewrite(route, check);
  checkHash(route, check);
  checkSubset(route, check);
  checkTries(route, check);
  for (const key of ['requestHeaders', 'responseHeaders']) {
    checkEdits(asMap(route.map[key]), [...route.path, key], check);
  }
}

/** Reports that a map has none, or more than one, of the keys that exclude each other. */
function checkOneOf(
  at: { readonly map: PlainMap; readonly path: ValuePath; readonly what: string },
  keys: readonly string[],
  { report }: HttpCheck,
): void {
  const { map, path, what } = at;
  const [first, second] = keysOf(map, keys);
  if (first === undefined) {
    const list = keys.map((key) => `"${key}"`).join(', ');
    report('routeAction', path, `${what} has none of ${list}`, 'set one of them');
  } else if (second !== undefined) {
    const message = `${what} has both "${first}" and "${second}"`;
    report('routeAction', [...path, second], message, 'keep one');
  }
}

function isWebSocket(raw: unknown): boolean {
  if (raw === undefined || raw === null || raw === false || raw === 'false') return false;
  const { allow } = asMap(raw);
  return allow !== false && allow !== 'false';
}

function checkAction({ map, path }: PlacedMap, check: HttpCheck): void {
  const { report } = check;
  checkOneOf({ map, path, what: 'the route' }, ACTIONS, check);
  const [action] = keysOf(map, ['redirect', 'respond']);
  if (action === undefined || keysOf(map, ['cluster', 'split']).length > 0) return;
  if (isWebSocket(map['websocket'])) {
    const message = `"websocket" has no endpoint to lead to: the route has "${action}"`;
    report('routeAction', [...path, 'websocket'], message, 'remove it, or set "cluster"');
  }
  for (const key of keysOf(map, CLUSTER_KEYS)) {
    const message = `"${key}" has no effect: the route has "${action}"`;
    report('notApplicable', [...path, key], message, 'remove it');
  }
  const respond = asMap(map['respond']);
  const status = respond['status'];
  const isEmpty = respond['body'] === undefined || respond['body'] === '';
  if (EMPTY_STATUSES.has(status) && !isEmpty) {
    const message = `"body" has no effect: responses with ${String(status)} have no content`;
    report('notApplicable', [...path, 'respond', 'body'], message, 'remove it');
  }
}

function checkCount(
  list: readonly unknown[],
  path: ValuePath,
  max: number,
  { report }: HttpCheck,
): void {
  if (list.length <= max) return;
  const message = `"${String(path.at(-1))}" has ${list.length} items, the limit is ${max}`;
  report('tooMany', [...path, max], message);
}

function checkMatch({ map, path }: PlacedMap, check: HttpCheck): void {
  const match = asMap(map['match']);
  const raw = match['path'];
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) {
    const at = [...path, 'match', 'path'];
    checkOneOf({ map: asMap(raw), path: at, what: 'the path' }, PATHS, check);
  }
  checkCount(asList(map['split']), [...path, 'split'], HTTP_SPLITS_MAX, check);
  for (const key of ['headers', 'query']) {
    checkCount(asList(match[key]), [...path, 'match', key], HTTP_CONDITIONS_MAX, check);
    for (const [i, condition] of asList(match[key]).entries()) {
      const own = asMap(condition);
      if (Object.keys(own).length === 0) continue;
      const what = typeof own['name'] === 'string' ? `condition on ${quote(own['name'])}` : 'it';
      checkOneOf({ map: own, path: [...path, 'match', key, i], what }, COMPARISONS, check);
    }
  }
  const methods = asList(match['methods']);
  if (isWebSocket(map['websocket']) && methods.length > 0 && !methods.includes('GET')) {
    const message = '"websocket" has no effect: such connections begin with GET';
    check.report('notApplicable', [...path, 'websocket'], message, 'add GET to "methods"');
  }
}

function checkRewrite({ map, path }: PlacedMap, check: HttpCheck): void {
  const raw = map['rewrite'];
  if (typeof raw !== 'object' || raw === null) return;
  const rewrite = asMap(raw);
  const at = [...path, 'rewrite'];
  checkOneOf({ map: rewrite, path: at, what: 'the rewrite' }, ['prefix', 'regex'], check);
  const hasText = rewrite['to'] !== undefined;
  if (rewrite['regex'] !== undefined && !hasText) {
    const hint = 'set "to"; an empty text takes matches out: to: ""';
    check.report('missingKey', [...at, 'to'], 'the rewrite has a pattern, but no "to"', hint);
  }
  if (rewrite['regex'] === undefined && hasText) {
    const message = '"to" has no effect: it is for "regex"';
    check.report('notApplicable', [...at, 'to'], message, 'remove it');
  }
}

/** The clusters of a route that are there, with their names. */
function clustersOf(map: PlainMap, { clusters }: HttpCheck): (readonly [string, PlainMap])[] {
  const names = [map['cluster'], ...asList(map['split']).map((part) => asMap(part)['cluster'])];
  return names.flatMap((name) => {
    const cluster = typeof name === 'string' ? clusters.get(name) : undefined;
    return typeof name === 'string' && cluster !== undefined ? [[name, cluster] as const] : [];
  });
}

function checkHash({ map, path }: PlacedMap, check: HttpCheck): void {
  const raw = map['hash'];
  if (typeof raw !== 'object' || raw === null) return;
  const hash = asMap(raw);
  const at = [...path, 'hash'];
  checkOneOf({ map: hash, path: at, what: '"hash"' }, HASHES, check);
  for (const key of keysOf(hash, ['ttl', 'path'])) {
    const hasCookie = hash['cookie'] !== undefined;
    if (hasCookie && (key === 'ttl' || hash['ttl'] !== undefined)) continue;
    const needs = hasCookie ? '"ttl", with which a cookie is given' : '"cookie"';
    const message = `"${key}" has no effect without ${needs}`;
    check.report('notApplicable', [...at, key], message, 'remove it');
  }
  const found = clustersOf(map, check);
  const [first] = found;
  if (first === undefined || found.some(([, each]) => HASH_BALANCERS.has(each['balance']))) return;
  const message = `"hash" has no effect: cluster ${quote(first[0])} does not balance by hash`;
  check.report('notApplicable', at, message, 'set "balance: maglev" in the cluster');
}

/** A label as text: `2` and `"2"` are the same one. */
function writtenAs(value: unknown): string | null {
  const isPlain = typeof value === 'string' || typeof value === 'number';
  return isPlain || typeof value === 'boolean' ? String(value) : null;
}

/** Labels, of a route or a mirror, that no endpoint has. */
export function checkSubset({ map, path }: PlacedMap, check: HttpCheck): void {
  const wanted = Object.entries(asMap(map['subset']));
  if (wanted.length === 0 || wanted.some(([, value]) => writtenAs(value) === null)) return;
  for (const [name, cluster] of clustersOf(map, check)) {
    // What will be found is not known yet.
    if (cluster['discovery'] !== undefined) continue;
    const hasOne = asList(cluster['endpoints']).some((endpoint) => {
      const labels = asMap(asMap(endpoint)['labels']);
      return wanted.every(([key, value]) => writtenAs(labels[key]) === writtenAs(value));
    });
    if (hasOne) continue;
    const list = wanted.map(([key, value]) => `${key}=${String(value)}`).join(', ');
    const message = `no endpoint of cluster ${quote(name)} has ${quote(list)}`;
    check.report('emptySubset', [...path, 'subset'], message, 'set "labels" of endpoints');
  }
}

function checkTries({ map, path }: PlacedMap, { report }: HttpCheck): void {
  const timeouts = asMap(map['timeouts']);
  const request = timeouts['request'] === 'never' ? 0 : timeouts['request'];
  const requestMs = amountOf(parseDuration, request, 30_000);
  const perTryMs = amountOf(parseDuration, timeouts['perTry'], 0);
  const retry = asMap(map['retry']);
  const wanted = asList(retry['on']).find((word) => word === 'timeout' || word === 'hedge');
  const hasPerTry = perTryMs !== null && perTryMs > 0;
  if (wanted !== undefined && timeouts['perTry'] === undefined) {
    const message = `retry on "${wanted}" has no effect: tries have no time limit of their own`;
    report('notApplicable', [...path, 'retry', 'on'], message, 'set "timeouts.perTry"');
  }
  if (hasPerTry && requestMs !== null && requestMs > 0 && perTryMs >= requestMs) {
    const message = '"perTry" has no effect: "request" ends first';
    report('notApplicable', [...path, 'timeouts', 'perTry'], message, 'shorten it');
  }
}

/** Names that may not be changed, and names that come twice. */
function checkEdits(edits: PlainMap, path: ValuePath, check: HttpCheck): void {
  checkEditAmounts(edits, path, check);
  for (const key of ['remove', 'set', 'add']) {
    const raw = edits[key];
    const names = key === 'remove' ? asList(raw) : Object.keys(asMap(raw));
    const at = [...path, key];
    const seen = new Set<string>();
    for (const [i, name] of names.entries()) {
      if (typeof name !== 'string') continue;
      const isItem = key === 'remove' && Array.isArray(raw);
      const place = key === 'remove' ? [...at, ...(isItem ? [i] : [])] : [...at, name];
      checkEditName(name, { place, isKey: key !== 'remove', seen }, check);
    }
  }
}

/** What a shard keeps until the response comes is bounded. */
function checkEditAmounts(edits: PlainMap, path: ValuePath, { report }: HttpCheck): void {
  const values = [...Object.entries(asMap(edits['set'])), ...Object.entries(asMap(edits['add']))];
  const count = values.length + asList(edits['remove']).length;
  const bytes = values.reduce(
    (sum, [name, value]) =>
      sum + Buffer.byteLength(name) + (typeof value === 'string' ? Buffer.byteLength(value) : 0),
    0,
  );
  if (count > HTTP_EDITS_MAX) {
    const message = `${count} headers are changed, the limit is ${HTTP_EDITS_MAX}`;
    report('tooMany', path, message);
  }
  if (bytes > HTTP_EDIT_BYTES_MAX) {
    const message = `the headers have ${bytes} bytes, the limit is ${HTTP_EDIT_BYTES_MAX}`;
    report('tooMany', path, message);
  }
}

function checkEditName(
  name: string,
  at: { readonly place: ValuePath; readonly isKey: boolean; readonly seen: Set<string> },
  { report }: HttpCheck,
): void {
  const { place, isKey, seen } = at;
  const lower = name.toLowerCase();
  const parsed = parseHeaderName(name);
  // A name that is no key is refused by the schema.
  if (!parsed.ok && isKey) report('badFieldName', place, parsed.fault.message, parsed.fault.hint);
  const instead = RESERVED.get(lower);
  if (instead !== undefined) {
    const message = `${quote(name)} belongs to the gateway and cannot be changed`;
    report('badFieldName', place, message, instead);
  }
  if (seen.has(lower)) {
    report('badFieldName', place, `${quote(name)} is there twice`, 'case does not count in names');
  }
  seen.add(lower);
}
