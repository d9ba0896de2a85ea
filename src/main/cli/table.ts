/**
 * Tables for the terminal: aligned columns, one line for each row, cut to the width of the
 * terminal.
 *
 * Path: conns, clusters, stats and doctor print with this.
 * Invariant: text of connections and names cannot control the terminal; numbers are aligned to the
 * right.
 */
import type { Paint } from '../config/index.ts';

const GAP = '  ';

/** One column. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** A cell: text, or text with a colour, which has no width. */
export type Cell = string | { readonly text: string; readonly color: (text: string) => string };

/** Makes a text safe to print: no control characters, no direction marks. */
export function safe(text: string): string {
  return text.replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\u00b7');
}

/** Prints rows under their titles. `width` is that of the terminal, 0 for no limit. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  options: { readonly paint: Paint; readonly width: number },
): string {
  const titles = columns.map((column) => column.title);
  const texts = rows.map((row) =>
    row.map((cell) => safe(typeof cell === 'string' ? cell : cell.text)),
  );
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...texts.map((row) => (row[i] ?? '').length)),
  );
  const line = (row: readonly string[], cells: readonly Cell[]): string => {
    let room = options.width > 0 ? options.width : Number.MAX_SAFE_INTEGER;
    let out = '';
    for (const [i, column] of columns.entries()) {
      const value = row[i] ?? '';
      const width = widths[i] ?? 0;
      const isLast = i === columns.length - 1;
      const padded =
        column.align === 'right' ? value.padStart(width) : isLast ? value : value.padEnd(width);
      const shown =
        padded.length > room ? `${padded.slice(0, Math.max(0, room - 1))}\u2026` : padded;
      const cell = cells[i];
      out += typeof cell === 'object' ? cell.color(shown) : shown;
      room -= padded.length + GAP.length;
      if (room <= 0) break;
      if (!isLast) out += GAP;
    }
    return `${out.trimEnd()}\n`;
  };
  const head = options.paint.dim(line(titles, []).trimEnd());
  return [`${head}\n`, ...texts.map((row, i) => line(row, rows[i] ?? []))].join('');
}

/** A duration in two units at most: `3d4h`, `12m05s`, `250ms`. */
export function shortDuration(ms: number): string {
  const pad = (value: number): string => String(value).padStart(2, '0');
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`;
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${pad(s % 60)}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h${pad(Math.floor((s % 3600) / 60))}m`;
  return `${Math.floor(s / 86_400)}d${pad(Math.floor((s % 86_400) / 3600))}h`;
}

/** Bytes with three digits at most: `1.2MiB`. */
export function shortBytes(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB', 'TiB']) {
    if (value < 1000 || unit === 'TiB') {
      const digits = unit === 'B' || value >= 100 ? 0 : 1;
      return `${value.toFixed(digits)}${unit}`;
    }
    value /= 1024;
  }
  return `${bytes}B`;
}

/** A count with separators: `100,000`. */
export function shortCount(count: number): string {
  return count.toLocaleString('en-US');
}
