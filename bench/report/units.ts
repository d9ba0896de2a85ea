/**
 * How figures are written for people: three significant digits, a unit that fits the size.
 *
 * Path: used by every table and progress line.
 * Does not round what is stored: raw.json keeps every digit.
 */
import type { Unit } from '../scenarios/index.ts';

const DIGITS = 3;
const KIB = 1024;

/** Three significant digits, with thousands separated. */
export function formatNumber(value: number): string {
  if (value === 0) return '0';
  const size = Math.floor(Math.log10(Math.abs(value)));
  const places = Math.max(0, DIGITS - 1 - size);
  return value.toLocaleString('en-US', {
    minimumFractionDigits: Math.min(places, DIGITS),
    maximumFractionDigits: Math.min(places, DIGITS),
  });
}

function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let at = 0;
  while (Math.abs(value) >= 10 * KIB && at < units.length - 1) {
    value /= KIB;
    at += 1;
  }
  return `${at === 0 ? Math.round(value).toLocaleString('en-US') : formatNumber(value)} ${units[at]}`;
}

/** One value with its unit. */
export function formatValue(value: number, unit: Unit): string {
  switch (unit) {
    case 'ns':
      return value >= 1000 ? `${formatNumber(value / 1000)} µs` : `${formatNumber(value)} ns`;
    case 'us':
      return value >= 10_000 ? `${formatNumber(value / 1000)} ms` : `${formatNumber(value)} µs`;
    case 'bytes':
      return formatBytes(value);
    case 'perSecond':
      return `${Math.round(value).toLocaleString('en-US')}/s`;
    case 'bytesPerSecond':
      return `${formatNumber(value / 2 ** 30)} GiB/s`;
    case 'count':
      return Math.round(value).toLocaleString('en-US');
    case 'ratio':
      return value.toFixed(3);
    case 's':
      return `${formatNumber(value)} s`;
  }
}
