/**
 * Runs a filter on scripted connections, requests and messages, without sockets.
 *
 * Path: tests of filters import `testFilter` from `holdfast/testing`. The filter runs in the host
 * that runs it in a shard, over the same batches, so a test sees what the gateway would do.
 * Invariant: only what the filter's needs ask for reaches it. Views are poisoned after use. Nothing
 * waits for real time except the filter's own timeout.
 */
import { pathToFileURL } from 'node:url';
import { checkDefinition, compileNeeds, NEED } from '../sdk/definition/index.ts';
import type { ConfigSchema } from '../sdk/index.ts';
import {
  type AnyFilter,
  type CellField,
  type ChainPlan,
  createCounterMemory,
  FilterCounters,
  FilterHost,
  FilterInstance,
  type FilterLine,
  HOOK,
  type InstancePlan,
} from '../shard/filters/index.ts';
import { InProcessOffload, type Tasks } from './in-process-offload.ts';
import { ScriptedCore } from './scripted-core.ts';
import {
  type ConnectionScript,
  type RequestScript,
  ScriptedConnection,
  ScriptedExchange,
  ScriptedTunnel,
} from './scripted-holders.ts';

/** How to run a filter. */
export interface KitOptions {
  /** What would stand under `with`. */
  readonly config?: unknown;
  /** URL of the configuration file; without it one in the working directory. */
  readonly base?: string;
  /** Where it would stand; on a route, onRequest runs when the route took the request. */
  readonly place?: 'listener' | 'route';
  /** Functions in place of the module behind `offload`; without it that module is loaded. */
  readonly offload?: Tasks;
}

/** Far above the gateway's own, because machines that run tests are busy. */
const BLOCKING_MS = 500;
const CHAIN_ID = 1;
const INSTANCE_ID = 1;
const GENERATION = 1;

/** A filter that runs on scripts. */
export class FilterKit {
  readonly #core = new ScriptedCore();
  readonly #counters = new FilterCounters(createCounterMemory());
  readonly #host: FilterHost;
  readonly #chain: ChainPlan;
  readonly #instance: FilterInstance;
  #nextIndex = 0;
  /** Lines that the filter wrote, and failures of it, in order. */
  readonly log: FilterLine[] = [];

  constructor(filter: AnyFilter, options: KitOptions) {
    const plan: InstancePlan = {
      id: INSTANCE_ID,
      filter: filter.name,
      program: 'kit',
      offload: 'offload' in filter || options.offload !== undefined ? 'kit' : null,
      config: options.config,
      base: options.base ?? pathToFileURL(`${process.cwd()}/`).href,
      generation: GENERATION,
      cell: 0,
    };
    this.#instance = new FilterInstance(plan, filter, (line) => this.log.push(line));
    const place = options.place ?? 'listener';
    const needs = compileNeeds(filter);
    const isLate = place === 'route' && (needs.mask & NEED.request) !== 0;
    const mask = isLate ? (needs.mask & ~NEED.request) | NEED.routed : needs.mask;
    const members = [{ instance: INSTANCE_ID, place }];
    this.#chain = { ...needs, mask, id: CHAIN_ID, members, framing: null };
    this.#host = new FilterHost({
      core: this.#core,
      memory: this.#core.memory,
      counters: this.#counters,
      mode: 'development',
      blockingMs: BLOCKING_MS,
      offloader: new InProcessOffload(
        options.offload ?? (filter as { readonly offload?: URL }).offload ?? null,
      ),
      write: (line) => this.log.push(line),
    });
    this.#core.attach(this.#host);
  }

  /** Runs the schema and `setup`. Rejects with what they find or throw. */
  async start(config: unknown): Promise<void> {
    const schema = (this.#instance.filter as { readonly config?: ConfigSchema<unknown> }).config;
    const outcome = await schema?.['~standard'].validate(config ?? {});
    if (outcome?.issues !== undefined) {
      throw new TypeError(outcome.issues.map((issue) => issue.message).join('; '));
    }
    await this.#instance.setUp(outcome?.value, 0);
    const plan = { generation: GENERATION, programs: [], instances: [this.#instance.plan] };
    this.#host.commit({ ...plan, chains: [this.#chain] }, new Map([[INSTANCE_ID, this.#instance]]));
  }

  /** A connection that was accepted. */
  connection(script: ConnectionScript = {}): ScriptedConnection {
    return new ScriptedConnection(this.#core, this.#chain, this.#nextIndex++, script);
  }

  /** A request and what follows. */
  exchange(script: RequestScript = {}): ScriptedExchange {
    return new ScriptedExchange(this.#core, this.#chain, this.#nextIndex++, script);
  }

  /** A WebSocket tunnel. */
  tunnel(script: RequestScript = {}): ScriptedTunnel {
    return new ScriptedTunnel(this.#core, this.#chain, this.#nextIndex++, script);
  }

  /** What was counted for a hook, like `count('request', 'calls')`. */
  count(hook: keyof typeof HOOK, field: CellField): number {
    return this.#counters.read(HOOK[hook], field);
  }

  /** How often anything crossed into JavaScript. */
  get crossings(): number {
    return this.#core.runCount;
  }

  /** What the host holds on to: nothing, once everything ended. */
  get held(): { readonly parked: number; readonly holders: number } {
    const { parked, holders } = this.#host.counts;
    return { parked, holders };
  }

  /** Ends the filter: `dispose` runs. */
  async close(): Promise<void> {
    await this.#host.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Sets a filter up for scripts.
 *
 * @throws TypeError when the definition or its configuration is wrong; what `setup` throws.
 */
export async function testFilter(filter: unknown, options: KitOptions = {}): Promise<FilterKit> {
  const faults = checkDefinition(filter);
  if (faults.length > 0) {
    throw new TypeError(
      faults.map(({ field, message }) => `${field} ${message}`.trim()).join('; '),
    );
  }
  const kit = new FilterKit(filter as AnyFilter, options);
  await kit.start(options.config);
  return kit;
}
