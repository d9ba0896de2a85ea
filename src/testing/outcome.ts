/**
 * What a script's step came to, in words that a test can compare.
 *
 * Path: the steps of filter-kit.ts return it.
 * Invariant: a plain value; `continue` with no edits when the filter was not even called.
 */
import type { AnsweredEdit, ReadAnswer } from './answer-reader.ts';

/** What became of one step. */
export interface Outcome {
  /** `continue`, `respond`, `close`, `rematch`, `choose`, `rechoose`, `retry`, `drop`, `replace`. */
  readonly verdict: string;
  /** Status of a response, or close code, or 0. */
  readonly code: number;
  /** Content of a response, or the reason of a close, or the message in place of another. */
  readonly text: string;
  /** Fields of a response that the filter made. */
  readonly headers: Readonly<Record<string, string>>;
  /** Edits of the request or response that goes on, in order. */
  readonly edits: readonly AnsweredEdit[];
  /** The cluster that was chosen, or empty. */
  readonly cluster: string;
  /** The hash key that was chosen, or empty. */
  readonly hash: string;
  /** The hook waited for a Promise. */
  readonly hasWaited: boolean;
}

export const CONTINUED: Outcome = Object.freeze({
  verdict: 'continue',
  code: 0,
  text: '',
  headers: {},
  edits: [],
  cluster: '',
  hash: '',
  hasWaited: false,
});

/** Several values of one field are joined as readers of HTTP join them. */
function joinFields(edits: readonly AnsweredEdit[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const { name, value } of edits) {
    fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`;
  }
  return fields;
}

/** Brings an answer into words. */
export function toOutcome(answer: ReadAnswer, hasWaited: boolean): Outcome {
  const isResponse = answer.verdict === 'respond';
  const isChoice = answer.verdict === 'choose';
  return {
    verdict: answer.verdict,
    code: answer.code,
    text: isChoice ? '' : answer.first.toString('utf8'),
    headers: isResponse ? joinFields(answer.edits) : {},
    edits: isResponse ? [] : answer.edits,
    cluster: isChoice ? answer.first.toString('utf8') : '',
    hash: isChoice ? answer.second.toString('utf8') : '',
    hasWaited,
  };
}
