/**
 * Finds the token of a request, and takes it out.
 *
 * Path: jwt.ts, for every request.
 * Invariant: one place is asked after the other, and the first that has something decides. A place
 * that has two of them is a fault, because whoever reads the request next may take the other one.
 */
import type { RequestView } from 'holdfast/sdk';
import type { Location } from './schema.ts';

/** What was found. */
export type FoundToken =
  | { readonly kind: 'none' }
  | { readonly kind: 'twice' }
  | { readonly kind: 'token'; readonly token: string; readonly at: Location };

const NONE: FoundToken = { kind: 'none' };
const TWICE: FoundToken = { kind: 'twice' };
const BEARER = /^bearer +(\S+) *$/i;

/** Pairs of all Cookie fields, as they stand. */
function cookiePairs(request: RequestView): string[] {
  return request.headers.getAll('cookie').flatMap((value) => value.split(';'));
}

function nameOfPair(pair: string): string {
  const equals = pair.indexOf('=');
  return (equals === -1 ? pair : pair.slice(0, equals)).trim();
}

/** Parameters of the query, as they stand. */
function queryParts(target: string): string[] {
  const mark = target.indexOf('?');
  return mark === -1 ? [] : target.slice(mark + 1).split('&');
}

function nameOfPart(part: string): string {
  const [entry] = new URLSearchParams(part);
  return entry?.[0] ?? '';
}

function readBearer(values: readonly string[]): string[] {
  return values.flatMap((value) => {
    const scheme = /^bearer(?: |$)/i.test(value);
    return scheme ? [BEARER.exec(value)?.[1] ?? ''] : [];
  });
}

function readAll(request: RequestView, { kind, name }: Location): string[] {
  switch (kind) {
    case 'bearer':
      return readBearer(request.headers.getAll('authorization'));
    case 'header':
      return [...request.headers.getAll(name)];
    case 'cookie':
      return cookiePairs(request)
        .filter((pair) => nameOfPair(pair) === name)
        .map((pair) => pair.slice(pair.indexOf('=') + 1).trim());
    case 'query':
      return queryParts(request.target)
        .filter((part) => nameOfPart(part) === name)
        .map((part) => new URLSearchParams(part).get(name) ?? '');
  }
}

/** The token of a request. */
export function findToken(request: RequestView, locations: readonly Location[]): FoundToken {
  for (const at of locations) {
    const found = readAll(request, at);
    if (found.length > 1) return TWICE;
    const [token] = found;
    if (token !== undefined) return { kind: 'token', token, at };
  }
  return NONE;
}

/** Takes the token out, so that the endpoint does not see it. */
export function removeToken(request: RequestView, { kind, name }: Location): void {
  if (kind === 'bearer') {
    request.headers.remove('authorization');
  } else if (kind === 'header') {
    request.headers.remove(name);
  } else if (kind === 'cookie') {
    const rest = cookiePairs(request).filter((pair) => nameOfPair(pair) !== name);
    const text = rest.map((pair) => pair.trim()).join('; ');
    if (text === '') request.headers.remove('cookie');
    else request.headers.set('cookie', text);
  } else {
    const { target } = request;
    const rest = queryParts(target).filter((part) => nameOfPart(part) !== name);
    const path = target.slice(0, target.indexOf('?'));
    request.rewrite({ target: rest.length === 0 ? path : `${path}?${rest.join('&')}` });
  }
}
