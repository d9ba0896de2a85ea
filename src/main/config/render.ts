/**
 * Prints findings: for people with a code frame, as JSON for programs, as annotations for GitHub.
 *
 * Path: the command line and the start of the gateway print with this.
 * Invariant: pure; control characters of the configuration never reach the terminal.
 */
import type { Diagnostic } from './diagnostic.ts';
import { createPaint, type Paint } from './paint.ts';

/** What a report is about. */
export interface RenderInput {
  readonly diagnostics: readonly Diagnostic[];
  readonly text: string;
  /** Shown file name. */
  readonly name: string;
}

const FRAME_LINES_BEFORE = 2;
const FRAME_LINES_AFTER = 1;
/** Longer lines are cut around the mark. */
const FRAME_WIDTH_MAX = 110;

/** Replaces what a terminal would obey. */
function clean(text: string): string {
  return text.replaceAll('\t', ' ').replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\u00b7');
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** How many errors and warnings there are, in words. */
export function countFindings(diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length;
  const warnings = diagnostics.length - errors;
  const parts = [];
  if (errors > 0) parts.push(plural(errors, 'error'));
  if (warnings > 0) parts.push(plural(warnings, 'warning'));
  return parts.length === 0 ? 'no findings' : parts.join(' and ');
}

function frame(diagnostic: Diagnostic, lines: readonly string[], paint: Paint): string[] {
  const { line, column } = diagnostic;
  const first = Math.max(1, line - FRAME_LINES_BEFORE);
  const last = Math.min(lines.length, line + FRAME_LINES_AFTER);
  const width = String(last).length;
  const shift = Math.max(0, column - FRAME_WIDTH_MAX + 40);
  const mark = diagnostic.severity === 'error' ? paint.red : paint.yellow;
  const out: string[] = [];
  for (let number = first; number <= last; number++) {
    const full = clean(lines[number - 1] ?? '');
    const isBlankEdge = full.trim() === '' && number !== line;
    if (isBlankEdge) continue;
    const shown = full.slice(shift, shift + FRAME_WIDTH_MAX);
    const gutter = String(number).padStart(width);
    const bar = number === line ? mark('>') : ' ';
    out.push(
      ` ${bar} ${paint.blue(`${gutter} |`)} ${number === line ? shown : paint.dim(shown)}`.trimEnd(),
    );
    if (number !== line) continue;
    const room = Math.max(
      1,
      Math.min(diagnostic.length, Math.max(1, full.length - column + 1), FRAME_WIDTH_MAX),
    );
    const carets = mark('^'.repeat(room));
    const gap = `   ${paint.blue(`${' '.repeat(width)} |`)} `;
    const indent = Math.max(0, column - 1 - shift);
    const hint = clean(diagnostic.hint);
    const fits = indent + room + hint.length < FRAME_WIDTH_MAX;
    out.push(
      `${gap}${' '.repeat(indent)}${carets}${fits && hint !== '' ? ` ${paint.cyan(hint)}` : ''}`,
    );
    if (!fits)
      out.push(
        `${gap}${' '.repeat(Math.max(0, Math.min(indent, FRAME_WIDTH_MAX - hint.length)))}${paint.cyan(hint)}`,
      );
  }
  return out;
}

/** Prints findings for people. Ends with a newline unless there are none. */
export function renderHuman(input: RenderInput, options: { readonly color: boolean }): string {
  const paint = createPaint(options);
  const lines = input.text.split(/\r?\n/);
  const out: string[] = [];
  for (const diagnostic of input.diagnostics) {
    const { severity, code, message } = diagnostic;
    const head =
      severity === 'error' ? paint.red(`error[${code}]`) : paint.yellow(`warning[${code}]`);
    out.push(`${head} ${paint.bold(clean(message))}`);
    if (diagnostic.line > 0) {
      out.push(
        paint.dim(`  at ${clean(input.name)}:${diagnostic.line}:${diagnostic.column}`),
        ...frame(diagnostic, lines, paint),
      );
    } else if (diagnostic.hint !== '') {
      out.push(`  ${paint.cyan(clean(diagnostic.hint))}`);
    }
    out.push('');
  }
  return out.length === 0 ? '' : `${out.join('\n')}\n`;
}

/** Prints findings as one JSON object. */
export function renderJson(input: RenderInput): string {
  const isValid = input.diagnostics.every((diagnostic) => diagnostic.severity !== 'error');
  return `${JSON.stringify({ file: input.name, valid: isValid, diagnostics: input.diagnostics }, null, 2)}\n`;
}

function escapeAnnotation(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeAnnotation(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/** Prints findings as workflow commands, which GitHub shows beside the lines of a change. */
export function renderGithub(input: RenderInput): string {
  return input.diagnostics
    .map((diagnostic) => {
      const { line, column, code, message, hint } = diagnostic;
      const place = line > 0 ? `,line=${line},col=${column}` : '';
      const text = hint === '' ? message : `${message} (${hint})`;
      return `::${diagnostic.severity} file=${escapeProperty(input.name)}${place},title=${escapeProperty(code)}::${escapeAnnotation(text)}\n`;
    })
    .join('');
}
