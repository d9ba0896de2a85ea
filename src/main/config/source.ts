/**
 * Reads YAML or JSON text into a plain value, and remembers where each value stands.
 *
 * Path: load.ts starts here; every later finding asks `place()` for line and column.
 * Invariant: never throws, whatever the text. Bytes, nesting and expanded nodes are limited, keys
 * are unique, aliases and merge keys (`<<`) are resolved; a key with nothing after it is left out
 * as if it were not there. Does not know the schema.
 */

import type { Document, YAMLError } from 'yaml';
import { isScalar, LineCounter, parseAllDocuments } from 'yaml';
import { type Findings, NOWHERE, type Place, toPointer, type ValuePath } from './findings.ts';
import { NodeReader, type Places } from './node-reader.ts';

/** A configuration of 16384 endpoints takes about 1 MiB; this is enough for a generous one. */
export const TEXT_BYTES_MAX = 4 * 1024 * 1024;

/** More syntax errors than this are follow-ups of the first. */
const SYNTAX_ERRORS_MAX = 5;

/** What the parser says, and what that means to someone who does not know the grammar of YAML. */
const SYNTAX_SAYINGS: readonly (readonly [RegExp, string, string])[] = [
  [/^Flow sequence .*\]/, 'a list is not closed', 'the "]" of a list that starts above is missing'],
  [/^Flow map .*\}/, 'a map is not closed', 'the "}" of a map that starts above is missing'],
  [
    /^Nested mappings are not allowed in compact/,
    'a second ": " in one value',
    'quote the value, or look at the indentation of the next line',
  ],
  [
    /^Implicit map keys need to be followed/,
    'this line has no ": "',
    'write "key: value", with a blank after the colon',
  ],
  [
    /^Implicit keys need to be on a single line/,
    'a key goes over several lines',
    'a colon is probably missing at the end of the line above',
  ],
  [
    /^Missing closing/,
    'a quote is not closed',
    'the closing quote is missing on this line or below',
  ],
  [
    /^All (?:mapping|collection) items must start/,
    'this line starts in another column than its neighbours',
    'items of one list or map start in the same column',
  ],
  [
    /^A block sequence may not be used as an implicit/,
    'a list starts on the line of its key',
    'start the list on the next line, or write [one, two]',
  ],
  [
    /^Unresolved alias/,
    'an alias without an anchor',
    'define the anchor (&name) above; quote a text that starts with "*"',
  ],
  [
    /^(?:Plain value cannot start|Block scalars? )/,
    'a value starts with a character that has a meaning of its own',
    'quote the value',
  ],
];

/** Hints for what the table above does not know. */
const SYNTAX_HINTS: Readonly<Record<string, string>> = {
  BAD_INDENT: 'items of one list or map start in the same column',
  BLOCK_IN_FLOW: 'inside [ ] and { } use commas, not indentation',
  MISSING_CHAR: 'a colon, comma, quote or bracket is missing',
  BAD_DQ_ESCAPE: 'double the backslash, or use single quotes',
  UNEXPECTED_TOKEN: 'quote the value, or look for a missing bracket above',
};

/** Text with its parsed value and the place of each part. */
export class Source {
  readonly text: string;
  /** Plain value; undefined when the text could not be read. */
  readonly value: unknown;
  readonly #places: Places;
  #split: readonly string[] | null = null;

  constructor(text: string, value: unknown, places: Places) {
    this.text = text;
    this.value = value;
    this.#places = places;
  }

  /**
   * Where a value stands. Of one that is not in the text: where the nearest thing around it does,
   * which is the value that a short form is written as, or the key of a map.
   */
  place(path: ValuePath): Place {
    const { values, keys, leaves } = this.#places;
    for (let depth = path.length; depth >= 0; depth--) {
      const pointer = toPointer(path.slice(0, depth));
      const isValue = depth === path.length || leaves.has(pointer);
      const found =
        (isValue ? values.get(pointer) : undefined) ?? keys.get(pointer) ?? values.get(pointer);
      if (found !== undefined) return found;
    }
    return NOWHERE;
  }

  /**
   * Where a part of a text stands, which begins `at` characters in and has so many; null where the
   * file does not have the text as it is (escapes, several lines, references).
   */
  placeInside(
    path: ValuePath,
    part: { readonly value: string; readonly at: number; readonly length: number },
  ): Place | null {
    const place = this.place(path);
    const line = this.#lines()[place.line - 1] ?? '';
    const start = place.column - 1;
    for (const quoted of [0, 1]) {
      const isThere = line.startsWith(part.value, start + quoted);
      const isQuote = quoted === 0 || /['"]/.test(line.charAt(start));
      if (!isThere || !isQuote || part.value === '') continue;
      return {
        line: place.line,
        column: place.column + quoted + Math.min(part.at, part.value.length - 1 + quoted),
        length: Math.max(1, Math.min(part.length, part.value.length - part.at)),
      };
    }
    return null;
  }

  /** True when the text has this key, with a value or without. */
  hasKey(path: ValuePath): boolean {
    return this.#places.keys.has(toPointer(path));
  }

  #lines(): readonly string[] {
    this.#split ??= this.text.split('\n');
    return this.#split;
  }

  /** Where the key of a value stands. */
  keyPlace(path: ValuePath): Place {
    return this.#places.keys.get(toPointer(path)) ?? this.place(path);
  }
}

/** Reads `text`. Faults go to `findings`; the value is undefined when there is nothing to go on with. */
export function readSource(text: string, findings: Findings): Source {
  const places: Places = { values: new Map(), keys: new Map(), leaves: new Set() };
  const none = new Source(text, undefined, places);
  const document = parseText(text, findings);
  if (document === null) return none;
  const { doc, lines } = document;
  try {
    const reader = new NodeReader({ doc, lines, places, findings });
    const value = reader.read(doc.contents, [], 0);
    return reader.isExhausted ? none : new Source(text, value, places);
  } catch (cause) {
    // Only the stack can overflow here; depth is limited, so this is a second line of defence.
    findings.add({ name: 'tooDeep', path: [], place: NOWHERE, message: (cause as Error).message });
    return none;
  }
}

interface Parsed {
  readonly doc: Document;
  readonly lines: LineCounter;
}

function parseText(text: string, findings: Findings): Parsed | null {
  const bytes = Buffer.byteLength(text);
  if (bytes > TEXT_BYTES_MAX) {
    const message = `the configuration has ${bytes} bytes, the limit is ${TEXT_BYTES_MAX}`;
    findings.add({ name: 'tooLarge', path: [], place: NOWHERE, message });
    return null;
  }
  const binary = /[\0\uFFFD]/.exec(text);
  if (binary !== null) {
    const line = text.slice(0, binary.index).split('\n').length;
    const place = { line, column: 1, length: 1 };
    findings.add({ name: 'notText', path: [], place, message: 'this is not UTF-8 text' });
    return null;
  }
  const lines = new LineCounter();
  let documents: Document[];
  try {
    const parsed = parseAllDocuments(text, {
      lineCounter: lines,
      uniqueKeys: false,
      prettyErrors: false,
      stringKeys: false,
      merge: true,
      logLevel: 'silent',
    });
    documents = Array.isArray(parsed) ? parsed : [];
  } catch (cause) {
    findings.add({
      name: 'tooDeep',
      path: [],
      place: NOWHERE,
      message: `the text cannot be parsed: ${(cause as Error).message}`,
    });
    return null;
  }
  return chooseDocument(documents, lines, findings);
}

function chooseDocument(
  documents: Document[],
  lines: LineCounter,
  findings: Findings,
): Parsed | null {
  const errors = documents
    .flatMap((document) => document.errors)
    .toSorted((a, b) => a.pos[0] - b.pos[0]);
  const exhausted = errors.find((error) => error.code === 'RESOURCE_EXHAUSTION');
  const reported = exhausted === undefined ? firstOfEachLine(errors, lines) : [exhausted];
  for (const error of reported) reportSyntax(error, lines, findings);
  const [doc, second] = documents;
  if (second !== undefined && errors.length === 0) {
    const start = second.range?.[0] ?? 0;
    const place = { line: lines.linePos(start).line, column: 1, length: 3 };
    findings.add({
      name: 'severalDocuments',
      path: [],
      place,
      message: `the file has ${documents.length} YAML documents`,
    });
    return null;
  }
  if (errors.length > 0) return null;
  if (
    doc === undefined ||
    doc.contents === null ||
    (isScalar(doc.contents) && doc.contents.value === null)
  ) {
    const hint = '"holdfast init" writes a file to start from';
    findings.add({
      name: 'empty',
      path: [],
      place: NOWHERE,
      message: 'the configuration is empty',
      hint,
    });
    return null;
  }
  return { doc, lines };
}

/** What follows on the same line is mostly a consequence. */
function firstOfEachLine(errors: readonly YAMLError[], lines: LineCounter): YAMLError[] {
  const seen = new Set<number>();
  const isFirst = (error: YAMLError): boolean => {
    const { line } = lines.linePos(error.pos[0]);
    return !seen.has(line) && seen.add(line).size > 0;
  };
  return errors.filter(isFirst).slice(0, SYNTAX_ERRORS_MAX);
}

function reportSyntax(error: YAMLError, lines: LineCounter, findings: Findings): void {
  const { line, col } = lines.linePos(error.pos[0]);
  const place = {
    line,
    column: col,
    length: Math.max(1, Math.min(80, error.pos[1] - error.pos[0])),
  };
  if (error.code === 'TAB_AS_INDENT') {
    findings.add({
      name: 'tab',
      path: [],
      place,
      message: 'a tab is used for indentation',
      hint: 'indent with two spaces',
    });
    return;
  }
  if (error.code === 'RESOURCE_EXHAUSTION') {
    findings.add({
      name: 'tooDeep',
      path: [],
      place,
      message: 'values are nested too deeply to be read',
    });
    return;
  }
  const saying = SYNTAX_SAYINGS.find(([pattern]) => pattern.test(error.message));
  const plain = error.message.charAt(0).toLowerCase() + error.message.slice(1).replace(/\.$/, '');
  const message = saying?.[1] ?? plain;
  findings.add({
    name: 'syntax',
    path: [],
    place,
    message,
    hint: saying?.[2] ?? SYNTAX_HINTS[error.code] ?? '',
  });
}
