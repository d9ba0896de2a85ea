/**
 * Turns parsed YAML nodes into a plain value, and notes where each part stands.
 *
 * Path: source.ts runs it over the parsed document.
 * Invariant: bounded in depth and in nodes after aliases are expanded; keys are unique; merge keys
 * (`<<`) yield to keys that are set beside them; a key with nothing after it is left out.
 */

import type { Alias, Document, LineCounter, Node, Pair, YAMLMap } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, visit } from 'yaml';
import { type Findings, NOWHERE, type Place, toPointer, type ValuePath } from './findings.ts';
import { quote } from './units.ts';

/** No field lies deeper than twelve levels. */
const DEPTH_MAX = 32;

/** Nodes after aliases are expanded: a full configuration has about 100,000. */
const NODES_MAX = 300_000;

/** Places of values and keys, by JSON pointer. */
export interface Places {
  readonly values: Map<string, Place>;
  readonly keys: Map<string, Place>;
  /** Values that are neither maps nor lists. */
  readonly leaves: Set<string>;
}

/**
 * What each alias stands for: the last node before it with that anchor (YAML 1.2.2 7.1). One walk
 * over the document; `Alias.resolve` would take one for each alias.
 */
function findAnchored(doc: Document): ReadonlyMap<Alias, Node> {
  const anchors = new Map<string, Node>();
  const found = new Map<Alias, Node>();
  visit(doc, {
    Alias: (_, alias) => {
      const node = anchors.get(alias.source);
      if (node !== undefined) found.set(alias, node);
    },
    Value: (_, node) => {
      if (node.anchor !== undefined && node.anchor !== '') anchors.set(node.anchor, node);
    },
  });
  return found;
}

/** Turns nodes into plain values, within the limits. */
export class NodeReader {
  isExhausted = false;
  readonly #anchored: ReadonlyMap<Alias, Node>;
  readonly #lines: LineCounter;
  readonly #places: Places;
  readonly #findings: Findings;
  #nodes = 0;

  constructor(parts: { doc: Document; lines: LineCounter; places: Places; findings: Findings }) {
    this.#anchored = findAnchored(parts.doc);
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
      return this.#stop(
        'tooDeep',
        place,
        `values are nested deeper than ${DEPTH_MAX} levels, or an alias contains itself`,
      );
    }
    this.#places.values.set(toPointer(path), place);
    if (isAlias(node)) return this.#readAlias(node, path, depth);
    if (isMap(node)) return this.#readMap(node, path, depth);
    if (isSeq(node))
      return node.items.map((item, i) => this.read(item as Node | null, [...path, i], depth + 1));
    this.#places.leaves.add(toPointer(path));
    return isScalar(node) ? this.#scalar(node.value) : null;
  }

  #readAlias(alias: Alias, path: ValuePath, depth: number): unknown {
    const target = this.#anchored.get(alias);
    if (target !== undefined) return this.read(target, path, depth + 1);
    this.#findings.add({
      name: 'syntax',
      path,
      place: this.#placeOf(alias),
      message: `there is no anchor "&${alias.source}" above`,
      hint: 'define the anchor first; quote a text that starts with "*"',
    });
    return null;
  }

  #scalar(value: unknown): unknown {
    if (typeof value === 'bigint') return Number(value);
    const isPlain = value === null || ['string', 'number', 'boolean'].includes(typeof value);
    return isPlain ? value : null;
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
  #merge(
    values: Record<string, unknown>,
    node: Node,
    at: { path: ValuePath; depth: number },
  ): void {
    const target = isAlias(node) ? (this.#anchored.get(node) ?? null) : node;
    if (isSeq(target)) {
      for (const item of target.items as Node[])
        this.#merge(values, item, { path: at.path, depth: at.depth + 1 });
      return;
    }
    if (at.depth > DEPTH_MAX || !isMap(target)) {
      const message = '"<<" takes the alias of a map';
      this.#findings.add({
        name: 'wrongType',
        path: at.path,
        place: this.#placeOf(node),
        message,
        hint: 'write "<<: *anchor"',
      });
      return;
    }
    for (const [key, value] of Object.entries(this.#readMap(target, at.path, at.depth + 1))) {
      if (!Object.hasOwn(values, key)) values[key] = value;
    }
  }

  #key(node: Node | null): string | null {
    const target = isAlias(node) ? this.#anchored.get(node) : node;
    if (isScalar(target) && target.value !== null) {
      return typeof target.value === 'symbol' ? '<<' : (target.source ?? '');
    }
    const place = node === null ? NOWHERE : this.#placeOf(node);
    this.#findings.add({
      name: 'syntax',
      path: [],
      place,
      message: 'a key must be a plain word',
      hint: 'a value is used as a key',
    });
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
