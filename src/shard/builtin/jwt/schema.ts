/**
 * The configuration of `holdfast/jwt`.
 *
 * Path: src/main/filters checks with it; jwt.ts gets what it yields.
 * Invariant: algorithms are always listed, and `none` is not one that can be.
 */
import * as z from 'zod';
import { byHeader, duration, headerName } from '../parts/index.ts';

const SYMMETRIC = ['HS256', 'HS384', 'HS512'] as const;
const ASYMMETRIC = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;
const ALGORITHMS = [...ASYMMETRIC, ...SYMMETRIC] as const;
const LOCATIONS_MAX = 8;
const CLAIMS_MAX = 32;
const CACHE_ENTRIES_MAX = 1_000_000;

export type Algorithm = (typeof ALGORITHMS)[number];

const NAME = z.string().min(1).max(256);
const LOCATION_ERROR =
  'must be "authorization", { header: NAME }, { cookie: NAME } or { query: NAME }';

const location = z.union(
  [
    z.literal('authorization').transform(() => ({ kind: 'bearer' as const, name: '' })),
    z
      .strictObject({ header: headerName })
      .transform(({ header }) => ({ kind: 'header' as const, name: header })),
    z
      .strictObject({ cookie: NAME })
      .transform(({ cookie }) => ({ kind: 'cookie' as const, name: cookie })),
    z
      .strictObject({ query: NAME })
      .transform(({ query }) => ({ kind: 'query' as const, name: query })),
  ],
  { error: LOCATION_ERROR },
);

/** Where a token may be. */
export type Location = z.infer<typeof location>;

const KEYS_ERROR = 'must have either "file" or "url"';

function isKeyUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '';
}

const keys = z
  .strictObject(
    {
      file: z.string().min(1).optional(),
      url: z.string().refine(isKeyUrl, 'must be an http or https URL without a user').optional(),
      refresh: duration({ from: '10ms', to: '24h' }).prefault('10m'),
      cooldown: duration({ from: '0ms', to: '1h' }).prefault('30s'),
      timeout: duration({ from: '10ms', to: '5s' }).prefault('2s'),
      stale: duration({ from: '0ms', to: '24h' }).prefault('24h'),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? KEYS_ERROR : undefined) },
  )
  .refine(({ file, url }) => (file === undefined) !== (url === undefined), {
    error: KEYS_ERROR,
  });

/** Where keys come from. */
export type KeyOrigin = z.infer<typeof keys>;

const oneOrMore = z.union([NAME.transform((one) => [one]), z.array(NAME).min(1)], {
  error: 'must be a text or a list of texts',
});

/** The schema of what stands under `with`. */
export const JWT_CONFIG = z
  .strictObject({
    token: z.array(location).min(1).max(LOCATIONS_MAX).prefault(['authorization']),
    keys,
    issuer: oneOrMore.optional(),
    audience: oneOrMore.optional(),
    algorithms: z
      .array(
        z.enum(ALGORITHMS, {
          error: (issue) =>
            issue.input === 'none'
              ? '"none" is no signature, so it is never taken'
              : `must be one of ${ALGORITHMS.join(', ')}`,
        }),
        { error: 'must list the algorithms that are taken, such as [RS256]' },
      )
      .min(1, 'must list the algorithms that are taken, such as [RS256]'),
    clockTolerance: duration({ from: '0ms', to: '10m' }).prefault('30s'),
    require: z.array(NAME).max(CLAIMS_MAX).default(['exp']),
    claims: byHeader(NAME, CLAIMS_MAX).prefault({}),
    removeToken: z.boolean().default(false),
    onMissing: z
      .enum(['reject', 'pass'], { error: 'must be "reject" or "pass"' })
      .default('reject'),
    realm: z
      .string()
      .regex(/^[\x20\x21\x23-\x5b\x5d-\x7e]{1,200}$/, 'must be plain text without quotes')
      .optional(),
    cacheEntries: z.int().min(0).max(CACHE_ENTRIES_MAX).default(10_000),
  })
  .refine((config) => !(config.keys.url !== undefined && config.algorithms.some(isSymmetric)), {
    path: ['algorithms'],
    error: 'HS256, HS384 and HS512 need secrets, and a URL is no place for them; use keys.file',
  })
  .refine((config) => !config.claims.has('authorization'), {
    path: ['claims', 'authorization'],
    error: 'is where tokens are; use a field of its own for a claim',
  });

/** The configuration as jwt.ts gets it. */
export type JwtConfig = z.infer<typeof JWT_CONFIG>;

/** True for algorithms whose key is a shared secret. */
export function isSymmetric(algorithm: string): boolean {
  return (SYMMETRIC as readonly string[]).includes(algorithm);
}
