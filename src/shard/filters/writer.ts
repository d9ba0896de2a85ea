/**
 * Lays answers flat for the core, in `outWords` and `outBytes`.
 *
 * Path: host.ts writes the answers of a run, and later those of what was parked.
 * Invariant: there is always room for one largest answer; before there is not, what stands there is
 * flushed to the core, which has taken it when `flush` returns.
 */
import { Buffer } from 'node:buffer';
import type { FilterMemory } from './core.ts';
import type { Edit } from './edits.ts';
import {
  ANSWER,
  ANSWER_BYTES_MAX,
  ANSWER_FROM_ENDPOINT,
  ANSWER_WORDS_MAX,
  EDIT,
  EDIT_WORDS,
} from './layout.ts';
import type { LogField } from './log-fields.ts';

/** One answer. */
export interface Answer {
  readonly verdict: number;
  readonly hook: number;
  readonly holder: number;
  readonly isFromEndpoint: boolean;
  readonly index: number;
  readonly generation: number;
  readonly record: number;
  readonly code: number;
  readonly first: Buffer;
  readonly second: Buffer;
  readonly edits: readonly Edit[];
  /** For the access record. */
  readonly logged: readonly LogField[];
}

/** Texts up to this length are written by a loop. */
const SHORT_TEXT = 40;

/** Writes answers. */
export class AnswerWriter {
  readonly #words: Uint32Array;
  readonly #bytes: Buffer;
  readonly #flush: (words: number) => void;
  #wordCount = 0;
  #byteCount = 0;

  constructor(memory: FilterMemory, flush: (words: number) => void) {
    this.#words = memory.outWords;
    const { buffer, byteOffset, length } = memory.outBytes;
    this.#bytes = Buffer.from(buffer, byteOffset, length);
    this.#flush = flush;
  }

  /** The words written since the last time; the next answer begins at the front. */
  take(): number {
    const words = this.#wordCount;
    this.#wordCount = 0;
    this.#byteCount = 0;
    return words;
  }

  write(answer: Answer): void {
    const isFull =
      this.#wordCount + ANSWER_WORDS_MAX > this.#words.length ||
      this.#byteCount + ANSWER_BYTES_MAX > this.#bytes.length;
    if (isFull) this.#flush(this.take());
    const words = this.#words;
    const start = this.#wordCount;
    const editCount = answer.edits.length + answer.logged.length;
    const size = ANSWER.edits + editCount * EDIT_WORDS;
    const direction = answer.isFromEndpoint ? ANSWER_FROM_ENDPOINT : 0;
    words[start + ANSWER.size] = size;
    words[start + ANSWER.what] =
      answer.verdict | (answer.hook << 8) | (answer.holder << 16) | direction;
    words[start + ANSWER.index] = answer.index;
    words[start + ANSWER.generation] = answer.generation;
    words[start + ANSWER.record] = answer.record;
    words[start + ANSWER.code] = answer.code;
    this.#bytesSpan(start + ANSWER.first, answer.first);
    this.#bytesSpan(start + ANSWER.second, answer.second);
    words[start + ANSWER.editCount] = editCount;
    let at = start + ANSWER.edits;
    for (const edit of answer.edits) {
      words[at] = EDIT[edit.what];
      this.#textSpan(at + 1, edit.name);
      this.#textSpan(at + 3, edit.value);
      at += EDIT_WORDS;
    }
    for (const { name, value } of answer.logged) {
      words[at] = EDIT.log;
      this.#textSpan(at + 1, name);
      this.#utf8Span(at + 3, value);
      at += EDIT_WORDS;
    }
    this.#wordCount += size;
  }

  #bytesSpan(at: number, bytes: Buffer): void {
    this.#span(at, bytes.length);
    if (bytes.length > 0) {
      bytes.copy(this.#bytes, this.#byteCount);
      this.#byteCount += bytes.length;
    }
  }

  /** Names and values are Latin-1: a byte for each character. */
  #textSpan(at: number, text: string): void {
    this.#span(at, text.length);
    if (text.length > SHORT_TEXT) {
      this.#byteCount += this.#bytes.write(text, this.#byteCount, 'latin1');
      return;
    }
    // A loop is quicker than a call into Node for what names and values are, as a rule.
    for (let index = 0; index < text.length; index++) {
      this.#bytes[this.#byteCount++] = text.charCodeAt(index);
    }
  }

  #utf8Span(at: number, text: string): void {
    const length = this.#bytes.write(text, this.#byteCount, 'utf8');
    this.#span(at, length);
    this.#byteCount += length;
  }

  #span(at: number, length: number): void {
    this.#words[at] = length === 0 ? 0 : this.#byteCount;
    this.#words[at + 1] = length;
  }
}
