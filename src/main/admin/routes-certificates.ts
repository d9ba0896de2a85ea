/**
 * `/v1/certificates`: the certificates in use, with their names and ends.
 *
 * Path: router.ts -> here -> the running state.
 * Invariant: public facts only; keys never leave.
 */
import { daysLeft } from '../tls/index.ts';
import { ok } from './http.ts';
import type { AdminParts } from './parts.ts';
import type { Route } from './router.ts';

/** The routes about certificates. */
export function certificateRoutes(parts: AdminParts): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/v1/certificates',
      access: 'guarded',
      handle: () => {
        const { certificates } = parts.applier.current.material;
        return ok({
          certificates: certificates.map(({ notBefore, notAfter, ...certificate }) => ({
            ...certificate,
            notBefore: new Date(notBefore * 1000).toISOString(),
            notAfter: new Date(notAfter * 1000).toISOString(),
            daysLeft: daysLeft({ notAfter }, Date.now()),
          })),
        });
      },
    },
  ];
}
