/**
 * Time of this tree against the base: finds the base, builds it, compares, and says what came out.
 *
 * Path: the last part of the gate, after the counted figures.
 * Invariant: only a rise of this tree fails. No base, a base that does not build or run, a product
 * that did not change, and a machine that is too busy are each said in one line, and pass.
 */
import { type RigParts, ROOT, RunFailure } from '../rig/index.ts';
import { type Base, buildBase, isSamePath } from './base.ts';
import { describeTime } from './report.ts';
import { compareTrees, EFFORT, judgeTime, TreeFailure, type Turn } from './time.ts';

/** What a comparison of time needs. */
export interface TimeRequest {
  readonly parts: RigParts;
  readonly base: Base;
  readonly write: (line: string) => void;
}

const NOT_COMPARED = '–      time is not compared:';
/** A head that does not run is tried once more before it counts. */
const TRIES = 2;

/** @throws TreeFailure when the head did not run, and not the second time either. */
async function compare(parts: RigParts, base: string): Promise<readonly Turn[]> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await compareTrees(parts, { base, head: ROOT }, EFFORT);
    } catch (cause) {
      const isFinal = !(cause instanceof TreeFailure) || cause.which === 'base' || tried === TRIES;
      if (isFinal || parts.signal.aborted) throw cause;
    }
  }
}

/** Compares this tree with another one; true unless it is slower. */
export async function judgeTimeOf(
  base: string,
  { parts, write }: Omit<TimeRequest, 'base'>,
): Promise<boolean> {
  try {
    const { judgements } = await judgeTime(() => compare(parts, base));
    for (const judgement of judgements) write(describeTime(judgement));
    return judgements.every(({ verdict }) => verdict !== 'alarm');
  } catch (cause) {
    const isOfBase = cause instanceof TreeFailure && cause.which === 'base';
    if (!isOfBase || parts.signal.aborted) throw cause;
    write(`${NOT_COMPARED} ${cause.message}`);
    return true;
  }
}

/** Compares this tree with its base; true unless it is slower. */
export async function judgeTimeAgainstBase({ parts, base, write }: TimeRequest): Promise<boolean> {
  if ('missing' in base) {
    write(`${NOT_COMPARED} ${base.missing}`);
    return true;
  }
  const { commit, why } = base;
  if (await isSamePath(ROOT, commit)) {
    write(`${NOT_COMPARED} the product is that of ${commit.slice(0, 12)} (${why})`);
    return true;
  }
  write(`       time is compared with ${commit.slice(0, 12)} (${why})`);
  let tree: string;
  try {
    tree = await buildBase(ROOT, commit, parts.signal);
  } catch (cause) {
    if (!(cause instanceof RunFailure) || parts.signal.aborted) throw cause;
    write(`${NOT_COMPARED} ${cause.message}`);
    return true;
  }
  return judgeTimeOf(tree, { parts, write });
}
