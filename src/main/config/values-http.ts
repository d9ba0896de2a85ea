/**
 * Parsers of the single values of HTTP: names of hosts, header fields and cookies, statuses.
 *
 * Path: schema-http.ts and schema-route.ts parse with these.
 * Invariant: what passes can stand in a head as it is: no control bytes, no separators where a
 * token is wanted (RFC 9110 5.6.2). Templates and paths are judged by check-route.ts and the core,
 * which know where in them something is wrong.
 */
import { domainToASCII } from 'node:url';
import { canonicalServerName } from '../tls/index.ts';
import type { FindingName } from './codes.ts';
import { CONTENT_BYTES_MAX, HTTP_TEXT_BYTES_MAX } from './limits.ts';
import { type Parsed, quote } from './units.ts';

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}$/;
/** Visible ASCII, blanks and tabs: what a field value may be (RFC 9110 5.5). */
const FIELD_TEXT = /^[\t\x20-\x7e]*$/;
const HOST_AND_PORT = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;

/** Statuses of redirects that keep to themselves what a client may do with them. */
const REDIRECTS = [301, 302, 303, 307, 308];

function refuse(name: FindingName, message: string, hint = ''): Parsed<never> {
  return { ok: false, fault: { name, message, hint } };
}

/** Forms of access records that have a name. */
export const ACCESS_WORDS: ReadonlySet<string> = new Set(['json', 'common']);

/** A form of access records. */
export interface AccessFormatValue {
  readonly format: 'json' | 'common' | 'template';
  /** Empty for forms with a name. */
  readonly template: string;
}

/** The name of a form, or a template with at least one variable. */
export function parseAccessFormat(value: string): Parsed<AccessFormatValue> {
  if (value === 'json' || value === 'common') {
    return { ok: true, value: { format: value, template: '' } };
  }
  if (value.includes('%{')) return { ok: true, value: { format: 'template', template: value } };
  return refuse(
    'badTemplate',
    `${quote(value)} is neither the name of a form nor a template`,
    'write "json", "common", or a text such as "%{time} %{client.address} %{status}"',
  );
}

/** True for a header name or a method (RFC 9110 5.6.2). */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** A name in the Host of requests, `*.` and a name, or `*`; yields its canonical form. */
export function parseHostName(value: string): Parsed<string> {
  const lower = value.toLowerCase();
  if (value === '*' || /^\[[0-9a-f:.]{2,45}\]$/.test(lower)) return { ok: true, value: lower };
  const canonical = canonicalServerName(value);
  if (canonical !== null) return { ok: true, value: canonical };
  const bare = value.replace(/:\d+$/, '');
  const ascii = domainToASCII(value);
  const isForeign = /[^\x20-\x7e]/.test(value) && canonicalServerName(ascii) !== null;
  const hint = isForeign
    ? `write "${ascii}"`
    : bare !== value && canonicalServerName(bare) !== null
      ? `write "${bare}": ports do not count`
      : 'write "a.example", "*.a.example", or "*" for all others';
  return refuse('badServerName', `${quote(value)} is not a host name`, hint);
}

/** The name of a header field. */
export function parseHeaderName(value: string): Parsed<string> {
  if (isToken(value)) return { ok: true, value };
  return refuse(
    'badFieldName',
    `${quote(value)} is not the name of a header`,
    value.includes(':') ? 'without the colon' : 'write "x-name"',
  );
}

/** The name of a parameter in a query, as it stands in the URL. */
export function parseQueryName(value: string): Parsed<string> {
  if (/^[\x21-\x7e]{1,255}$/.test(value) && !/[&=#]/.test(value)) return { ok: true, value };
  return refuse(
    'badFieldName',
    `${quote(value)} is not the name of a query parameter`,
    'write it as it stands in the URL, with %HH for what is not ASCII',
  );
}

/** The name of a cookie (RFC 6265 4.1.1). */
export function parseCookieName(value: string): Parsed<string> {
  if (isToken(value)) return { ok: true, value };
  return refuse('badFieldName', `${quote(value)} is not the name of a cookie`, 'write "sid"');
}

/** The Path of a cookie (RFC 6265 4.1.1). */
export function parseCookiePath(value: string): Parsed<string> {
  if (/^\/[\x21-\x3a\x3c-\x7e]{0,254}$/.test(value)) return { ok: true, value };
  return refuse('badPath', `${quote(value)} is not the path of a cookie`, 'write "/"');
}

/** Text that a header value or a query parameter is compared with. */
export function parseComparison(value: string): Parsed<string> {
  if (!/[\0\r\n]/.test(value) && Buffer.byteLength(value) <= HTTP_TEXT_BYTES_MAX) {
    return { ok: true, value };
  }
  return refuse(
    'badPattern',
    'no value can be compared with this text',
    `at most ${HTTP_TEXT_BYTES_MAX} bytes, and no line breaks`,
  );
}

/** A path, pattern or template: what is in it is judged elsewhere. */
export function parseHttpText(value: string): Parsed<string> {
  if (!value.includes('\0')) return { ok: true, value };
  return refuse('badPattern', 'the text has a NUL');
}

/** Content of a response of the gateway's own. */
export function parseContent(value: string): Parsed<string> {
  if (Buffer.byteLength(value) <= CONTENT_BYTES_MAX && !value.includes('\0')) {
    return { ok: true, value };
  }
  return refuse(
    'outOfRange',
    `the content has ${Buffer.byteLength(value)} bytes`,
    `at most ${CONTENT_BYTES_MAX}, and no NUL`,
  );
}

/** A whole field value without variables: Content-Type, Server. */
export function parseFieldText(value: string): Parsed<string> {
  const isFine = FIELD_TEXT.test(value) && value.trim() === value && value !== '';
  if (isFine && value.length <= HTTP_TEXT_BYTES_MAX) return { ok: true, value };
  return refuse(
    'badFieldName',
    `${quote(value)} cannot be the value of a header`,
    'visible ASCII, without blanks at the ends',
  );
}

/** What names the software in responses: `pass`, which yields an empty text, or a text. */
export function parseProduct(value: string): Parsed<string> {
  return value === 'pass' ? { ok: true, value: '' } : parseFieldText(value);
}

/** A pseudonym in Via (RFC 9110 7.6.3), or `off`, which yields an empty text. */
export function parseVia(value: unknown): Parsed<string> {
  if (value === 'off' || value === false) return { ok: true, value: '' };
  if (typeof value === 'string' && isToken(value)) return { ok: true, value };
  return refuse('badFieldName', `${quote(value)} is not a pseudonym`, 'one word, or "off"');
}

/** A host for endpoints: a name or address, with or without a port. */
export function parseHostHeader(value: string): Parsed<string> {
  if (HOST_AND_PORT.test(value)) return { ok: true, value };
  return refuse('badServerName', `${quote(value)} is not a host`, 'write "app.internal"');
}

function statusOf(value: unknown): number | null {
  const isWritten = typeof value === 'number' || (typeof value === 'string' && value !== '');
  const status = isWritten ? Number(value) : Number.NaN;
  return Number.isInteger(status) ? status : null;
}

/** Status of a response of the gateway's own; 1xx are none. */
export function parseStatus(value: unknown): Parsed<number> {
  const status = statusOf(value);
  if (status !== null && status >= 200 && status <= 599) return { ok: true, value: status };
  return refuse('outOfRange', `${quote(value)} is not the status of a response`, '200 to 599');
}

/** Status of a redirect. */
export function parseRedirectStatus(value: unknown): Parsed<number> {
  const status = statusOf(value);
  if (status !== null && REDIRECTS.includes(status)) return { ok: true, value: status };
  const list = REDIRECTS.join(', ');
  return refuse('unknownValue', `${quote(value)} is not the status of a redirect`, list);
}

/** A label or a text that a label is compared with. */
export function parseLabel(value: unknown): Parsed<string> {
  const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
  if (typeof text === 'string' && /^[\x21-\x7e]{1,63}$/.test(text))
    return { ok: true, value: text };
  return refuse('badName', `${quote(value)} is not a label`, '1 to 63 visible characters');
}
