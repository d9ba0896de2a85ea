/**
 * Reports what is wrong inside a text of the file: in a pattern, a path, or a template.
 *
 * Path: the checks that ask the core call it; the core counts bytes from the beginning of a text.
 * Invariant: the place that is shown is true: where the file has the text as it is, the character
 * itself, else the whole value, and the position is said in words.
 */
import type { FindingName } from './codes.ts';
import type { ValuePath } from './findings.ts';
import type { CheckInput } from './plain.ts';
import { suggest } from './suggest.ts';
import { quote } from './units.ts';

/** One thing that is wrong, and where. */
export interface InnerFault {
  readonly name: FindingName;
  /** Of the text. */
  readonly path: ValuePath;
  readonly value: string;
  /** In bytes. */
  readonly position: number;
  /** In bytes; 0 where it is not known. */
  readonly length: number;
  readonly message: string;
}

/** What was probably meant by `%{hots}`. */
function hintOf(part: string, { world }: CheckInput): string {
  const name = /^%\{([^}]*)\}?$/.exec(part)?.[1];
  const guess = name === undefined ? null : suggest(name, world.listVariables());
  return guess === null || guess === name ? '' : `did you mean "%{${guess}}"?`;
}

/** Reports it. */
export function reportInside(fault: InnerFault, input: CheckInput): void {
  const { source, findings } = input;
  const { name, path, value, position, length, message } = fault;
  const bytes = Buffer.from(value);
  const at = bytes.subarray(0, position).toString().length;
  const part = bytes.subarray(position, position + length).toString();
  const inside = source.placeInside(path, { value, at, length: part.length });
  const hint = name === 'badTemplate' ? hintOf(part, input) : '';
  const said = inside === null ? `${message}, at position ${at + 1} of ${quote(value)}` : message;
  findings.add({ name, path, place: inside ?? source.place(path), message: said, hint });
}
