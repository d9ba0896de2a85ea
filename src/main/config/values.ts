/**
 * Parsers of the single values that are neither amounts nor addresses: names, paths, modes, tokens.
 *
 * Path: schema.ts and the command line parse with these.
 * Invariant: what passes can be put into logs, metrics labels and URLs without escaping, except
 * paths.
 */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { canonicalServerName } from '../tls/index.ts';
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

/** A name that clients ask for, or a wildcard; yields its canonical form. */
export function parseServerName(value: string): Parsed<string> {
  const canonical = canonicalServerName(value);
  const bare = value.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) {
    return refuse(
      'badServerName',
      `${quote(value)} is an address: clients ask for names only`,
      'a certificate with "default: true" answers those that ask for none',
    );
  }
  if (canonical !== null) return { ok: true, value: canonical };
  const ascii = domainToASCII(value);
  const isForeign = /[^\x20-\x7e]/.test(value) && canonicalServerName(ascii) !== null;
  const isInner = value.includes('*');
  const hint = isForeign
    ? `write "${ascii}"`
    : isInner
      ? 'a wildcard is the whole first label: "*.a.example"'
      : 'write "a.example" or "*.a.example"';
  return refuse('badServerName', `${quote(value)} is not a server name`, hint);
}

/** A protocol of ALPN (RFC 7301 3.1): 1 to 255 bytes, here visible ones. */
export function parseProtocol(value: string): Parsed<string> {
  if (/^[\x21-\x7e]{1,255}$/.test(value)) return { ok: true, value };
  return refuse(
    'badProtocol',
    `${quote(value)} is not a protocol of ALPN`,
    'write "h2", "http/1.1" or "mqtt"',
  );
}

/** The name of one cipher suite or group; lists and patterns of OpenSSL are refused. */
export function parseSuite(value: string): Parsed<string> {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(value)) return { ok: true, value };
  const hint = value.includes(':') ? 'write them as a list: [one, two]' : '';
  return refuse('badSuite', `${quote(value)} is not the name of a suite or group`, hint);
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
