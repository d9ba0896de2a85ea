/**
 * Parts of `holdfast/rate-limit-global`.
 *
 * Path: rate-limit-global.ts puts them together.
 */
export { type CellRate, SCRIPT, type Taken, takeLocally, toCellRate } from './cell-rate.ts';
export { RedisLink } from './redis-link.ts';
export { RATE_LIMIT_CONFIG, type RateLimitConfig } from './schema.ts';
