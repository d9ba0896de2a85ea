/**
 * Who may use the admin API over TCP.
 *
 * Path: api.ts asks before any route of the TCP port is taken. The Unix socket needs none of this:
 * its file mode (0600) says who may connect.
 * Invariant: without the token nothing but `/livez` and `/readyz` answers. A page in a browser gets
 * nowhere: a request with `Origin` is refused, and one without a token must name an IP address or
 * `localhost` as its host, so that a name that was rebound to this machine does not count.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { AdminError } from './http.ts';

/** Checks one request that came over TCP. @throws AdminError 401 or 403 */
export function checkTcpAccess(
  headers: IncomingHttpHeaders,
  access: 'open' | 'guarded',
  token: string,
): void {
  if (headers.origin !== undefined) {
    throw new AdminError(403, 'FORBIDDEN', {
      message: 'requests from web pages are refused',
      hint: 'leave out the Origin header',
    });
  }
  const isTokenRight = hasToken(headers.authorization, token);
  if (!isTokenRight && !isHostPlain(headers.host)) {
    throw new AdminError(403, 'FORBIDDEN', {
      message: 'the Host header names neither an IP address nor localhost',
      hint: 'use the address, or send the token',
    });
  }
  if (access === 'guarded' && !isTokenRight) {
    throw new AdminError(401, 'UNAUTHORIZED', {
      message: 'the token is missing or wrong',
      hint: 'send "Authorization: Bearer TOKEN" with the token of admin.tcp',
      headers: { 'WWW-Authenticate': 'Bearer' },
    });
  }
}

/** Compares in constant time: hashes of equal length, whatever was sent. */
function hasToken(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer +(?<token>\S+) *$/i.exec(authorization ?? '')?.groups?.['token'] ?? '';
  return timingSafeEqual(sha256(given), sha256(token)) && token !== '';
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function isHostPlain(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || isIP(name) !== 0;
}
