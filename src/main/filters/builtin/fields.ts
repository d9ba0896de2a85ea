/**
 * Fields of native filters: each couples a parser of what people write with a zod schema.
 *
 * Path: the schemas of the filters in this directory are written with these.
 * Invariant: amounts have the units of the rest of the configuration, and what a field yields is in
 * base units. Nothing throws: what is wrong is an issue with one sentence.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import {
  type Parsed,
  parseCount,
  parseDuration,
  parseHeaderName,
  parsePercent,
  parseSize,
  units,
} from '../../config/index.ts';

/** Longest text that a condition compares with, in bytes. */
export const TEXT_BYTES_MAX = 8192;

/** Networks that one list may have. */
export const NETWORKS_MAX = 1 << 20;

/** A field that a parser judges. */
export function parsed<T>(parse: (value: unknown) => Parsed<T>) {
  return z.unknown().transform((value, ctx): T => {
    const result = parse(value);
    if (result.ok) return result.value;
    const { hint } = result.fault;
    const message = value === undefined ? 'is needed' : result.fault.message;
    ctx.addIssue({ code: 'custom', message: hint === '' ? message : `${message}: ${hint}` });
    return z.NEVER;
  });
}

/** How messages show a value: short, and on one line. */
function quote(value: unknown): string {
  const isPlain = ['string', 'number', 'boolean'].includes(typeof value);
  return isPlain ? JSON.stringify(value).slice(0, 80) : 'what is here';
}

function refuse(message: string, hint = ''): Parsed<never> {
  return { ok: false, fault: { name: 'wrongType', message, hint } };
}

interface Range {
  readonly min: number;
  readonly max: number;
  /** As people write the bounds. */
  readonly format: (bound: number) => string;
}

function within(parse: (value: unknown) => Parsed<number>, { min, max, format }: Range) {
  return (value: unknown): Parsed<number> => {
    const result = parse(value);
    if (!result.ok || (result.value >= min && result.value <= max)) return result;
    return refuse(`${quote(value)} is out of range`, `write ${format(min)} to ${format(max)}`);
  };
}

/** A count between two bounds. */
export function count(min: number, max: number) {
  return parsed(within(parseCount, { min, max, format: String }));
}

/** A size in bytes between two bounds. */
export function size(min: number, max: number) {
  return parsed(within(parseSize, { min, max, format: units.size }));
}

/** A duration in milliseconds between two bounds. */
export function duration(min: number, max: number) {
  return parsed(within(parseDuration, { min, max, format: units.duration }));
}

/** A share; yields parts of a million. */
export const share = parsed((value): Parsed<number> => {
  const result = parsePercent(value);
  return result.ok ? { ok: true, value: Math.round(result.value * 10_000) } : result;
});

/** Text without NUL and line breaks. */
export const text = parsed((value): Parsed<string> => {
  if (typeof value !== 'string') {
    const isPlain = typeof value === 'number' || typeof value === 'boolean';
    return refuse(`${quote(value)} is not text`, isPlain ? `write "${String(value)}"` : '');
  }
  if (/[\0\r\n]/.test(value)) return refuse('the text has a NUL or a line break');
  if (Buffer.byteLength(value) > TEXT_BYTES_MAX) {
    return refuse(`the text has more than ${TEXT_BYTES_MAX} bytes`);
  }
  return { ok: true, value };
});

/** The name of a header or a method (RFC 9110 5.6.2). */
export const token = parsed((value): Parsed<string> => {
  if (typeof value === 'string') {
    if (parseHeaderName(value).ok) return { ok: true, value };
  }
  return refuse(
    `${quote(value)} is not a name`,
    'write letters, digits and dashes, as in "x-name"',
  );
});

/** The name of a use or a rule, as records, metrics and fields show it. */
export const label = parsed((value): Parsed<string> => {
  if (typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(value)) {
    return { ok: true, value };
  }
  return refuse(
    `${quote(value)} is not a name`,
    'write at most 63 letters, digits, ".", "_" and "-"',
  );
});

/** A status of a refusal. */
export const status = parsed((value): Parsed<number> => {
  const isStatus = Number.isInteger(value) && Number(value) >= 400 && Number(value) <= 599;
  return isStatus
    ? { ok: true, value: Number(value) }
    : refuse(`${quote(value)} is not a status of a refusal`, 'write 400 to 599');
});

/** True for an address or a network: `10.0.0.0/8`, `2001:db8::1`. */
export function isNetwork(value: string): boolean {
  const [address = '', bits, ...rest] = value.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return false;
  const isShort = bits === undefined || /^(?:0|[1-9]\d{0,2})$/.test(bits);
  return isShort && Number(bits ?? 0) <= (version === 4 ? 32 : 128);
}

/** A network. */
export const network = parsed((value): Parsed<string> => {
  if (typeof value === 'string' && isNetwork(value)) return { ok: true, value };
  return refuse(`${quote(value)} is not a network`, 'write "10.0.0.0/8", "2001:db8::/32" or "::1"');
});

/** What a rate says. */
export interface Rate {
  readonly count: number;
  readonly periodMs: number;
  /** The count is one of bytes, by its unit. */
  readonly isSize: boolean;
}

const PERIODS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Longest period of a rate, and most that one may grant in a period. */
const RATE_PERIOD_MS_MAX = 7 * 86_400_000;
export const RATE_COUNT_MAX = 1e12;

/** An amount of what is counted, or, with a unit of sizes, of bytes. */
export interface Amount {
  readonly value: number;
  /** It says "KiB" or the like. */
  readonly isSize: boolean;
}

/** Parses `200`, `10k`, `64KiB`. */
function parseAmount(value: unknown): Parsed<Amount> {
  const counted = parseCount(value);
  const result = counted.ok ? counted : parseSize(value);
  if (!result.ok) return result;
  return { ok: true, value: { value: result.value, isSize: !counted.ok } };
}

/** An amount of at least one. */
export const amount = parsed((value): Parsed<Amount> => {
  const result = parseAmount(value);
  if (!result.ok || (result.value.value >= 1 && result.value.value <= RATE_COUNT_MAX)) {
    return result;
  }
  return refuse(`${quote(value)} is out of range`, 'write at least 1');
});

/** Whose bytes: what the core counts them by. */
export const DIRECTIONS = { fromClient: 1, toClient: 2, both: 3 } as const;
export const direction = z.enum(['fromClient', 'toClient', 'both']);

/** Nothing is slowed down below so many bytes a second. */
export const SPEED_MIN = 1024;

/** The most that a rate lets through in a second, on average. */
export function perSecond(rate: Rate): number {
  return (rate.count * 1000) / rate.periodMs;
}

/** Parses `64KiB/s`, `10MiB/m`. */
export function parseSpeed(value: unknown): Parsed<Rate> {
  const result = parseRate(value);
  if (!result.ok) {
    return refuse(result.fault.message, 'write bytes and a period: "64KiB/s", "10MiB/m"');
  }
  if (perSecond(result.value) >= SPEED_MIN) return result;
  return refuse(`${quote(value)} is too slow`, 'at least "1KiB/s"');
}

/** Parses `100/s`, `10/m`, `5/30s`, `64KiB/s`. */
export function parseRate(value: unknown): Parsed<Rate> {
  const hint = 'write a count and a period: "100/s", "10/m", "5/30s"';
  const match = typeof value === 'string' ? /^([^/]{1,40})\/([^/]{1,40})$/.exec(value) : null;
  if (match === null) return refuse(`${quote(value)} is not a rate`, hint);
  const [, much = '', period = ''] = match;
  const parsedCount = parseAmount(much);
  const parsedPeriod = parseDuration(Object.hasOwn(PERIODS, period) ? `1${period}` : period);
  if (!parsedCount.ok || !parsedPeriod.ok) return refuse(`${quote(value)} is not a rate`, hint);
  const { value: counted, isSize } = parsedCount.value;
  const rate = { count: counted, periodMs: parsedPeriod.value, isSize };
  const isInside = rate.count >= 1 && rate.count <= RATE_COUNT_MAX;
  if (!isInside || rate.periodMs < 1 || rate.periodMs > RATE_PERIOD_MS_MAX) {
    return refuse(`${quote(value)} is out of range`, 'at least 1, in at most 7 days');
  }
  return { ok: true, value: rate };
}

/** A list that may also be written as its only item. */
export function oneOrMore<Item extends z.ZodType>(item: Item, max = NETWORKS_MAX) {
  const expand = (value: unknown): unknown =>
    Array.isArray(value) || value === undefined ? value : [value];
  return z.preprocess(expand, z.array(item).min(1).max(max));
}
