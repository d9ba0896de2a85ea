/**
 * What tells requests apart, in the configuration of built-in filters: header fields by name, and
 * `:address` and the like.
 *
 * Path: the cache of ext-auth, the key of rate-limit-global.
 * Invariant: a part is a text or null (not there); what is not there never equals an empty text.
 */
import type { RequestView, RoutedView } from 'holdfast/sdk';
import * as z from 'zod';
import { headerName } from './header-name.ts';

const PSEUDO = [':method', ':path', ':target', ':host', ':address', ':route'];
const MESSAGE = `must be the name of a header field, or one of ${PSEUDO.join(', ')}`;

/** One part of a key. */
export const keyPart = z
  .string({ error: MESSAGE })
  .refine((text) => PSEUDO.includes(text) || headerName.safeParse(text).success, MESSAGE)
  .toLowerCase();

/** The part of a request. */
export function readKeyPart(request: RequestView, part: string): string | null {
  switch (part) {
    case ':method':
      return request.method;
    case ':path':
      return request.path;
    case ':target':
      return request.target;
    case ':host':
      return request.host;
    case ':address':
      return request.client.ip;
    case ':route':
      // Empty on a listener, where the route is not sought yet.
      return (request as RoutedView).route;
    default:
      return request.headers.get(part);
  }
}
