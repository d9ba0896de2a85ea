/**
 * Terminal colours, or none.
 *
 * Path: render.ts and the command line print with this.
 * Invariant: without colour the text is unchanged; colour is decided once, by whoever owns the
 * stream (a terminal, no NO_COLOR; FORCE_COLOR wins).
 */
import { styleText } from 'node:util';

/** Colours by name. */
export interface Paint {
  readonly red: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly green: (text: string) => string;
  readonly blue: (text: string) => string;
  readonly cyan: (text: string) => string;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
}

/** Makes a set of colours. */
export function createPaint(options: { readonly color: boolean }): Paint {
  const style = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    options.color && text !== '' ? styleText(format, text, { validateStream: false }) : text;
  return {
    red: style(['red', 'bold']),
    yellow: style(['yellow', 'bold']),
    green: style('green'),
    blue: style('blue'),
    cyan: style('cyan'),
    bold: style('bold'),
    dim: style('dim'),
  };
}

/** Whether a stream wants colour (https://no-color.org). */
export function wantsColor(
  stream: { readonly isTTY?: boolean | undefined },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined && forced !== '') return forced !== '0';
  if ((env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb') return false;
  return stream.isTTY === true;
}
