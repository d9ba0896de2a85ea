/**
 * One head as the core wrote it, read when it is asked for.
 *
 * Path: call.ts makes one for each request, response or opening; head-view.ts shows it to filters.
 * Invariant: nothing is decoded before it is asked for. `keep` copies what a parked hook may still
 * read, because the batch is the core's again when `run` returns.
 */
import { Buffer } from 'node:buffer';
import type { Edits } from './edits.ts';
import { FIELD_NAMED, FIELD_WORDS, HEAD, RECORD } from './layout.ts';

/** Where a field's name is looked up: its index in the list that the chain gave to the core. */
export interface FieldNames {
  readonly list: readonly string[];
  readonly index: ReadonlyMap<string, number>;
}

/** The words and bytes of one head, and the edits made so far. */
export class HeadRecord {
  #words: Uint32Array;
  #bytes: Buffer;
  #start: number;
  readonly names: FieldNames;
  readonly edits: Edits;

  constructor(
    batch: { readonly words: Uint32Array; readonly bytes: Buffer; readonly start: number },
    names: FieldNames,
    edits: Edits,
  ) {
    this.#words = batch.words;
    this.#bytes = batch.bytes;
    this.#start = batch.start;
    this.names = names;
    this.edits = edits;
  }

  word(at: number): number {
    return this.#words[this.#start + at] ?? 0;
  }

  /** The text of a span. */
  text(at: number): string {
    const offset = this.word(at);
    return this.#bytes.toString('latin1', offset, offset + this.word(at + 1));
  }

  /** Copies the record out of the batch. */
  keep(): void {
    const words = this.#words.slice(this.#start, this.#start + this.word(RECORD.size));
    const spans: number[] = [HEAD.method, HEAD.target, HEAD.host, HEAD.clientIp];
    spans.push(HEAD.route, HEAD.cluster, HEAD.endpoint);
    const parts: { readonly at: number; readonly from: number; readonly to: number }[] = [];
    for (const at of spans) {
      const from = words[at] ?? 0;
      parts.push({ at, from, to: from + (words[at + 1] ?? 0) });
    }
    for (let field = 0; field < (words[HEAD.fieldCount] ?? 0); field++) {
      const at = HEAD.fields + field * FIELD_WORDS;
      const name = words[at] ?? 0;
      const before = name >= FIELD_NAMED ? name - FIELD_NAMED : 0;
      const value = words[at + 1] ?? 0;
      parts.push({ at: at + 1, from: value - before, to: value + (words[at + 2] ?? 0) });
    }
    const size = parts.reduce((sum, part) => sum + part.to - part.from, 0);
    const bytes = Buffer.allocUnsafe(size);
    let filled = 0;
    for (const { at, from, to } of parts) {
      this.#bytes.copy(bytes, filled, from, to);
      words[at] = filled + (words[at] ?? 0) - from;
      filled += to - from;
    }
    this.#words = words;
    this.#bytes = bytes;
    this.#start = 0;
  }

  /** Values of one field as they crossed, then as they were edited. `name` is lower case. */
  values(name: string): string[] {
    const index = this.names.index.get(name) ?? -1;
    let values: string[] = [];
    const count = this.word(HEAD.fieldCount);
    for (let field = 0; field < count; field++) {
      const at = HEAD.fields + field * FIELD_WORDS;
      if (this.#isNamed(at, name, index)) values.push(this.text(at + 1));
    }
    for (const edit of this.edits.list) {
      if (edit.name !== name) continue;
      if (edit.what === 'add') values.push(edit.value);
      else values = edit.what === 'set' ? [edit.value] : [];
    }
    return values;
  }

  /** Names of the fields that crossed or were edited in, each once. */
  fieldNames(): string[] {
    const names = new Set<string>();
    for (let field = 0; field < this.word(HEAD.fieldCount); field++) {
      names.add(this.#nameOf(HEAD.fields + field * FIELD_WORDS));
    }
    for (const edit of this.edits.list) {
      if (edit.name.startsWith(':')) continue;
      if (edit.what === 'remove') names.delete(edit.name);
      else names.add(edit.name);
    }
    return [...names];
  }

  #isNamed(at: number, name: string, index: number): boolean {
    const word = this.word(at);
    if (word < FIELD_NAMED) return word === index;
    return word - FIELD_NAMED === name.length && this.#nameOf(at) === name;
  }

  #nameOf(at: number): string {
    const word = this.word(at);
    if (word < FIELD_NAMED) return this.names.list[word] ?? '';
    const value = this.word(at + 1);
    return this.#bytes.toString('latin1', value - (word - FIELD_NAMED), value).toLowerCase();
  }
}
