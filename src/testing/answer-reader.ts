/**
 * Reads answers as the core does.
 *
 * Path: scripted-core.ts reads with it what a run returned and what `apply` brings.
 * Invariant: what is read is copied: `outBytes` belongs to the host again afterwards.
 */
import { Buffer } from 'node:buffer';
import {
  ANSWER,
  ANSWER_FROM_ENDPOINT,
  EDIT_WORDS,
  type FilterMemory,
  RECORD_LATE,
  VERDICT_NAMES,
} from '../shard/filters/index.ts';

/** One edit of a head. */
export interface AnsweredEdit {
  readonly what: 'set' | 'add' | 'remove';
  readonly name: string;
  readonly value: string;
}

/** One answer. */
export interface ReadAnswer {
  readonly verdict: string;
  readonly holder: number;
  readonly hook: number;
  readonly isFromEndpoint: boolean;
  readonly index: number;
  readonly generation: number;
  /** Where the record starts that it answers; null when it is late. */
  readonly record: number | null;
  readonly code: number;
  readonly first: Buffer;
  readonly second: Buffer;
  readonly edits: readonly AnsweredEdit[];
  /** Fields for the access record. */
  readonly logged: readonly (readonly [name: string, value: string])[];
}

const EDIT_NAMES = ['set', 'add', 'remove'] as const;
/** What stands behind those: a field for the access record. */
const LOG = EDIT_NAMES.length;

/** Reads the answers in the first `words` words of `out`. */
export function readAnswers(memory: FilterMemory, words: number): ReadAnswer[] {
  const out = memory.outWords;
  const bytes = Buffer.from(memory.outBytes.buffer);
  const word = (at: number): number => out[at] ?? 0;
  const span = (at: number): Buffer =>
    Buffer.from(bytes.subarray(word(at), word(at) + word(at + 1)));
  const answers: ReadAnswer[] = [];
  for (let at = 0; at < words; at += word(at + ANSWER.size)) {
    const all = Array.from(
      { length: word(at + ANSWER.editCount) },
      (_, index) => at + ANSWER.edits + index * EDIT_WORDS,
    );
    const isLog = (edit: number): boolean => word(edit) === LOG;
    const what = word(at + ANSWER.what);
    const record = word(at + ANSWER.record);
    answers.push({
      verdict: VERDICT_NAMES[what & 0xff] ?? 'unknown',
      hook: (what >>> 8) & 0xff,
      holder: (what >>> 16) & 0xff,
      isFromEndpoint: (what & ANSWER_FROM_ENDPOINT) !== 0,
      index: word(at + ANSWER.index),
      generation: word(at + ANSWER.generation),
      record: record === RECORD_LATE ? null : record,
      code: word(at + ANSWER.code),
      first: span(at + ANSWER.first),
      second: span(at + ANSWER.second),
      edits: all
        .filter((edit) => !isLog(edit))
        .map((edit) => ({
          what: EDIT_NAMES[word(edit)] ?? 'set',
          name: span(edit + 1).toString('latin1'),
          value: span(edit + 3).toString('latin1'),
        })),
      logged: all
        .filter(isLog)
        .map((edit) => [span(edit + 1).toString('latin1'), span(edit + 3).toString('utf8')]),
    });
  }
  return answers;
}
