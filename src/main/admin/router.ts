/**
 * Which handler answers which method and path.
 *
 * Path: api.ts -> here -> handlers in routes-*.ts.
 * Invariant: what changes anything is reached by PUT, POST, PATCH or DELETE only. A path that
 * exists under another method answers 405 with `Allow`.
 */
import { AdminError, type AdminRequest, type AdminResponse, notFound } from './http.ts';

export type Method = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';

export type Handler = (request: AdminRequest) => Promise<AdminResponse> | AdminResponse;

/** One row of the API. */
export interface Route {
  readonly method: Method;
  /** Segments with a leading colon are parameters. */
  readonly pattern: string;
  /** `open` routes answer without a token: they tell nothing but "up" and "ready". */
  readonly access: 'open' | 'guarded';
  readonly handle: Handler;
}

/** A route and what its parameters are. */
export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** Finds the route of a request. @throws AdminError 404 or 405 */
export function matchRoute(routes: readonly Route[], method: string, path: string): Match {
  const allowed = new Set<string>();
  for (const route of routes) {
    const params = matchPattern(route.pattern, path);
    if (params !== null) {
      const isHead = method === 'HEAD' && route.method === 'GET';
      if (route.method === method || isHead) {
        return { route, params };
      }
      allowed.add(route.method);
    }
  }
  if (allowed.size > 0) {
    const allow = [...allowed].join(', ');
    throw new AdminError(405, 'METHOD_NOT_ALLOWED', {
      message: `${method} does not apply to ${path}`,
      hint: `use ${allow}`,
      headers: { Allow: allow },
    });
  }
  throw notFound(`there is nothing at ${path}`, 'docs/operating.md lists the endpoints');
}

function matchPattern(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) {
    return null;
  }
  const params: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    const value = given[index] ?? '';
    if (segment.startsWith(':')) {
      const decoded = decodeSegment(value);
      if (decoded === null || decoded === '') {
        return null;
      }
      params[segment.slice(1)] = decoded;
    } else if (segment !== value) {
      return null;
    }
  }
  return params;
}

function decodeSegment(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}
