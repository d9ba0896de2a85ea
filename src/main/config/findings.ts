/**
 * Collects findings while a configuration is read, and puts them in order.
 *
 * Path: each step of load.ts reports here; the loader takes the sorted list at the end.
 * Invariant: at most `FINDINGS_MAX` are kept, so that a hostile file cannot fill the memory; a
 * finding with the same code at the same place is kept once.
 */
import { FINDINGS, type FindingName } from './codes.ts';
import type { Diagnostic } from './diagnostic.ts';

/** Nobody reads more; the rest is counted. */
export const FINDINGS_MAX = 100;

/** A place in the text. */
export interface Place {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** Path of a value: keys and list positions from the root. */
export type ValuePath = readonly (string | number)[];

export const NOWHERE: Place = { line: 0, column: 0, length: 1 };

/** Writes a path as a JSON pointer (RFC 6901). */
export function toPointer(path: ValuePath): string {
  return path
    .map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('');
}

/** What a step reports. */
export interface Finding {
  readonly name: FindingName;
  readonly path: ValuePath;
  readonly place: Place;
  readonly message: string;
  readonly hint?: string;
}

/** Makes a diagnostic out of a finding. */
export function toDiagnostic(finding: Finding): Diagnostic {
  const row = FINDINGS[finding.name];
  return {
    code: row.code,
    severity: row.severity,
    path: toPointer(finding.path),
    line: finding.place.line,
    column: finding.place.column,
    length: Math.max(1, finding.place.length),
    message: finding.message,
    hint: finding.hint ?? '',
  };
}

/** The findings of one load. */
export class Findings {
  readonly #list: Diagnostic[] = [];
  readonly #seen = new Set<string>();
  #omitted = 0;

  add(finding: Finding): void {
    const diagnostic = toDiagnostic(finding);
    const key = `${diagnostic.code}\0${diagnostic.path}\0${diagnostic.line}\0${diagnostic.column}\0${diagnostic.message}`;
    if (this.#seen.has(key)) return;
    if (this.#list.length >= FINDINGS_MAX) {
      this.#omitted++;
      return;
    }
    this.#seen.add(key);
    this.#list.push(diagnostic);
  }

  get hasErrors(): boolean {
    return this.#list.some((diagnostic) => diagnostic.severity === 'error');
  }

  /** Findings in the order of the text; how many more there were is said in the last one's hint. */
  sorted(): Diagnostic[] {
    const list = this.#list.toSorted((a, b) => a.line - b.line || a.column - b.column);
    const last = list.at(-1);
    if (this.#omitted > 0 && last !== undefined) {
      const more = `${this.#omitted} more findings are not shown`;
      list[list.length - 1] = { ...last, hint: last.hint === '' ? more : `${last.hint} (${more})` };
    }
    return list;
  }
}
