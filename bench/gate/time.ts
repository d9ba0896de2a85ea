/**
 * The soft gate: does a change cost time, as far as a noisy machine can tell?
 *
 * Path: gate.ts gives the two trees. Three gateways run at once, the base and the head twice; load
 * goes to one after the other, in every order, many times. Figures are logarithms of ratios within
 * one such turn: of head over base, and of the second head over the first, which is noise alone.
 * Invariant: an alarm needs all of: the bootstrap interval excludes zero, the effect is above the
 * floor, it is above the noise just measured, and all that again in a second run. What a machine is
 * too busy to show, and a base that does not run, is inconclusive and never an alarm.
 */
import { createHoldfast } from '../peers/index.ts';
import { type Estimate, estimate } from '../report/index.ts';
import { explain, type LoadResult, Rig, type RigParts, RunFailure } from '../rig/index.ts';

/** How much is done for one comparison. */
export interface Effort {
  /** How often the gateways are started afresh, at the least and at the most. */
  readonly roundsMin: number;
  readonly roundsMax: number;
  /** Turns of windows in each round. */
  readonly turns: number;
  readonly windowMs: number;
  /** No turn begins later than this after the start. */
  readonly limitMs: number;
}

/** One figure of one window: smaller is better. */
export type Sample = Readonly<Record<TimeName, number>>;

/** The windows of one turn. */
export interface Turn {
  readonly base: Sample;
  readonly head: Sample;
  readonly again: Sample;
}

/** The figures of the soft gate. */
export type TimeName = 'cpu' | 'slowness';

/** What a comparison showed for one figure. */
export type TimeVerdict = 'holds' | 'alarm' | 'inconclusive';

/** One figure of the soft gate, judged. */
export interface TimeJudgement {
  readonly name: TimeName;
  readonly title: string;
  /** Logarithm of head over base; above 0 is dearer. */
  readonly effect: Estimate;
  /** The effect that would have been an alarm. */
  readonly thresholdShare: number;
  readonly verdict: TimeVerdict;
  /** Why it is inconclusive. */
  readonly remark?: string;
}

/** The gateway of one tree did not do its work. */
export class TreeFailure extends RunFailure {
  readonly which: 'base' | 'head';

  constructor(which: 'base' | 'head', cause: unknown) {
    super(`the gateway of the ${which} does not run: ${explain(cause)}`, { cause });
    this.which = which;
  }
}

export const EFFORT: Effort = {
  roundsMin: 2,
  roundsMax: 4,
  turns: 6,
  windowMs: 300,
  limitMs: 100_000,
};

const NAMES: readonly TimeName[] = ['cpu', 'slowness'];
const TITLES: Readonly<Record<TimeName, string>> = {
  cpu: 'CPU per round trip',
  slowness: 'time per round trip at saturation',
};
/** Effects below this are not worth an alarm, whatever the interval says. */
const FLOOR_SHARE = 0.05;
/** A machine on which one tree differs this much from itself shows nothing. */
const NOISE_SHARE_MAX = 0.25;
/** Fewer turns than this are no comparison. */
export const TURNS_MIN = 8;
const CONNECTIONS = 200;
/** Turns in which a window came to nothing, which a busy machine does now and then. */
const SPOILT_MAX = 3;
/** Everybody is first, second and last equally often. */
const ORDERS: readonly (readonly (keyof Turn)[])[] = [
  ['base', 'head', 'again'],
  ['again', 'head', 'base'],
  ['head', 'again', 'base'],
  ['base', 'again', 'head'],
  ['again', 'base', 'head'],
  ['head', 'base', 'again'],
];

async function sample(rig: Rig, windowMs: number): Promise<Sample> {
  const run = rig.load('closed', {
    connections: CONNECTIONS,
    active: 100,
    'warmup-ms': windowMs / 3,
    'duration-ms': windowMs,
  });
  await run.pass('ready');
  const result: LoadResult = await run.result();
  const { answeredInWindow: count = 0, usage } = result;
  const cpu = usage.watched['gateway'] ?? 0;
  if (count === 0 || cpu === 0) throw new RunFailure('nothing came back');
  return { cpu: cpu / count, slowness: usage.wallNs / count };
}

function blame<T>(which: keyof Turn, work: Promise<T>): Promise<T> {
  return work.catch((cause: unknown) => {
    throw new TreeFailure(which === 'base' ? 'base' : 'head', cause);
  });
}

/** The three gateways of a round. */
class Trio implements AsyncDisposable {
  readonly #rigs = new Map<keyof Turn, Rig>();

  static async start(parts: RigParts, base: string, head: string): Promise<Trio> {
    const trio = new Trio();
    const trees = { base, head, again: head };
    try {
      for (const which of ['base', 'head', 'again'] as const) {
        const candidate = createHoldfast(which, trees[which]);
        trio.#rigs.set(which, await blame(which, Rig.start(parts, candidate)));
      }
      return trio;
    } catch (cause) {
      await trio[Symbol.asyncDispose]();
      throw cause;
    }
  }

  async take(order: readonly (keyof Turn)[], windowMs: number): Promise<Turn> {
    const taken = new Map<keyof Turn, Sample>();
    for (const which of order) {
      const rig = this.#rigs.get(which);
      if (rig !== undefined) taken.set(which, await blame(which, sample(rig, windowMs)));
    }
    const [base, head, again] = [taken.get('base'), taken.get('head'), taken.get('again')];
    if (base === undefined || head === undefined || again === undefined) {
      throw new Error('a turn has a window for each gateway');
    }
    return { base, head, again };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#rigs.values()].map((rig) => rig.close()));
  }
}

/**
 * Compares two trees, for as long as it takes to tell.
 *
 * @throws TreeFailure when one of the gateways does not run.
 */
export async function compareTrees(
  parts: RigParts,
  trees: { readonly base: string; readonly head: string },
  effort: Effort,
): Promise<Turn[]> {
  const turns: Turn[] = [];
  const endMs = performance.now() + effort.limitMs;
  let spoilt = 0;
  for (let round = 0; round < effort.roundsMax; round += 1) {
    if (round >= effort.roundsMin && isDecided(turns)) break;
    if (performance.now() >= endMs) break;
    await using trio = await Trio.start(parts, trees.base, trees.head);
    for (let turn = 0; turn <= effort.turns && performance.now() < endMs; turn += 1) {
      const order = ORDERS[(round + turn) % ORDERS.length] ?? [];
      const taken = await trio.take(order, effort.windowMs).catch((cause: unknown) => {
        spoilt += 1;
        if (spoilt > SPOILT_MAX || parts.signal.aborted) throw cause;
      });
      // The first one warms the three up.
      if (taken !== undefined && turn > 0) turns.push(taken);
    }
  }
  return turns;
}

/** Logarithms of head over base; both heads count. */
function effectOf(turns: readonly Turn[], name: TimeName): Estimate {
  return estimate(
    turns.map(({ base, head, again }) => Math.log((head[name] + again[name]) / 2 / base[name])),
  );
}

/** The largest effect that one tree showed against itself. */
function noiseOf(turns: readonly Turn[], name: TimeName): number {
  const { low, high } = estimate(
    turns.map(({ head, again }) => Math.log(again[name] / head[name])),
  );
  return Math.max(Math.abs(low), Math.abs(high));
}

/** True when the whole interval of each figure is below the floor: no alarm can come of it. */
export function isDecided(turns: readonly Turn[]): boolean {
  if (turns.length < TURNS_MIN) return false;
  return NAMES.every((name) => effectOf(turns, name).high < Math.log(1 + FLOOR_SHARE));
}

const percent = (log: number): string => `${((Math.exp(log) - 1) * 100).toFixed(1)} %`;

/** Judges one comparison against the noise that it measured itself. */
export function judgeTurns(turns: readonly Turn[]): TimeJudgement[] {
  const floor = Math.log(1 + FLOOR_SHARE);
  return NAMES.map((name) => {
    const effect = effectOf(turns, name);
    const noise = turns.length === 0 ? 0 : noiseOf(turns, name);
    const threshold = Math.max(floor, noise);
    const judgement = (verdict: TimeVerdict, remark?: string): TimeJudgement => ({
      name,
      title: TITLES[name],
      effect,
      thresholdShare: Math.exp(threshold) - 1,
      verdict,
      ...(remark === undefined ? {} : { remark }),
    });
    if (turns.length < TURNS_MIN) {
      return judgement('inconclusive', `the machine had time for ${turns.length} turns only`);
    }
    const isRise = effect.low > 0 && effect.median > floor;
    if (isRise && effect.median > threshold) return judgement('alarm');
    if (isRise || noise > Math.log(1 + NOISE_SHARE_MAX)) {
      const why = `the head differs from itself by up to ${percent(noise)} on this machine`;
      return judgement('inconclusive', why);
    }
    return judgement('holds');
  });
}

/**
 * The whole soft gate: a comparison, and a second one where the first raised an alarm.
 *
 * @returns the judgements of the last comparison; an alarm there is one of both.
 */
export async function judgeTime(compare: () => Promise<readonly Turn[]>): Promise<{
  readonly judgements: readonly TimeJudgement[];
  readonly turns: number;
  readonly isSecond: boolean;
}> {
  const turns = await compare();
  const first = judgeTurns(turns);
  const suspects = new Set(first.filter(isAlarm).map(({ name }) => name));
  if (suspects.size === 0) return { judgements: first, turns: turns.length, isSecond: false };
  const again = await compare();
  const judgements = judgeTurns(again).map((each): TimeJudgement => {
    if (!isAlarm(each) || suspects.has(each.name)) return each;
    return { ...each, verdict: 'inconclusive', remark: 'it rose in one of two comparisons' };
  });
  return { judgements, turns: turns.length + again.length, isSecond: true };
}

function isAlarm({ verdict }: TimeJudgement): boolean {
  return verdict === 'alarm';
}
