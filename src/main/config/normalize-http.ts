/**
 * HTTP of a listener as the schema yields it to HTTP as the rest of the control plane reads it.
 *
 * Path: normalize.ts calls toHttp for each listener with HTTP.
 * Invariant: routes of one listener that differ have different names. Total: what the checks refuse
 * still becomes something, which nobody uses.
 */
import type {
  HttpConditionInput,
  HttpEditInput,
  HttpHashInput,
  HttpRewriteInput,
  HttpWebSocketInput,
} from '../../../native/epoll/index.ts';
import type { FilterConfig, HttpConfig, HttpHostConfig, HttpRouteConfig } from './config.ts';
import { NAME_BYTES_MAX } from './limits.ts';
import type { ParsedConfig } from './schema.ts';
import { route } from './schema-route.ts';
import { plain } from './written-filters.ts';

type ParsedListener = ParsedConfig['listeners'][number];
type ParsedHost = NonNullable<ParsedListener['http']['hosts']>[number];
type ParsedRoute = ParsedHost['routes'][number];
type ParsedMatch = NonNullable<ParsedRoute['match']>;
type ParsedCondition = NonNullable<ParsedMatch['headers']>[number];
type ParsedEdits = ParsedRoute['requestHeaders'];

/** What a route has of the path: a kind of match and its text. */
type PathMatch = Pick<HttpRouteConfig, 'pathKind' | 'path'>;

const EVERY_PATH: PathMatch = { pathKind: 'segments', path: '/' };

/** The path of `OPTIONS *`, which lies below no other. */
const ASTERISK: PathMatch = { pathKind: 'exact', path: '*' };

const NO_WEBSOCKET: HttpWebSocketInput = {
  isAllowed: false,
  isValidated: false,
  isPingCounted: false,
  frameBytesMax: 0,
  idleMs: 0,
  pingMs: 0,
  pongMs: 0,
  maxAgeMs: 0,
  maxAgeJitterPermille: 0,
};

const NO_REWRITE: HttpRewriteInput = { kind: 'none', pattern: '', text: '' };

const BY_ADDRESS: HttpHashInput = { source: 'address', name: '', cookieSeconds: 0, cookiePath: '' };

function toPath(path: ParsedMatch['path']): PathMatch {
  if (path === undefined) return EVERY_PATH;
  for (const pathKind of ['exact', 'prefix', 'regex', 'segments'] as const) {
    const text = path[pathKind];
    if (text !== undefined) return { pathKind, path: text };
  }
  return EVERY_PATH;
}

function toCondition(condition: ParsedCondition): HttpConditionInput {
  const { name, present, invert } = condition;
  for (const kind of ['exact', 'prefix', 'suffix', 'regex'] as const) {
    const value = condition[kind];
    if (value !== undefined) return { name, kind, value, isInverted: invert };
  }
  return { name, kind: 'present', value: '', isInverted: invert !== (present === false) };
}

/** What is taken out goes first, then what is set, then what is added. */
function toEdits(edits: ParsedEdits): HttpEditInput[] {
  if (edits === undefined) return [];
  const { remove = [], set = {}, add = {} } = edits;
  return [
    ...remove.map((name) => ({ kind: 'remove' as const, name, value: '' })),
    ...Object.entries(set).map(([name, value]) => ({ kind: 'set' as const, name, value })),
    ...Object.entries(add).map(([name, value]) => ({ kind: 'add' as const, name, value })),
  ];
}

function toRewrite(rewrite: ParsedRoute['rewrite']): HttpRewriteInput {
  if (rewrite?.regex !== undefined) {
    return { kind: 'regex', pattern: rewrite.regex, text: rewrite.to ?? '' };
  }
  if (rewrite?.prefix !== undefined) return { kind: 'prefix', pattern: '', text: rewrite.prefix };
  return NO_REWRITE;
}

function toHash(hash: ParsedRoute['hash']): HttpHashInput {
  for (const source of ['header', 'cookie', 'query'] as const) {
    const name = hash?.[source];
    if (hash === undefined || name === undefined) continue;
    const isCookie = source === 'cookie' && hash.ttl > 0;
    return {
      source,
      name,
      cookieSeconds: isCookie ? Math.max(1, Math.round(hash.ttl / 1000)) : 0,
      cookiePath: isCookie ? hash.path : '',
    };
  }
  return BY_ADDRESS;
}

function toWebSocket(parsed: ParsedRoute['websocket']): HttpWebSocketInput {
  if (parsed === undefined || !parsed.allow) return NO_WEBSOCKET;
  return {
    isAllowed: true,
    isValidated: parsed.validate,
    isPingCounted: parsed.countPings,
    frameBytesMax: parsed.maxFrame,
    idleMs: parsed.idle,
    pingMs: parsed.ping,
    pongMs: parsed.pong,
    maxAgeMs: parsed.maxAge.value,
    maxAgeJitterPermille: parsed.maxAge.jitter,
  };
}

/** What a route does, and where it sends to. */
function toAction(
  parsed: ParsedRoute,
): Pick<HttpRouteConfig, 'action' | 'status' | 'text' | 'contentType' | 'splits'> {
  const { redirect, respond, split, cluster } = parsed;
  if (redirect !== undefined) {
    const { status, to } = redirect;
    return { action: 'redirect', status, text: to, contentType: '', splits: [] };
  }
  if (respond !== undefined) {
    const { status, body, contentType } = respond;
    const type = body === '' ? '' : contentType;
    return { action: 'respond', status, text: body, contentType: type, splits: [] };
  }
  const splits = split ?? (cluster === undefined ? [] : [{ cluster, weight: 1 }]);
  return { action: 'cluster', status: 0, text: '', contentType: '', splits };
}

/** Filters of a listener or a route; `base` is the URL from which paths lead. */
export function toFilters(parsed: ParsedListener['filters'], base: string): FilterConfig[] {
  return (parsed ?? []).map(({ use, with: config = null }) => ({ use, with: plain(config), base }));
}

/** One route under the name that it has, or is given. */
export function toRoute(parsed: ParsedRoute, name: string, base = ''): HttpRouteConfig {
  const { match, timeouts, retry } = parsed;
  return {
    name,
    ...toPath(match?.path),
    methods: match?.methods ?? [],
    headers: (match?.headers ?? []).map(toCondition),
    query: (match?.query ?? []).map(toCondition),
    ...toAction(parsed),
    subset: parsed.subset ?? null,
    rewrite: toRewrite(parsed.rewrite),
    host: parsed.host ?? '',
    requestMs: timeouts.request,
    perTryMs: timeouts.perTry,
    idleMs: timeouts.idle,
    bodyBytesMax: parsed.body,
    retries: retry.attempts,
    retryOn: retry.on,
    hash: toHash(parsed.hash),
    requestEdits: toEdits(parsed.requestHeaders),
    responseEdits: toEdits(parsed.responseHeaders),
    webSocket: toWebSocket(parsed.websocket),
    filters: toFilters(parsed.filters, base),
  };
}

/** Cuts to so many bytes, between characters. */
function cut(text: string, bytes: number): string {
  let kept = text;
  while (Buffer.byteLength(kept) > bytes) kept = kept.slice(0, -1);
  return kept;
}

/** Gives names to routes that have none of their own. */
class RouteNames {
  readonly #taken: Set<string>;
  readonly #lastNumber = new Map<string, number>();

  constructor(hosts: readonly ParsedHost[]) {
    this.#taken = new Set(hosts.flatMap(({ routes }) => routes.flatMap(({ name }) => name ?? [])));
  }

  nameOf(host: ParsedHost, { name: own, match }: ParsedRoute): string {
    if (own !== undefined) return own;
    const whole = `${host.names[0] ?? '*'}:${toPath(match?.path).path}`;
    const short = cut(whole, NAME_BYTES_MAX);
    let name = short;
    for (let i = this.#lastNumber.get(short) ?? 2; this.#taken.has(name); i++) {
      name = `${cut(short, NAME_BYTES_MAX - `#${i}`.length)}#${i}`;
      this.#lastNumber.set(short, i + 1);
    }
    this.#taken.add(name);
    return name;
  }
}

/** Every request to one cluster, that of `OPTIONS *` as well, which counts as the same route. */
function toDefaultHosts(cluster: string): HttpHostConfig[] {
  const all = toRoute(route.parse({ cluster: 'any', websocket: true }), 'all');
  const splits = [{ cluster, weight: 1 }];
  const routes = [EVERY_PATH, ASTERISK].map((path) => ({ ...all, ...path, splits }));
  return [{ names: ['*'], order: 'specificity', routes }];
}

/** What HTTP of a listener says besides its routes. */
export function toSettings(http: ParsedListener['http']): Omit<HttpConfig, 'hosts'> {
  const { limits, timeouts, paths } = http;
  return {
    headBytesMax: limits.head,
    targetBytesMax: limits.target,
    fieldsMax: limits.fields,
    requestsMax: limits.requests,
    headMs: timeouts.head,
    keepAliveMs: timeouts.keepAlive,
    bodyMs: timeouts.body,
    isSlashMerged: paths.mergeSlashes,
    isEscapedSlashAllowed: paths.escapedSlashes === 'keep',
    isUnderscoreAllowed: http.underscores === 'keep',
    hasForwardedFor: http.forwarded.includes('x-forwarded'),
    hasForwarded: http.forwarded.includes('forwarded'),
    hasRequestId: http.requestId,
    trace: http.trace,
    via: http.via,
    serverName: http.server,
    trusted: http.trust,
  };
}

/** HTTP of a listener; null where it speaks something else. */
export function toHttp(listener: ParsedListener, base: string): HttpConfig | null {
  const { http, cluster, protocol } = listener;
  if (protocol !== 'http') return null;
  const { hosts } = http;
  if (hosts === undefined) return { ...toSettings(http), hosts: toDefaultHosts(cluster ?? '') };
  const names = new RouteNames(hosts);
  return {
    ...toSettings(http),
    hosts: hosts.map((host) => ({
      names: host.names,
      order: host.order,
      routes: host.routes.map((each) => toRoute(each, names.nameOf(host, each), base)),
    })),
  };
}
