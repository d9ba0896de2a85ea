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
  readonly hint?: string;
}

/** Reports it. */
export function reportInside(fault: InnerFault, { source, findings }: CheckInput): void {
  const { name, path, value, position, length, message, hint = '' } = fault;
  const bytes = Buffer.from(value);
  const at = bytes.subarray(0, position).toString().length;
  const characters = bytes.subarray(position, position + length).toString().length;
  const inside = source.placeInside(path, { value, at, length: characters });
  const said = inside === null ? `${message}, at position ${at + 1} of ${quote(value)}` : message;
  findings.add({ name, path, place: inside ?? source.place(path), message: said, hint });
}
