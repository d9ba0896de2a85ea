/**
 * Parsers of the single values that are neither amounts nor addresses: names, paths, modes, tokens.
 *
 * Path: schema.ts and the command line parse with these.
 * Invariant: what passes can be put into logs, metrics labels and URLs without escaping, except
 * paths.
 */
import { isIP } from 'node:net';
import { formatHostPort, parseAddress } from './address.ts';
import type { FindingName } from './codes.ts';
import { NAME_BYTES_MAX, TOKEN_LENGTH_MAX, TOKEN_LENGTH_MIN } from './limits.ts';
import { type Parsed, quote } from './units.ts';

/** PATH_MAX of Linux, with the ending NUL. */
const PATH_BYTES_MAX = 4095;

/** NAME_MAX of Linux file systems: a namespace is a file in /run/netns. */
const NETNS_BYTES_MAX = 255;

function refuse(name: FindingName, message: string, hint = ''): Parsed<never> {
  return { ok: false, fault: { name, message, hint } };
}

/** Names of listeners and clusters. */
export function parseName(value: string): Parsed<string> {
  const bytes = Buffer.byteLength(value);
  if (bytes > NAME_BYTES_MAX) {
    return refuse(
      'badName',
      `${quote(value)} has ${bytes} bytes`,
      `names have at most ${NAME_BYTES_MAX}`,
    );
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value)) {
    return refuse(
      'badName',
      `${quote(value)} is not a name`,
      'use letters, digits, ".", "_" and "-", and start with a letter or digit',
    );
  }
  return { ok: true, value };
}

/** Names of network namespaces, as in /run/netns. */
export function parseNetns(value: string): Parsed<string> {
  const isFileName = /^[^/\0]+$/.test(value) && value !== '.' && value !== '..';
  if (!isFileName || Buffer.byteLength(value) > NETNS_BYTES_MAX) {
    return refuse(
      'badName',
      `${quote(value)} is not the name of a network namespace`,
      '"ip netns list" shows the names',
    );
  }
  return { ok: true, value };
}

/** Octal permission bits in text: `0660`. */
export function parseMode(value: string): Parsed<number> {
  if (!/^0?[0-7]{3}$/.test(value))
    return refuse('badMode', `${quote(value)} is not a file mode`, 'write "0660"');
  return { ok: true, value: Number.parseInt(value, 8) };
}

/** A file path. */
export function parseFilePath(value: string): Parsed<string> {
  if (value === '' || value.includes('\0') || Buffer.byteLength(value) > PATH_BYTES_MAX) {
    return refuse('badPath', `${quote(value)} is not a usable path`);
  }
  return { ok: true, value };
}

/** A bearer token: visible ASCII, as a header carries it (RFC 6750 2.1 allows less; none is shown in messages). */
export function parseToken(value: string): Parsed<string> {
  if (!/^[\x21-\x7e]+$/.test(value)) {
    return refuse(
      'badSecret',
      'the token has blanks or characters that a header cannot carry',
      'make one with "openssl rand -hex 32"',
    );
  }
  if (value.length < TOKEN_LENGTH_MIN || value.length > TOKEN_LENGTH_MAX) {
    const message = `the token has ${value.length} characters, at least ${TOKEN_LENGTH_MIN} are needed`;
    return refuse('badSecret', message, 'make one with "openssl rand -hex 32"');
  }
  return { ok: true, value };
}

/** A DNS resolver: an IP, with or without port. */
export function parseResolver(value: unknown): Parsed<string> {
  if (typeof value === 'string' && isIP(value) !== 0 && !value.includes('%'))
    return { ok: true, value };
  const parsed = parseAddress(value);
  if (parsed.ok && parsed.value.kind === 'ip' && parsed.value.port > 0) {
    return { ok: true, value: formatHostPort(parsed.value.ip, parsed.value.port) };
  }
  return refuse(
    'badAddress',
    `${quote(value)} is not a resolver`,
    'write an IP: "10.0.0.2" or "10.0.0.2:53"',
  );
}

/** The language's version. */
export function parseVersion(value: unknown): Parsed<1> {
  if (value === 1 || value === '1') return { ok: true, value: 1 };
  return refuse('version', `version ${quote(value)} is not supported`, 'write "version: 1"');
}
