/**
 * Reads YAML or JSON text into a plain value, and remembers where each value stands.
 *
 * Path: load.ts starts here; every later finding asks `place()` for line and column.
 * Invariant: never throws, whatever the text. Bytes, nesting and expanded nodes are limited, keys are unique,
 * aliases and merge keys (`<<`) are resolved; a key with nothing after it is left out as if it were not there.
 * Does not know the schema.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import type { Document, Node, Pair, YAMLError, YAMLMap } from 'yaml';
import { type Findings, NOWHERE, type Place, toPointer, type ValuePath } from './findings.ts';
import { quote } from './units.ts';

/** A configuration of 16384 endpoints takes about 1 MiB; this is enough for a generous one. */
export const TEXT_BYTES_MAX = 8 * 1024 * 1024;

/** No field lies deeper than ten levels. */
const DEPTH_MAX = 32;

/** Nodes after aliases are expanded: a full configuration has about 200,000. */
const NODES_MAX = 1_000_000;

/** More syntax errors than this are follow-ups of the first. */
const SYNTAX_ERRORS_MAX = 5;

/** What the parser's codes mean to someone who does not know its grammar. */
const SYNTAX_HINTS: Readonly<Record<string, string>> = {
  BAD_INDENT: 'items of one list or map start in the same column',
  BLOCK_AS_IMPLICIT_KEY: 'put the nested map on its own lines, indented further',
  BLOCK_IN_FLOW: 'inside [ ] and { } use commas, not indentation',
  MISSING_CHAR: 'a colon, comma, quote or bracket is missing; a space must follow each colon',
  MULTILINE_IMPLICIT_KEY: 'a colon is probably missing at the end of the line above',
  BAD_ALIAS: 'define the anchor (&name) before its alias (*name); quote a text that starts with *',
  BAD_SCALAR_START: 'quote a text that starts with this character',
  BAD_DQ_ESCAPE: 'double the backslash, or use single quotes',
  UNEXPECTED_TOKEN: 'quote the value, or look for a missing bracket above',
};

/** Text with its parsed value and the place of each part. */
export class Source {
  readonly text: string;
  /** Plain value; undefined when the text could not be read. */
  readonly value: unknown;
  readonly #places: ReadonlyMap<string, Place>;
  readonly #keyPlaces: ReadonlyMap<string, Place>;

  constructor(text: string, value: unknown, places: Places) {
    this.text = text;
    this.value = value;
    this.#places = places.values;
    this.#keyPlaces = places.keys;
  }

  /** Where a value stands; of one that is not in the text, where the nearest map around it does. */
  place(path: ValuePath): Place {
    for (let depth = path.length; depth > 0; depth--) {
      const pointer = toPointer(path.slice(0, depth));
      const place = depth === path.length ? this.#places.get(pointer) : undefined;
      const found = place ?? this.#keyPlaces.get(pointer) ?? this.#places.get(pointer);
      if (found !== undefined) return found;
    }
    return NOWHERE;
  }

  /** Where the key of a value stands. */
  keyPlace(path: ValuePath): Place {
    return this.#keyPlaces.get(toPointer(path)) ?? this.place(path);
  }
}

interface Places {
  readonly values: Map<string, Place>;
  readonly keys: Map<string, Place>;
}

/** Reads `text`. Faults go to `findings`; the value is undefined when there is nothing to go on with. */
export function readSource(text: string, findings: Findings): Source {
  const places: Places = { values: new Map(), keys: new Map() };
  const none = new Source(text, undefined, places);
  const document = parseText(text, findings);
  if (document === null) return none;
  const { doc, lines } = document;
  const reader = new NodeReader({ doc, lines, places, findings });
  try {
    const value = reader.read(doc.contents as Node | null, [], 0);
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
    findings.add({ name: 'tooDeep', path: [], place: NOWHERE, message: `the text cannot be parsed: ${(cause as Error).message}` });
    return null;
  }
  return chooseDocument(documents, lines, findings);
}

function chooseDocument(documents: Document[], lines: LineCounter, findings: Findings): Parsed | null {
  const errors = documents.flatMap((document) => document.errors).toSorted((a, b) => a.pos[0] - b.pos[0]);
  const exhausted = errors.find((error) => error.code === 'RESOURCE_EXHAUSTION');
  const reported = exhausted === undefined ? errors.slice(0, SYNTAX_ERRORS_MAX) : [exhausted];
  for (const error of reported) reportSyntax(error, lines, findings);
  const [doc, second] = documents;
  if (second !== undefined && errors.length === 0) {
    const start = second.range?.[0] ?? 0;
    const place = { line: lines.linePos(start).line, column: 1, length: 3 };
    findings.add({ name: 'severalDocuments', path: [], place, message: `the file has ${documents.length} YAML documents` });
    return null;
  }
  if (errors.length > 0) return null;
  if (doc === undefined || doc.contents === null || (isScalar(doc.contents) && doc.contents.value === null)) {
    const hint = '"holdfast init" writes a file to start from';
    findings.add({ name: 'empty', path: [], place: NOWHERE, message: 'the configuration is empty', hint });
    return null;
  }
  return { doc, lines };
}

function reportSyntax(error: YAMLError, lines: LineCounter, findings: Findings): void {
  const { line, col } = lines.linePos(error.pos[0]);
  const place = { line, column: col, length: Math.max(1, Math.min(80, error.pos[1] - error.pos[0])) };
  if (error.code === 'TAB_AS_INDENT') {
    findings.add({ name: 'tab', path: [], place, message: 'a tab is used for indentation', hint: 'indent with two spaces' });
    return;
  }
  if (error.code === 'RESOURCE_EXHAUSTION') {
    findings.add({ name: 'tooDeep', path: [], place, message: 'values are nested too deeply to be read' });
    return;
  }
  const message = error.message.charAt(0).toLowerCase() + error.message.slice(1).replace(/\.$/, '');
  findings.add({ name: 'syntax', path: [], place, message, hint: SYNTAX_HINTS[error.code] ?? '' });
}

/** Turns nodes into plain values, within the limits. */
class NodeReader {
  isExhausted = false;
  readonly #doc: Document;
  readonly #lines: LineCounter;
  readonly #places: Places;
  readonly #findings: Findings;
  #nodes = 0;

  constructor(parts: { doc: Document; lines: LineCounter; places: Places; findings: Findings }) {
    this.#doc = parts.doc;
    this.#lines = parts.lines;
    this.#places = parts.places;
    this.#findings = parts.findings;
  }

  read(node: Node | null, path: ValuePath, depth: number): unknown {
    if (this.isExhausted || node === null) return null;
    const place = this.#placeOf(node);
    if (++this.#nodes > NODES_MAX) {
      return this.#stop('expansion', place, `aliases expand to more than ${NODES_MAX} values`);
    }
    if (depth > DEPTH_MAX) {
      return this.#stop('tooDeep', place, `values are nested deeper than ${DEPTH_MAX} levels, or an alias contains itself`);
    }
    this.#places.values.set(toPointer(path), place);
    if (isAlias(node)) return this.read(node.resolve(this.#doc) ?? null, path, depth + 1);
    if (isMap(node)) return this.#readMap(node, path, depth);
    if (isSeq(node)) return node.items.map((item, i) => this.read(item as Node | null, [...path, i], depth + 1));
    return isScalar(node) ? this.#scalar(node.value) : null;
  }

  #scalar(value: unknown): unknown {
    if (typeof value === 'bigint') return Number(value);
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value;
    return String(value);
  }

  #readMap(map: YAMLMap, path: ValuePath, depth: number): Record<string, unknown> {
    const values = Object.create(null) as Record<string, unknown>;
    const merged: Node[] = [];
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      const key = this.#key(pair.key);
      if (key === null) continue;
      if (key === '<<') {
        if (pair.value !== null) merged.push(pair.value);
        continue;
      }
      const keyPath = [...path, key];
      const place = this.#placeOf(pair.key);
      if (Object.hasOwn(values, key)) {
        const first = this.#places.keys.get(toPointer(keyPath));
        const message = `key ${quote(key)} appears twice`;
        const hint = first === undefined ? '' : `the first one is on line ${first.line}`;
        this.#findings.add({ name: 'duplicateKey', path: keyPath, place, message, hint });
        continue;
      }
      this.#places.keys.set(toPointer(keyPath), place);
      if (isEmpty(pair.value)) continue;
      values[key] = this.read(pair.value, keyPath, depth + 1);
    }
    for (const node of merged) this.#merge(values, node, { path, depth });
    return values;
  }

  /** `<<: *anchor`: takes over what is not set here. */
  #merge(values: Record<string, unknown>, node: Node, at: { path: ValuePath; depth: number }): void {
    const target = isAlias(node) ? (node.resolve(this.#doc) ?? null) : node;
    if (isSeq(target)) {
      for (const item of target.items as Node[]) this.#merge(values, item, { path: at.path, depth: at.depth + 1 });
      return;
    }
    if (at.depth > DEPTH_MAX || !isMap(target)) {
      const message = '"<<" takes the alias of a map';
      this.#findings.add({ name: 'wrongType', path: at.path, place: this.#placeOf(node), message, hint: 'write "<<: *anchor"' });
      return;
    }
    for (const [key, value] of Object.entries(this.#readMap(target, at.path, at.depth + 1))) {
      if (!Object.hasOwn(values, key)) values[key] = value;
    }
  }

  #key(node: Node | null): string | null {
    const target = isAlias(node) ? node.resolve(this.#doc) : node;
    if (isScalar(target) && target.value !== null) {
      return typeof target.value === 'symbol' ? '<<' : String(target.value);
    }
    const place = node === null ? NOWHERE : this.#placeOf(node);
    this.#findings.add({ name: 'syntax', path: [], place, message: 'a key must be a plain word', hint: 'a value is used as a key' });
    return null;
  }

  #placeOf(node: Node): Place {
    const [start = 0, end = 0] = node.range ?? [];
    const { line, col } = this.#lines.linePos(start);
    const isBlock = !isScalar(node) && !isAlias(node);
    return { line, column: col, length: isBlock ? 1 : Math.max(1, Math.min(end - start, 120)) };
  }

  #stop(name: 'expansion' | 'tooDeep', place: Place, message: string): null {
    this.isExhausted = true;
    this.#findings.add({ name, path: [], place, message });
    return null;
  }
}

function isEmpty(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.value === null && (node.source ?? '') === '');
}
