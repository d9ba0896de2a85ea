/**
 * Addresses as people write them, and back.
 *
 * Path: ids, admin, logs and metrics name sockets by this text; PATCH bodies are read with it.
 * Invariant: `parseAddress(formatAddress(x))` is `x`. IPv6 stands in brackets when a port follows.
 */
import { isIP } from 'node:net';
import type { SocketAddress } from '../../../native/epoll/index.ts';

/** `127.0.0.1:80`, `[::1]:80` or `unix:/run/x.sock`. */
export function formatAddress(address: SocketAddress): string {
  if ('path' in address) {
    return `unix:${address.path}`;
  }
  return formatHostPort(address.ip, address.port);
}

/** `host:port`, with brackets around an IPv6 literal. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads an IP literal with a port, or `unix:PATH`; null when it is neither. */
export function parseAddress(text: string): SocketAddress | null {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    return path === '' ? null : { path };
  }
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:]+)):(?<port>\d{1,5})$/.exec(text);
  const ip = match?.groups?.['v6'] ?? match?.groups?.['v4'] ?? '';
  const port = Number(match?.groups?.['port'] ?? 0);
  const isFamilyRight = isIP(ip) === (match?.groups?.['v6'] === undefined ? 4 : 6);
  if (!isFamilyRight || port < 1 || port > 65_535) {
    return null;
  }
  return { ip, port };
}
