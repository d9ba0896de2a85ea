/**
 * Brings a plan to every shard: all prepare it, then all commit it, or none does.
 *
 * Path: snapshot/reload, after the configuration was checked and before its snapshot is published;
 * the chain ids of the plan stand in that snapshot.
 * Invariant: a fault in any shard leaves all of them as they were. A shard that ends meanwhile is
 * no fault: its successor gets the live plan before it takes connections.
 */
import type { FilterFault, FilterPlan } from '../../shard/filters/index.ts';
import type { FilterPlanner } from './planner.ts';

/** What rolling out needs of a shard. */
export interface FilterShard {
  readonly index: number;
  /** Rejects when the shard is gone. */
  prepare(plan: FilterPlan): Promise<readonly FilterFault[]>;
  commit(generation: number): Promise<void>;
  abandon(): Promise<void>;
}

/** What became of a plan. */
export interface RollOut {
  readonly isLive: boolean;
  readonly faults: readonly FilterFault[];
}

/** Prepares a plan everywhere; `commit` or `abandon` must follow. */
export async function prepareEverywhere(
  plan: FilterPlan,
  shards: readonly FilterShard[],
): Promise<readonly FilterFault[]> {
  const outcomes = await Promise.allSettled(shards.map((shard) => shard.prepare(plan)));
  const faults = outcomes.flatMap((outcome) =>
    outcome.status === 'fulfilled' ? [...outcome.value] : [],
  );
  // Every shard finds the same, as a rule; it is said once.
  const said = new Map(faults.map((fault) => [`${fault.filter}\n${fault.message}`, fault]));
  return [...said.values()];
}

/** Prepares a plan everywhere and commits it, or abandons it everywhere. */
export async function rollOut(
  plan: FilterPlan,
  shards: readonly FilterShard[],
  planner: FilterPlanner,
): Promise<RollOut> {
  const faults = await prepareEverywhere(plan, shards);
  if (faults.length > 0) {
    await Promise.allSettled(shards.map((shard) => shard.abandon()));
    return { isLive: false, faults };
  }
  planner.commit(
    plan,
    shards.map((shard) => shard.index),
  );
  const commits = await Promise.allSettled(shards.map((shard) => shard.commit(plan.generation)));
  for (const [position, outcome] of commits.entries()) {
    const shard = shards[position];
    if (outcome.status === 'rejected' && shard !== undefined) planner.shardLost(shard.index);
  }
  return { isLive: true, faults: [] };
}
