/**
 * Parsers of the single values of clusters: what health checks ask and expect, factors, budgets.
 *
 * Path: schema-cluster.ts and its parts parse with these.
 * Invariant: what passes can stand in a request as it is; ranges have their ends in order, and
 * shares and factors come out in permille.
 */
import type { FindingName } from './codes.ts';
import { type Parsed, parsePercent, quote } from './units.ts';

/** Statuses that a check takes for good, both ends included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** Longest target of a health check. */
const TARGET_BYTES_MAX = 1024;
const STATUS_MIN = 200;
const STATUS_MAX = 599;
/** Factors of the median below which everybody would be slow, and beyond which nobody. */
const FACTOR_MIN = 1.1;
const FACTOR_MAX = 1000;

function refuse(name: FindingName, message: string, hint = ''): Parsed<never> {
  return { ok: false, fault: { name, message, hint } };
}

/** The target of a health check: a path, with or without a query. */
export function parseCheckTarget(value: string): Parsed<string> {
  const isTarget = /^\/[\x21-\x22\x24-\x7e]*$/.test(value);
  if (isTarget && value.length <= TARGET_BYTES_MAX) return { ok: true, value };
  return refuse(
    'badPattern',
    `${quote(value)} is not the path of a request`,
    'write "/healthz"; other bytes are written as %HH',
  );
}

/** A status, `200-299` for a range of them, or `2xx` for a class; 1xx are no answers. */
export function parseStatusRange(value: unknown): Parsed<StatusRange> {
  const text = typeof value === 'number' ? String(value) : value;
  const match = typeof text === 'string' ? /^(\d{3})(?: ?- ?(\d{3}))?$/.exec(text) : null;
  const ofClass = typeof text === 'string' ? /^([2-5])xx$/i.exec(text) : null;
  const from = ofClass === null ? Number(match?.[1]) : Number(ofClass[1]) * 100;
  const to = ofClass === null ? Number(match?.[2] ?? match?.[1]) : from + 99;
  if (from >= STATUS_MIN && to >= from && to <= STATUS_MAX)
    return { ok: true, value: { from, to } };
  return refuse(
    'outOfRange',
    `${quote(value)} is not a status, or a range of them`,
    `write 204, "200-299" or "2xx", within ${STATUS_MIN} to ${STATUS_MAX}`,
  );
}

/** How many times the median; yields permille, 0 for `off`. */
export function parseFactor(value: unknown): Parsed<number> {
  if (value === 'off' || value === false) return { ok: true, value: 0 };
  const factor = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof factor === 'number' && factor >= FACTOR_MIN && factor <= FACTOR_MAX) {
    return { ok: true, value: Math.round(factor * 1000) };
  }
  return refuse(
    'outOfRange',
    `${quote(value)} is not a factor`,
    `write a number from ${FACTOR_MIN} to ${FACTOR_MAX}, or "off"`,
  );
}

/** Retries as a share of requests; yields permille, 0 for `off`: no budget. */
export function parseBudget(value: unknown): Parsed<number> {
  if (value === 'off' || value === 'unlimited' || value === false) return { ok: true, value: 0 };
  const parsed = parsePercent(value);
  if (!parsed.ok) return parsed;
  const permille = Math.round(parsed.value * 10);
  if (permille > 0) return { ok: true, value: permille };
  return refuse(
    'outOfRange',
    'a budget of nothing forbids all retries',
    'write "retry: off" in the routes, or "retryBudget: off" for no budget',
  );
}
