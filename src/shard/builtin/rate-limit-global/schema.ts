/**
 * The configuration of `holdfast/rate-limit-global`.
 *
 * Path: src/main/filters checks with it; rate-limit-global.ts gets what it yields.
 * Invariant: the interval between two requests is at least a microsecond, which is as fine as the
 * clock that all gateways share.
 */
import * as z from 'zod';
import { duration, keyPart } from '../parts/index.ts';

const RATE_MAX = 1_000_000;
const PARTS_MAX = 8;
const US_PER_MS = 1000;
const URL_ERROR =
  'must be redis://HOST:PORT/NUMBER, rediss:// for TLS, or unix:/PATH; see passwordFile';
const NAME_ERROR = 'must be a name: up to 64 letters, digits, dots, dashes, underscores';
const COUNT_ERROR = `must be a whole number from 1 to ${RATE_MAX}`;

function isRedisUrl(text: string): boolean {
  if (/^unix:\/./.test(text)) return true;
  const url = URL.canParse(text) ? new URL(text) : null;
  const isRedis = url !== null && /^rediss?:$/.test(url.protocol) && url.hostname !== '';
  return isRedis && url.password === '' && /^(\/\d{0,3})?$/.test(url.pathname);
}

const count = z.int({ error: COUNT_ERROR }).min(1, COUNT_ERROR).max(RATE_MAX, COUNT_ERROR);

/** The schema of what stands under `with`. */
export const RATE_LIMIT_CONFIG = z
  .strictObject({
    redis: z.string({ error: URL_ERROR }).refine(isRedisUrl, URL_ERROR),
    passwordFile: z.string().min(1).optional(),
    prefix: z
      .string()
      .regex(/^[\x21-\x7e]{0,64}$/, 'must be plain text without spaces')
      .default('holdfast:'),
    name: z.string({ error: NAME_ERROR }).regex(/^[\w.-]{1,64}$/, NAME_ERROR),
    rate: count,
    per: duration({ from: '1ms', to: '24h' }).prefault('1s'),
    burst: count.optional(),
    key: z.array(keyPart).max(PARTS_MAX).default([':address']),
    timeout: duration({ from: '1ms', to: '5s' }).prefault('50ms'),
    onFailure: z
      .enum(['open', 'closed', 'local'], { error: 'must be "open", "closed" or "local"' })
      .default('open'),
    localRate: count.optional(),
    status: z.int().min(400).max(599).default(429),
    failureStatus: z.int().min(400).max(599).default(503),
  })
  .refine(({ rate, per }) => (per * US_PER_MS) / rate >= 1, {
    path: ['rate'],
    error: 'must be at most 1,000,000 for each second',
  })
  .refine(({ onFailure, localRate }) => localRate === undefined || onFailure === 'local', {
    path: ['localRate'],
    error: 'is for onFailure: local',
  });

/** The configuration as rate-limit-global.ts gets it. */
export type RateLimitConfig = z.infer<typeof RATE_LIMIT_CONFIG>;
