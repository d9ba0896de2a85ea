/**
 * Checks what a cluster says about HTTP: fields that its type of health check has no use for, names
 * of headers and labels.
 *
 * Path: check-amounts.ts runs it on the plain value.
 * Invariant: a header that says how the request is framed, or where it goes, is the gateway's.
 */
import type { ValuePath } from './findings.ts';
import { asList, asMap, type Item, type PlainMap, type Report } from './plain.ts';
import { quote } from './units.ts';
import { isToken, parseLabel } from './values-http.ts';

/** Fields of a health check that ask and judge over HTTP. */
const HTTP_KEYS = ['path', 'method', 'host', 'headers', 'status'];
/** Headers of the request that are not written by hand, and what to use instead. */
const OWN_HEADERS: Readonly<Record<string, string>> = {
  host: 'write "host" of the health check',
  connection: 'each check is the only request of its connection',
  'content-length': 'checks have no content',
  'transfer-encoding': 'checks have no content',
  upgrade: 'checks do not change the protocol',
};
/** Headers of one request. */
const HEADERS_MAX = 32;

/** Health check and labels of one cluster. */
export function checkClusterHttp({ map, path }: Item, report: Report): void {
  const check = asMap(map['healthCheck']);
  const at = [...path, 'healthCheck'];
  if (check['type'] === 'http') {
    checkHeaders(asMap(check['headers']), [...at, 'headers'], report);
  } else {
    for (const key of HTTP_KEYS.filter((each) => check[each] !== undefined)) {
      const message = `${quote(key)} has no effect: the health check does not speak HTTP`;
      report('notApplicable', [...at, key], message, 'write "type: http", or remove it');
    }
  }
  for (const [i, endpoint] of asList(map['endpoints']).entries()) {
    for (const label of Object.keys(asMap(asMap(endpoint)['labels']))) {
      const parsed = parseLabel(label);
      if (parsed.ok) continue;
      const { name, message, hint } = parsed.fault;
      report(name, [...path, 'endpoints', i, 'labels', label], message, hint);
    }
  }
}

function checkHeaders(headers: PlainMap, path: ValuePath, report: Report): void {
  const names = Object.keys(headers);
  if (names.length > HEADERS_MAX) {
    const message = `there are ${names.length} headers, the limit is ${HEADERS_MAX}`;
    report('tooMany', [...path, names[HEADERS_MAX] ?? ''], message);
  }
  for (const name of names) {
    const own = OWN_HEADERS[name.toLowerCase()];
    if (own !== undefined) {
      report('badFieldName', [...path, name], `${quote(name)} is written by the gateway`, own);
    } else if (!isToken(name)) {
      report('badFieldName', [...path, name], `${quote(name)} is not the name of a header`);
    }
  }
}
