/**
 * The human forms of amounts: `1h30m`, `64KiB`, `100k`, `5k/s`, `10%`.
 *
 * Path: schema.ts parses with these; the command line parses its options and prints amounts with
 * them.
 * Invariant: a parser returns a safe non-negative integer in the base unit, or a fault that says
 * what to write instead. `format(parse(x))` names the same amount as `x`.
 * Does not know limits of single fields; schema.ts checks those.
 */
import type { FindingName } from './codes.ts';

/** Why a value was refused. */
export interface Fault {
  readonly name: FindingName;
  readonly message: string;
  readonly hint: string;
}

/** What a parser of one value returns. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: Fault };

const SECOND = 1000;
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  m: 60 * SECOND,
  h: 3600 * SECOND,
  d: 86_400 * SECOND,
};
const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};
const COUNT_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, K: 1e3, M: 1e6 };
const RATE_PERIODS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Text longer than this is not an amount; keeps the patterns below cheap. */
const AMOUNT_LENGTH_MAX = 64;

/** How messages show a value: quoted when it is text, short, and on one line. */
export function quote(value: unknown): string {
  if (typeof value === 'string') {
    const shown = value.length > 60 ? `${value.slice(0, 57)}...` : value;
    return JSON.stringify(shown);
  }
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a map';
  return String(value);
}

function refuse(name: FindingName, message: string, hint: string): Parsed<never> {
  return { ok: false, fault: { name, message, hint } };
}

function accept(amount: number): Parsed<number> | null {
  const value = Math.round(amount);
  return Number.isSafeInteger(value) && value >= 0 ? { ok: true, value } : null;
}

function isShort(value: unknown): value is string {
  return typeof value === 'string' && value.length <= AMOUNT_LENGTH_MAX;
}

/** Parses a duration (`250ms`, `10m`, `1h30m`) into milliseconds. */
export function parseDuration(value: unknown): Parsed<number> {
  if (value === 0) return { ok: true, value: 0 };
  const hint = 'write a number and a unit: "250ms", "30s", "10m", "1h30m", "7d"';
  if (typeof value === 'number') {
    return refuse(
      'badDuration',
      `${value} is not a duration: the unit is missing`,
      `write "${value}s" or "${value}ms"`,
    );
  }
  if (!isShort(value) || !/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(value)) {
    return refuse('badDuration', `${quote(value)} is not a duration`, hint);
  }
  let total = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (DURATION_UNITS[unit ?? ''] ?? 0);
  }
  return accept(total) ?? refuse('badDuration', `${quote(value)} is too long`, hint);
}

/** Parses a size (`64KiB`, `1.5MiB`, `4096`) into bytes. */
export function parseSize(value: unknown): Parsed<number> {
  const hint = 'write "4096", "64KiB", "1MiB" (powers of 1024) or "64kB" (powers of 1000)';
  const text = typeof value === 'number' ? String(value) : value;
  const match = isShort(text) ? /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(text) : null;
  if (match === null) return refuse('badSize', `${quote(value)} is not a size`, hint);
  const unit = match[2] ?? '';
  const factor = SIZE_UNITS[unit];
  if (factor === undefined) {
    const guess = /^[kmgt]/i.test(unit)
      ? `write "${match[1]}${unit.slice(0, 1).toUpperCase()}iB"`
      : hint;
    return refuse('badSize', `${quote(value)} is not a size: unknown unit "${unit}"`, guess);
  }
  return (
    accept(Number(match[1]) * factor) ?? refuse('badSize', `${quote(value)} is too large`, hint)
  );
}

/** Parses a count (`200`, `100k`, `1.5M`). */
export function parseCount(value: unknown): Parsed<number> {
  const hint = 'write a whole number: "200", "100k" or "2M"';
  const text = typeof value === 'number' ? String(value) : value;
  const match = isShort(text) ? /^(\d+(?:\.\d+)?)([kKM]?)$/.exec(text) : null;
  if (match === null) return refuse('badCount', `${quote(value)} is not a count`, hint);
  const amount = Number(match[1]) * (COUNT_UNITS[match[2] ?? ''] ?? 1);
  const isWhole = Math.abs(amount - Math.round(amount)) < 1e-6;
  return (
    (isWhole ? accept(amount) : null) ??
    refuse('badCount', `${quote(value)} is not a whole count`, hint)
  );
}

/** Parses a rate (`5k/s`, `300/m`) into events per second. */
export function parseRate(value: unknown): Parsed<number> {
  const hint = 'write a count for each second or minute: "500/s", "5k/s", "300/m"';
  if (typeof value === 'number') {
    return refuse('badRate', `${value} is not a rate: the period is missing`, `write "${value}/s"`);
  }
  const match = isShort(value) ? /^(\d+(?:\.\d+)?)([kKM]?)\/([smh])$/.exec(value) : null;
  if (match === null) return refuse('badRate', `${quote(value)} is not a rate`, hint);
  const amount = Number(match[1]) * (COUNT_UNITS[match[2] ?? ''] ?? 1);
  const perSecond = amount / (RATE_PERIODS[match[3] ?? 's'] ?? 1);
  if (amount > 0 && perSecond < 1) {
    return refuse(
      'badRate',
      `${quote(value)} is less than one each second`,
      'the smallest rate is "1/s"',
    );
  }
  return accept(perSecond) ?? refuse('badRate', `${quote(value)} is too large`, hint);
}

/** Parses a share (`10%`, `0.5%`) into percent, not rounded. */
export function parsePercent(value: unknown): Parsed<number> {
  const hint = 'write a number and a percent sign: "10%"';
  if (typeof value === 'number') {
    const guess = value > 0 && value < 1 ? value * 100 : value;
    return refuse(
      'badPercent',
      `${value} is not a share: the percent sign is missing`,
      `write "${guess}%"`,
    );
  }
  const match = isShort(value) ? /^(\d+(?:\.\d+)?) ?%$/.exec(value) : null;
  if (match === null) return refuse('badPercent', `${quote(value)} is not a share`, hint);
  const percent = Number(match[1]);
  if (percent > 100)
    return refuse(
      'badPercent',
      `${quote(value)} is more than the whole`,
      'the largest share is "100%"',
    );
  return { ok: true, value: percent };
}

/** Writes milliseconds in their human form: `90000` is `1m30s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  let rest = Math.round(ms);
  let text = '';
  for (const [unit, factor] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
    ['ms', 1],
  ] as const) {
    const amount = Math.floor(rest / factor);
    if (amount === 0) continue;
    text += `${amount}${unit}`;
    rest -= amount * factor;
  }
  return text;
}

/** Writes bytes in the largest binary unit that keeps them exact: `65536` is `64KiB`. */
export function formatSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB'] as const) {
    const factor = SIZE_UNITS[unit] ?? 1;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return `${bytes}B`;
}

/** How amounts are written, by what they are of. */
export const units = { duration: formatDuration, size: formatSize } as const;

/** Writes a count as short as it stays exact: `100000` is `100k`. */
export function formatCount(count: number): string {
  if (count >= 1e6 && count % 1e6 === 0) return `${count / 1e6}M`;
  if (count >= 1e4 && count % 1e3 === 0) return `${count / 1e3}k`;
  return String(count);
}
