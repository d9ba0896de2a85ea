/**
 * What a health check over HTTP says and expects: the bytes of its request, and the statuses that
 * are good.
 *
 * Path: snapshot/apply.ts makes it for each endpoint; health-checks.ts hands the request to the
 * prober, or to tls-probe.ts, and judges the status.
 * Invariant: one request for each connection, without content; written once for each snapshot.
 */
import type { ClusterConfig, HttpCheckConfig } from '../config/index.ts';
import type { ResolvedEndpoint } from './resolve.ts';

/** An endpoint that is asked over HTTP. */
export interface HttpTarget {
  readonly request: Uint8Array;
  readonly statuses: HttpCheckConfig['statuses'];
}

/** PROXY headers of connections that are the gateway's own (the protocol's 2.1 and 2.2). */
const PROXY_HEADERS = {
  0: '',
  1: 'PROXY UNKNOWN\r\n',
  2: '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0',
} as const;

/** What is sent on a connection before anything else; empty: nothing. */
export function writePrelude({ proxyProtocol }: ClusterConfig): Uint8Array {
  return Buffer.from(PROXY_HEADERS[proxyProtocol], 'latin1');
}

/** The request of a check to one endpoint. */
export function writeHttpCheck(
  check: HttpCheckConfig,
  { serverName, endpoint }: { readonly serverName: string; readonly endpoint: ResolvedEndpoint },
): Uint8Array {
  const host = check.host || serverName || hostOf(endpoint);
  const hasAgent = check.headers.some(([name]) => name.toLowerCase() === 'user-agent');
  const lines = [
    `${check.method} ${check.target} HTTP/1.1`,
    `Host: ${host}`,
    ...(hasAgent ? [] : ['User-Agent: holdfast-health-check']),
    ...check.headers.map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** What clients would call an endpoint: the name that the configuration has for it, or its address. */
function hostOf({ address, host, text }: ResolvedEndpoint): string {
  if ('path' in address) {
    return 'localhost';
  }
  return host === null ? text : `${host}:${address.port}`;
}

/** Null for a good status, or what is wrong with it. */
export function judgeStatus(status: number, statuses: HttpTarget['statuses']): string | null {
  if (status < 0) {
    return 'EPROTO';
  }
  return statuses.some(({ from, to }) => status >= from && status <= to)
    ? null
    : `status ${status}`;
}
