/**
 * The soft gate: does a change cost time, as far as a noisy machine can tell?
 *
 * Path: two trees of the project run at once, each with its own origin; load goes to one and then
 * to the other, in the order A B B A, many times. Figures are logarithms of paired ratios.
 * Invariant: an alarm needs all of: the bootstrap interval excludes zero, the effect is above the
 * floor, it is above what two runs of one tree showed on this machine in the same hour, and it
 * happens again in a second run.
 */
import { createHoldfast } from '../peers/index.ts';
import { type Estimate, estimate } from '../report/index.ts';
import { explain, type LoadResult, Rig, type RigParts, RunFailure } from '../rig/index.ts';

/** How much is done for one comparison. */
export interface Effort {
  /** How often both trees are started afresh. */
  readonly rounds: number;
  /** Pairs of windows in each round. */
  readonly pairs: number;
  readonly windowMs: number;
}

/** What a change did to each figure: log of B over A, above 0 is dearer. */
export interface Effects {
  readonly cpu: readonly number[];
  readonly slowness: readonly number[];
}

/** One figure of the soft gate, judged. */
export interface TimeJudgement {
  readonly name: keyof Effects;
  readonly title: string;
  readonly effect: Estimate;
  readonly thresholdShare: number;
  readonly isAlarm: boolean;
}

export const EFFORT: Effort = { rounds: 3, pairs: 6, windowMs: 400 };

const TITLES: Readonly<Record<keyof Effects, string>> = {
  cpu: 'CPU per round trip',
  slowness: 'time per round trip at saturation',
};
/** Effects below this are not worth an alarm, whatever the interval says. */
const FLOOR_SHARE = 0.05;
const CONNECTIONS = 200;

interface Sample {
  readonly cpu: number;
  readonly slowness: number;
}

async function sample(rig: Rig, windowMs: number): Promise<Sample> {
  const run = rig.load('closed', {
    connections: CONNECTIONS,
    active: 100,
    'warmup-ms': windowMs / 4,
    'duration-ms': windowMs,
  });
  await run.pass('ready');
  const result: LoadResult = await run.result();
  const count = result.answeredInWindow ?? 1;
  return {
    cpu: (result.usage.watched['gateway'] ?? 0) / count,
    slowness: result.usage.wallNs / count,
  };
}

function startTree(parts: RigParts, name: string, tree: string): Promise<Rig> {
  return Rig.start(parts, createHoldfast(name, tree)).catch((cause: unknown) => {
    throw new RunFailure(`the gateway of the ${name} does not run: ${explain(cause)}`, { cause });
  });
}

/** Compares tree B with tree A. */
export async function compareTrees(
  parts: RigParts,
  trees: readonly [string, string],
  effort: Effort,
): Promise<Effects> {
  const effects = { cpu: [] as number[], slowness: [] as number[] };
  for (let round = 0; round < effort.rounds; round += 1) {
    await using a = await startTree(parts, 'base', trees[0]);
    await using b = await startTree(parts, 'head', trees[1]);
    for (const rig of [a, b]) await sample(rig, effort.windowMs);
    for (let pair = 0; pair < effort.pairs; pair += 1) {
      const order = pair % 2 === 0 ? [a, b] : [b, a];
      const samples = new Map<Rig, Sample>();
      for (const rig of order) samples.set(rig, await sample(rig, effort.windowMs));
      const [before, after] = [samples.get(a), samples.get(b)];
      if (before === undefined || after === undefined) continue;
      effects.cpu.push(Math.log(after.cpu / before.cpu));
      effects.slowness.push(Math.log(after.slowness / before.slowness));
    }
  }
  return effects;
}

/** The largest effect that two runs of one tree showed, by figure: the machine's own noise. */
export function thresholdOf(same: Effects, name: keyof Effects): number {
  const { low, high } = estimate(same[name]);
  return Math.max(Math.log(1 + FLOOR_SHARE), Math.abs(low), Math.abs(high));
}

/** Judges one comparison against the noise of the machine. */
export function judgeEffects(effects: Effects, same: Effects): TimeJudgement[] {
  return (['cpu', 'slowness'] as const).map((name) => {
    const effect = estimate(effects[name]);
    const threshold = thresholdOf(same, name);
    return {
      name,
      title: TITLES[name],
      effect,
      thresholdShare: Math.exp(threshold) - 1,
      isAlarm: effect.low > 0 && effect.median > threshold,
    };
  });
}

/**
 * The whole soft gate: noise first, then the comparison, then the second chance.
 *
 * @returns the judgements that count: of the second run where the first raised an alarm.
 */
export async function judgeTime(
  compare: (trees: 'same' | 'change') => Promise<Effects>,
): Promise<TimeJudgement[]> {
  const same = await compare('same');
  const first = judgeEffects(await compare('change'), same);
  const suspects = new Set(first.filter(({ isAlarm }) => isAlarm).map(({ name }) => name));
  if (suspects.size === 0) return first;
  const second = judgeEffects(await compare('change'), same);
  return second.map((each) => ({ ...each, isAlarm: each.isAlarm && suspects.has(each.name) }));
}
