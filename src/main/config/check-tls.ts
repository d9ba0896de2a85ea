/**
 * Checks that the settings of TLS go together: what is missing, what has no effect, and routes that
 * can never be taken.
 *
 * Path: check.ts runs it on the plain value. What the files contain is judged by src/main/tls.
 * Invariant: a listener or cluster whose `tls` key is there never runs in clear by mistake.
 */
import { canonicalServerName } from '../tls/index.ts';
import { parseEndpoint } from './address.ts';
import type { ValuePath } from './findings.ts';
import * as limit from './limits.ts';
import { asList, asMap, type Item, type PlainMap, type Report, type Reporter } from './plain.ts';
import { quote } from './units.ts';

/** Keys that a listener with pass-through has a use for. */
const PASSTHROUGH_KEYS = new Set(['mode', 'handshakeTimeout']);

/** TLS and routes of one listener. */
export function checkListenerTls(item: Item, reporter: Reporter): void {
  const { report } = reporter;
  const { map, path } = item;
  checkEmptyKey(item, reporter);
  const hasTls = typeof map['tls'] === 'object' && map['tls'] !== null;
  if (hasTls) checkTerminating(item, asMap(map['tls']), report);
  const routes = asList(map['routes']);
  if (routes.length > 0 && map['tls'] === undefined) {
    report(
      'tlsIncomplete',
      [...path, 'routes'],
      `routes of ${shown(item, 'listener')} need to know what clients ask for`,
      'set "tls: { mode: passthrough }", or terminate TLS here',
    );
  }
  checkTooMany(routes, [...path, 'routes'], { max: limit.SERVER_NAME_ROUTES_MAX, report });
  checkRoutes(routes, [...path, 'routes'], reporter);
}

function shown({ name }: Item, word: string): string {
  return name === null ? `a ${word}` : `${word} ${quote(name)}`;
}

/** A key with nothing behind it counts as left out, which must not mean "in clear" here. */
function checkEmptyKey({ map, path }: Item, { source, report }: Reporter): void {
  const at = [...path, 'tls'];
  if (map['tls'] !== undefined || !source.hasKey(at)) return;
  report('tlsIncomplete', at, '"tls" is empty', 'write "tls: {}" for the defaults, or remove it');
}

function checkTooMany(
  list: readonly unknown[],
  path: ValuePath,
  { max, report }: { readonly max: number; readonly report: Report },
): void {
  if (list.length <= max) return;
  const message = `there are ${list.length} ${String(path.at(-1))}, the limit is ${max}`;
  report('tooMany', [...path, max], message);
}

function checkTerminating(item: Item, tls: PlainMap, report: Report): void {
  const path = [...item.path, 'tls'];
  if (tls['mode'] === 'passthrough') {
    for (const key of Object.keys(tls)) {
      if (PASSTHROUGH_KEYS.has(key)) continue;
      const message = `${quote(key)} has no effect: TLS passes through, nothing is decrypted here`;
      report('notApplicable', [...path, key], message, 'remove it, or terminate TLS here');
    }
    return;
  }
  const certificates = asList(tls['certificates']);
  if (certificates.length === 0) {
    const message = `${shown(item, 'listener')} terminates TLS without a certificate`;
    const hint = 'set "certificates: [{ cert: FILE, key: FILE }]", or "mode: passthrough"';
    report('tlsIncomplete', path, message, hint);
  }
  const at = [...path, 'certificates'];
  checkTooMany(certificates, at, { max: limit.CERTIFICATES_MAX, report });
  checkClientAuth(tls['clientAuth'], [...path, 'clientAuth'], report);
  for (const [i, raw] of certificates.entries()) {
    const certificate = asMap(raw);
    const place = Array.isArray(tls['certificates']) ? [...at, i] : at;
    checkClientAuth(certificate['clientAuth'], [...place, 'clientAuth'], report);
    const names = asList(certificate['names']);
    checkTooMany(names, [...place, 'names'], { max: limit.SERVER_NAMES_MAX, report });
  }
  checkTuning(tls, path, report);
}

function checkClientAuth(raw: unknown, path: ValuePath, report: Report): void {
  if (typeof raw !== 'object' || raw === null) return;
  const auth = asMap(raw);
  if (auth['mode'] !== 'off' && auth['mode'] !== false && auth['ca'] === undefined) {
    report(
      'tlsIncomplete',
      path,
      'clients are asked for certificates, but not whose',
      'set "ca" to a file with the authorities that sign clients',
    );
  }
}

function checkTuning(tls: PlainMap, path: ValuePath, report: Report): void {
  if (tls['policy'] === 'modern' && tls['ciphers'] !== undefined) {
    const message = '"ciphers" has no effect: they are of TLS 1.2, and "modern" is TLS 1.3 only';
    report('notApplicable', [...path, 'ciphers'], message, 'write "ciphersTls13"');
  }
  checkTooMany(asList(tls['alpn']), [...path, 'alpn'], { max: limit.PROTOCOLS_MAX, report });
}

/** Finds routes without a condition, and routes that an earlier one takes everything from. */
function checkRoutes(routes: readonly unknown[], path: ValuePath, reporter: Reporter): void {
  const { report } = reporter;
  const first = new Map<string, ValuePath>();
  for (const [i, raw] of routes.entries()) {
    const route = asMap(raw);
    const names = asList(route['serverNames']);
    const protocols = asList(route['alpn']);
    const at = [...path, i];
    if (typeof raw === 'object' && names.length === 0 && protocols.length === 0) {
      const hint = 'set "serverNames" or "alpn"; what fits no route goes to "cluster" anyway';
      report('tlsIncomplete', at, 'the route has no condition', hint);
    }
    checkTooMany(names, [...at, 'serverNames'], { max: limit.SERVER_NAMES_MAX, report });
    checkTooMany(protocols, [...at, 'alpn'], { max: limit.PROTOCOLS_MAX, report });
    const isList = Array.isArray(route['serverNames']);
    const places =
      names.length === 0
        ? [{ name: null, at }]
        : names.map((name, j) => ({
            name: typeof name === 'string' ? canonicalServerName(name) : null,
            at: [...at, 'serverNames', ...(isList ? [j] : [])],
          }));
    for (const place of places) {
      if (place.name !== null || names.length === 0) {
        noteConditions({ ...place, protocols }, first, reporter);
      }
    }
  }
}

/** Notes what a route asks for, and reports what an earlier one asks for as well. */
function noteConditions(
  wanted: {
    /** Null: any. */
    readonly name: string | null;
    readonly at: ValuePath;
    readonly protocols: readonly unknown[];
  },
  first: Map<string, ValuePath>,
  { source, report }: Reporter,
): void {
  const { name, at, protocols } = wanted;
  for (const protocol of protocols.length === 0 ? [''] : protocols) {
    const key = JSON.stringify([name, protocol]);
    const earlier = first.get(key);
    first.set(key, earlier ?? at);
    if (earlier === undefined) continue;
    const what = [
      ...(name === null ? [] : [`server name ${quote(name)}`]),
      ...(protocol === '' ? [] : [`protocol ${quote(protocol)}`]),
    ].join(' with ');
    const hint = `the first one is on line ${source.place(earlier).line}`;
    report('duplicateServerName', at, `${what} leads somewhere else already`, hint);
  }
}

/** TLS towards the endpoints of one cluster. */
export function checkClusterTls(item: Item, reporter: Reporter): void {
  const { report } = reporter;
  const { map, path } = item;
  checkEmptyKey(item, reporter);
  const at = [...path, 'tls'];
  const check = asMap(map['healthCheck']);
  if (check['type'] === 'tls' && map['tls'] === undefined) {
    const message = `${shown(item, 'cluster')} checks with TLS, but speaks none`;
    report('tlsIncomplete', [...path, 'healthCheck', 'type'], message, 'set "tls", or "type: tcp"');
  }
  if (typeof map['tls'] !== 'object' || map['tls'] === null) return;
  const tls = asMap(map['tls']);
  for (const [one, other] of [
    ['cert', 'key'],
    ['key', 'cert'],
  ] as const) {
    if (tls[one] === undefined || tls[other] !== undefined) continue;
    report(
      'tlsIncomplete',
      [...at, one],
      `"${one}" needs its "${other}"`,
      `set "${other}" as well`,
    );
  }
  checkTuning(tls, at, report);
  if (tls['verify'] === 'off' || tls['verify'] === false) {
    const message = `${shown(item, 'cluster')} takes any certificate`;
    report('peerUnchecked', [...at, 'verify'], message, 'set "ca" instead');
    if (tls['ca'] !== undefined) {
      const unused = '"ca" has no effect: certificates are not checked';
      report('notApplicable', [...at, 'ca'], unused, 'remove "verify: off"');
    }
    return;
  }
  checkNames(item, tls, report);
}

/** Endpoints prove one name, or each its own address. */
function checkNames(item: Item, tls: PlainMap, report: Report): void {
  if (tls['serverName'] !== undefined) return;
  const kinds = new Set<string>();
  for (const raw of asList(item.map['endpoints'])) {
    const text = typeof raw === 'object' && raw !== null ? asMap(raw)['address'] : raw;
    const parsed = parseEndpoint(text);
    if (!parsed.ok) continue;
    const { value } = parsed;
    if (value.kind === 'unix') kinds.add('a Unix socket');
    else kinds.add(value.kind === 'ip' ? 'an address' : quote(value.host));
  }
  const isKnown = kinds.size <= 1 && !kinds.has('a Unix socket');
  if (isKnown) return;
  report(
    'serverNameMissing',
    [...item.path, 'tls'],
    `endpoints of ${shown(item, 'cluster')} are ${[...kinds].slice(0, 4).join(', ')}: which name do they prove?`,
    'set "tls.serverName"',
  );
}
