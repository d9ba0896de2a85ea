/**
 * TLS as the schema yields it to TLS as the rest of the control plane reads it.
 *
 * Path: normalize.ts calls these for each listener and cluster.
 * Invariant: paths leave here absolute, lists of suites as the library takes them. Total: what the
 * checks refuse still becomes something, which nobody uses.
 */
import type {
  ClientAuthConfig,
  ClusterTlsConfig,
  EndpointConfig,
  ListenerTlsConfig,
  ServerNameRouteConfig,
  TlsTuning,
} from './config.ts';
import type { ParsedConfig } from './schema.ts';
import type { World } from './world.ts';

type ParsedListener = ParsedConfig['listeners'][number];
type ParsedListenerTls = NonNullable<ParsedListener['tls']>;
type ParsedClusterTls = NonNullable<ParsedConfig['clusters'][number]['tls']>;
type ParsedClientAuth = NonNullable<ParsedListenerTls['clientAuth']>;

/** Who asks no client for anything. */
const NO_CLIENT_AUTH: ClientAuthConfig = { mode: 'off', ca: null, crl: null, depth: 4 };

function toPath(path: string | undefined, world: World): string | null {
  return path === undefined ? null : world.resolvePath(path);
}

function toTuning(parsed: ParsedListenerTls | ParsedClusterTls, world: World): TlsTuning {
  const { policy, records, ciphers, ciphersTls13, groups, engine } = parsed;
  return {
    policy,
    records,
    suites12: (ciphers ?? []).join(':'),
    suites13: (ciphersTls13 ?? []).join(':'),
    groups: (groups ?? []).join(':'),
    engine: toPath(engine, world),
  };
}

function toClientAuth(parsed: ParsedClientAuth, world: World): ClientAuthConfig {
  const { mode, ca, crl, depth } = parsed;
  return { mode, ca: toPath(ca, world), crl: toPath(crl, world), depth };
}

/** What clients of a listener with HTTP may agree on. */
const HTTP_PROTOCOLS = ['http/1.1'];

/** TLS of a listener. */
export function toListenerTls(
  { tls: parsed, protocol }: ParsedListener,
  world: World,
): ListenerTlsConfig | null {
  if (parsed === undefined) return null;
  const isHttp = protocol === 'http' && parsed.mode === 'terminate';
  const { tickets, clientAuth } = parsed;
  return {
    mode: parsed.mode,
    handshakeMs: parsed.handshakeTimeout,
    certificates: parsed.certificates.map((each) => ({
      cert: world.resolvePath(each.cert),
      key: world.resolvePath(each.key),
      ocsp: toPath(each.ocsp, world),
      names: each.names ?? null,
      isDefault: each.default,
      clientAuth: each.clientAuth === undefined ? null : toClientAuth(each.clientAuth, world),
    })),
    alpn: isHttp && parsed.alpn.length === 0 ? HTTP_PROTOCOLS : parsed.alpn,
    clientAuth: clientAuth === undefined ? NO_CLIENT_AUTH : toClientAuth(clientAuth, world),
    tickets: tickets.count,
    ticketSeconds: Math.round(tickets.lifetime / 1000),
    isServerNameRequired: parsed.requireServerName,
    ...toTuning(parsed, world),
  };
}

/** Routes of a listener. */
export function toRoutes(parsed: ParsedListener['routes']): ServerNameRouteConfig[] {
  return parsed.map(({ serverNames, alpn, cluster }) => ({
    serverNames: serverNames ?? [],
    alpn,
    cluster,
  }));
}

/** The one DNS name that all endpoints have, or an empty text. */
function sharedName(endpoints: readonly EndpointConfig[]): string {
  const hosts = new Set(endpoints.map((each) => ('host' in each ? each.host : '')));
  const [host = ''] = hosts;
  const isName = /[a-z]/i.test(host) && !host.includes(':');
  return hosts.size === 1 && isName ? host.replace(/\.$/, '').toLowerCase() : '';
}

/** TLS of a cluster. */
export function toClusterTls(
  parsed: ParsedClusterTls | undefined,
  endpoints: readonly EndpointConfig[],
  world: World,
): ClusterTlsConfig | null {
  if (parsed === undefined) return null;
  const { cert, key } = parsed;
  const hasPair = cert !== undefined && key !== undefined;
  return {
    ca: toPath(parsed.ca, world),
    serverName: parsed.serverName ?? sharedName(endpoints),
    isPeerUnchecked: parsed.verify === 'off',
    certificate: hasPair ? { cert: world.resolvePath(cert), key: world.resolvePath(key) } : null,
    alpn: parsed.alpn,
    hasTickets: parsed.tickets,
    ...toTuning(parsed, world),
  };
}
