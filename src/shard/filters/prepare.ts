/**
 * Makes the instances of a plan ready: loads their programs, checks them again, runs `setup`.
 *
 * Path: main asks every shard to prepare a plan before any of them commits it.
 * Invariant: all or nothing: when one instance cannot be made, those that were made are disposed
 * of, and what runs stays as it is. An instance that already lives is used as it is.
 */
import { checkDefinition } from '../../sdk/definition/index.ts';
import type { ConfigSchema } from '../../sdk/index.ts';
import { withDeadline } from './deadline.ts';
import { describeThrown } from './failure.ts';
import { type AnyFilter, FilterInstance, type WriteLine } from './instance.ts';
import type { ModuleLoader } from './module-loader.ts';
import type { FilterPlan, InstancePlan, Program } from './plan.ts';

/** How long `setup` may take, with what comes before it: module and configuration. */
export const SETUP_MS_MAX = 10_000;

/** Why an instance could not be made. */
export interface FilterFault {
  readonly filter: string;
  readonly message: string;
}

/** What preparing needs. */
export interface PrepareOptions {
  readonly loader: Pick<ModuleLoader, 'load'>;
  readonly shard: number;
  readonly write: WriteLine;
  /** Instances that live already, by id. */
  readonly known: ReadonlyMap<number, FilterInstance>;
}

/** The instances of a plan, or why there are none. */
export interface Prepared {
  readonly instances: ReadonlyMap<number, FilterInstance>;
  readonly faults: readonly FilterFault[];
}

/** What the filter's schema makes of its configuration. */
async function readConfig(filter: AnyFilter, config: unknown): Promise<unknown> {
  const schema = (filter as { readonly config?: ConfigSchema<unknown> }).config;
  if (schema === undefined) return undefined;
  const outcome = await schema['~standard'].validate(config ?? {});
  if (outcome.issues !== undefined) {
    throw new TypeError(`its configuration is wrong: ${outcome.issues[0]?.message}`);
  }
  return outcome.value;
}

/** Loads the program, reads the configuration and runs `setup`. */
async function makeInstance(
  plan: InstancePlan,
  program: Program,
  options: PrepareOptions,
): Promise<FilterInstance> {
  const module = await options.loader.load(program);
  const faults = checkDefinition(module['default']);
  if (faults.length > 0) throw new TypeError(`${faults[0]?.field} ${faults[0]?.message}`);
  const filter = module['default'] as AnyFilter;
  const instance = new FilterInstance(plan, filter, options.write);
  await instance.setUp(await readConfig(filter, plan.config), options.shard);
  return instance;
}

async function makeInTime(making: Promise<FilterInstance>): Promise<FilterInstance> {
  try {
    return await withDeadline(making, SETUP_MS_MAX, 'setup');
  } catch (error) {
    // A setup that ends too late made something all the same.
    making.then(
      (instance) => instance.dispose(),
      () => {},
    );
    throw error;
  }
}

/** Makes all instances of a plan ready. Never rejects. */
export async function prepareInstances(
  plan: FilterPlan,
  options: PrepareOptions,
): Promise<Prepared> {
  const programs = new Map(plan.programs.map((program) => [program.hash, program]));
  const faults: FilterFault[] = [];
  const instances = new Map<number, FilterInstance>();
  const prepareOne = async (instancePlan: InstancePlan): Promise<void> => {
    const known = options.known.get(instancePlan.id);
    if (known !== undefined) {
      known.hold();
      instances.set(instancePlan.id, known);
      return;
    }
    try {
      const program = programs.get(instancePlan.program);
      if (program === undefined) throw new TypeError(`no program ${instancePlan.program}`);
      const instance = await makeInTime(makeInstance(instancePlan, program, options));
      instance.hold();
      instances.set(instancePlan.id, instance);
    } catch (thrown) {
      faults.push({ filter: instancePlan.filter, message: describeThrown(thrown) });
    }
  };
  await Promise.all(plan.instances.map(prepareOne));
  if (faults.length > 0) {
    await releasePrepared({ instances, faults });
    return { instances: new Map(), faults };
  }
  return { instances, faults: [] };
}

/** The plan was committed, or will not be: its chains hold what they need, the rest goes. */
export async function releasePrepared(prepared: Prepared): Promise<void> {
  await Promise.all([...prepared.instances.values()].map((instance) => instance.release()));
}
