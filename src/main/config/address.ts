/**
 * Addresses in their human form: `0.0.0.0:1883`, `[::]:1883`, `broker.internal:1883`,
 * `unix:/run/x.sock`, `10.0.0.0/8`.
 *
 * Path: schema.ts, check.ts and the command line parse with these.
 * Invariant: IPs are validated and kept as written without zone; ports are 1 to 65535 (0 for binds:
 * any free port); Unix paths fit into `sockaddr_un`. Nothing here resolves a name.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { FindingName } from './codes.ts';
import { type Parsed, quote } from './units.ts';

/** `sockaddr_un.sun_path` has 108 bytes, the last of which ends the string (unix(7)). */
export const UNIX_PATH_BYTES_MAX = 107;

/** A DNS name has at most 253 characters in text form (RFC 1035 2.3.4). */
const DNS_NAME_LENGTH_MAX = 253;
const ADDRESS_LENGTH_MAX = 512;

/** An IP literal and port, a name and port, or a Unix path. */
export type Address =
  | { readonly kind: 'ip'; readonly ip: string; readonly port: number }
  | { readonly kind: 'name'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

function refuse(name: FindingName, message: string, hint = ''): Parsed<never> {
  return { ok: false, fault: { name, message, hint } };
}

/** Checks a Unix socket path. A leading `@` names a socket in the abstract namespace and is refused. */
export function parseUnixPath(path: string): Parsed<string> {
  if (path === '')
    return refuse(
      'badAddress',
      'the Unix socket has no path',
      'write "unix:/run/holdfast/app.sock"',
    );
  if (path.includes('\0')) return refuse('badAddress', 'a Unix socket path cannot contain NUL');
  if (path.startsWith('@')) {
    return refuse(
      'badAddress',
      `${quote(path)} is an abstract socket, which has no permissions`,
      'use a path in the file system',
    );
  }
  const bytes = Buffer.byteLength(path);
  if (bytes > UNIX_PATH_BYTES_MAX) {
    return refuse(
      'unixPathTooLong',
      `the Unix socket path has ${bytes} bytes, the kernel takes at most ${UNIX_PATH_BYTES_MAX}`,
      'use a shorter directory, such as /run/holdfast',
    );
  }
  return { ok: true, value: path };
}

function splitHostPort(text: string): { host: string; port: string; isBracketed: boolean } | null {
  const bracketed = /^\[([^\]]*)\]:(\d+)$/.exec(text);
  if (bracketed !== null)
    return { host: bracketed[1] ?? '', port: bracketed[2] ?? '', isBracketed: true };
  const plain = /^([^:[\]]*):(\d+)$/.exec(text);
  return plain === null ? null : { host: plain[1] ?? '', port: plain[2] ?? '', isBracketed: false };
}

function isDnsName(host: string): boolean {
  if (host.length === 0 || host.length > DNS_NAME_LENGTH_MAX) return false;
  const labels = host.replace(/\.$/, '').split('.');
  const areLabels = labels.every((label) =>
    /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label),
  );
  // A last label of digits only is a broken IPv4 literal, not a name (RFC 1123 2.1).
  return areLabels && !/^\d+$/.test(labels.at(-1) ?? '');
}

function explainBadAddress(value: unknown): Parsed<never> {
  const examples = 'write "10.0.1.10:1883", "[::1]:1883" or "unix:/run/app.sock"';
  if (typeof value === 'number') {
    return refuse(
      'badAddress',
      `${value} is not an address: the host is missing`,
      `write "0.0.0.0:${value}" or "127.0.0.1:${value}"`,
    );
  }
  if (typeof value !== 'string')
    return refuse('badAddress', `${quote(value)} is not an address`, examples);
  if (isIPv4(value) || isDnsName(value)) {
    return refuse('badAddress', `${quote(value)} has no port`, `write "${value}:PORT"`);
  }
  const bare = /^([0-9a-fA-F:]+):(\d+)$/.exec(value);
  if (bare !== null && isIPv6(bare[1] ?? '') && Number(bare[2]) <= 65_535) {
    return refuse(
      'badAddress',
      `${quote(value)} is ambiguous`,
      `write "[${bare[1]}]:${bare[2]}", quoted`,
    );
  }
  if (isIPv6(value))
    return refuse('badAddress', `${quote(value)} has no port`, `write "[${value}]:PORT", quoted`);
  if (value.startsWith('/'))
    return refuse('badAddress', `${quote(value)} is a path`, `write "unix:${value}"`);
  if (/^[a-z]+:\/\//.test(value)) {
    return refuse(
      'badAddress',
      `${quote(value)} is a URL`,
      'write the host and the port only, without a scheme',
    );
  }
  return refuse('badAddress', `${quote(value)} is not an address`, examples);
}

/** Parses an endpoint's address: IP or DNS name with a port, or `unix:` and a path. */
export function parseAddress(value: unknown): Parsed<Address> {
  if (typeof value !== 'string' || value.length > ADDRESS_LENGTH_MAX)
    return explainBadAddress(value);
  if (value.startsWith('unix:')) {
    const path = parseUnixPath(value.slice('unix:'.length));
    return path.ok ? { ok: true, value: { kind: 'unix', path: path.value } } : path;
  }
  const split = splitHostPort(value);
  if (split === null) return explainBadAddress(value);
  const port = Number(split.port);
  if (split.port.length > 5 || port > 65_535) {
    return refuse('badPort', `${split.port} is not a port`, 'ports are 1 to 65535');
  }
  if (split.host.includes('%')) {
    return refuse(
      'badAddress',
      `${quote(value)} has a zone, which is not supported`,
      'use a global or unique local address',
    );
  }
  const isLiteral = split.isBracketed ? isIPv6(split.host) : isIPv4(split.host);
  if (isLiteral) return { ok: true, value: { kind: 'ip', ip: split.host, port } };
  if (!split.isBracketed && isDnsName(split.host)) {
    return { ok: true, value: { kind: 'name', host: split.host.toLowerCase(), port } };
  }
  if (split.host === '') {
    return refuse(
      'badAddress',
      `${quote(value)} has no host`,
      `write "0.0.0.0:${port}", or "[::]:${port}" for IPv6`,
    );
  }
  return refuse('badAddress', `${quote(split.host)} is neither an IP address nor a name`);
}

/** Parses an address to listen on: no names, port 0 means any free port. */
export function parseBind(value: unknown): Parsed<Exclude<Address, { kind: 'name' }>> {
  const parsed = parseAddress(value);
  if (!parsed.ok) return parsed;
  if (parsed.value.kind === 'name') {
    const { host, port } = parsed.value;
    const instead = host === 'localhost' ? `127.0.0.1:${port}` : `0.0.0.0:${port}`;
    return refuse(
      'badAddress',
      `${quote(host)} is a name: a listener binds an IP address`,
      `write "${instead}"`,
    );
  }
  return { ok: true, value: parsed.value };
}

/** Parses an endpoint's address, which needs a real port. */
export function parseEndpoint(value: unknown): Parsed<Address> {
  const parsed = parseAddress(value);
  if (parsed.ok && parsed.value.kind !== 'unix' && parsed.value.port === 0) {
    return refuse('badPort', 'port 0 cannot be connected to', 'ports are 1 to 65535');
  }
  return parsed;
}

/** Parses a network (`10.0.0.0/8`, `::1`); host bits below the prefix must be zero. */
export function parseCidr(value: unknown): Parsed<string> {
  const hint = 'write "10.0.0.0/8", "2001:db8::/32" or a single address';
  if (typeof value !== 'string' || value.length > ADDRESS_LENGTH_MAX) {
    return refuse('badCidr', `${quote(value)} is not a network`, hint);
  }
  const [ip = '', prefix, ...rest] = value.split('/');
  const family = isIP(ip);
  if (family === 0 || rest.length > 0 || ip.includes('%'))
    return refuse('badCidr', `${quote(value)} is not a network`, hint);
  const bitsMax = family === 4 ? 32 : 128;
  if (prefix === undefined) return { ok: true, value: `${ip}/${bitsMax}` };
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bitsMax) {
    return refuse(
      'badCidr',
      `"/${prefix}" is not a prefix length`,
      `IPv${family} prefixes are /0 to /${bitsMax}`,
    );
  }
  const masked = maskIp(ip, Number(prefix));
  if (masked !== null) {
    return refuse(
      'badCidr',
      `${quote(value)} has host bits below /${prefix}`,
      `write "${masked}/${prefix}"`,
    );
  }
  return { ok: true, value };
}

/** The bytes of an IP literal: 4 or 16. */
export function ipBytes(ip: string): number[] {
  if (isIPv4(ip)) return ip.split('.').map(Number);
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(ip);
  let text = ip;
  if (embedded !== null) {
    const [a = 0, b = 0, c = 0, d = 0] = (embedded[2] ?? '').split('.').map(Number);
    text = `${embedded[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const words = [...left, ...Array.from({ length: zeros }, () => '0'), ...right].map((word) =>
    Number.parseInt(word, 16),
  );
  return words.flatMap((word) => [word >> 8, word & 0xff]);
}

/** The network address when `ip` has bits below the prefix, else null. */
function maskIp(ip: string, prefix: number): string | null {
  const bytes = ipBytes(ip);
  const masked = bytes.map(
    (byte, i) => byte & ((0xff << Math.min(8, Math.max(0, 8 * (i + 1) - prefix))) & 0xff),
  );
  if (masked.every((byte, i) => byte === bytes[i])) return null;
  if (isIPv4(ip)) return masked.join('.');
  const words = Array.from({ length: 8 }, (_, i) =>
    (((masked[2 * i] ?? 0) << 8) | (masked[2 * i + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${words.join(':')}]/`).hostname.slice(1, -1);
}

/** Writes an IP or name with its port: `[::1]:80`. */
export function formatHostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Writes a bind or endpoint address as the configuration has it. */
export function formatAddress(
  address:
    | { readonly ip: string; readonly port: number }
    | { readonly host: string; readonly port: number }
    | { readonly path: string },
): string {
  if ('path' in address) return `unix:${address.path}`;
  return formatHostPort('ip' in address ? address.ip : address.host, address.port);
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(ip: string): boolean {
  const bytes = ipBytes(ip);
  return bytes.length === 4
    ? bytes[0] === 127
    : bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/** True for 0.0.0.0 and ::. */
export function isWildcard(ip: string): boolean {
  return ipBytes(ip).every((byte) => byte === 0);
}
