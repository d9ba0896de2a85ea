/**
 * `holdfast filter bench`: what each hook of a filter costs, in nanoseconds, batch by batch.
 *
 * Path: the host as it runs in a shard, fed with batches that are laid out once; no sockets.
 * Invariant: the CPU time of this thread, so a busy machine does not show; everything from the call
 * of `run` to its answers, so the figures hold the host's own part. The cost of the crossing itself
 * and of the core is not in them.
 */
import { pathToFileURL } from 'node:url';
import { compileNeeds, NEED } from '../../../sdk/definition/index.ts';
import {
  type AnyFilter,
  type ChainPlan,
  createCounterMemory,
  createFilterMemory,
  FilterCounters,
  FilterHost,
  FilterInstance,
  type HOLDER,
  HOOK,
} from '../../../shard/filters/index.ts';
import { BatchBuilder, type HeadParts, type RecordTarget } from '../../../testing/index.ts';

/** What is sent through the filter. */
export interface BenchScript {
  readonly config: unknown;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly message: string;
  /** How long each figure is measured. */
  readonly msPerFigure: number;
}

/** One figure. */
export interface HookCost {
  readonly hook: string;
  readonly batch: number;
  readonly nanoseconds: number;
  /** Crossings into JavaScript for each request or message. */
  readonly crossings: number;
  /** Failures of the filter while it was measured; the figure means nothing then. */
  readonly failures: number;
}

type Moment = readonly [holder: keyof typeof HOLDER, hook: keyof typeof HOOK, bit: number];

const MOMENTS: Readonly<Record<AnyFilter['kind'], readonly Moment[]>> = {
  network: [
    ['connection', 'accept', NEED.accept],
    ['connection', 'open', NEED.open],
  ],
  stream: [
    ['exchange', 'request', NEED.request],
    ['exchange', 'routed', NEED.routed],
    ['exchange', 'endpoint', NEED.endpoint],
    ['exchange', 'response', NEED.response],
  ],
  message: [
    ['tunnel', 'open', NEED.open],
    ['tunnel', 'message', NEED.message],
  ],
};
const BATCHES = [1, 16, 64];
const WARM_RUNS = 2000;
const RUNS_PER_LOOK = 50;
const GENERATION = 1;
const NS_PER_US = 1000;

function headOf(script: BenchScript): HeadParts {
  return {
    method: 'GET',
    target: script.target,
    host: 'example.com',
    clientIp: '192.0.2.1',
    clientPort: 40_000,
    isTls: false,
    isWebSocket: false,
    route: 'main',
    cluster: 'app',
    endpoint: '192.0.2.9:80',
    status: 200,
    attempt: 1,
    fields: script.headers.map(([name, value]) => [name.toLowerCase(), value] as const),
  };
}

/** A filter in a host, ready to be measured. */
class Rig {
  readonly #memory = createFilterMemory();
  readonly #batch = new BatchBuilder(this.#memory);
  readonly counters = new FilterCounters(createCounterMemory());
  readonly host: FilterHost;
  readonly chain: ChainPlan;
  readonly #script: BenchScript;

  constructor(instance: FilterInstance, script: BenchScript) {
    this.#script = script;
    this.host = new FilterHost({
      core: { apply: () => {}, retire: () => {} },
      memory: this.#memory,
      counters: this.counters,
      mode: 'production',
      offloader: null,
      write: () => {},
    });
    const members = [{ instance: instance.plan.id, place: 'listener' as const }];
    this.chain = { ...instance.needs, id: 1, members, framing: null };
    const plan = { generation: GENERATION, programs: [], instances: [instance.plan] };
    this.host.commit({ ...plan, chains: [this.chain] }, new Map([[instance.plan.id, instance]]));
  }

  /** Lays out a batch; returns its words. */
  fill([holder, hook]: Moment, size: number): number {
    const batch = this.#batch;
    for (let index = 0; index < size; index++) {
      const target: RecordTarget = {
        holder,
        hook,
        index,
        generation: GENERATION,
        chain: this.chain,
      };
      if (hook === 'message') {
        const isBack = (this.chain.mask & NEED.fromClient) === 0;
        const isText = (this.chain.mask & NEED.text) !== 0;
        batch.message(target, { bytes: Buffer.from(this.#script.message), isText, isBack });
      } else if (holder === 'connection') {
        const parts = { clientIp: '192.0.2.1', clientPort: 40_000, localPort: 8080 };
        batch.connection(target, { ...parts, isTls: false, serverName: 'example.com', alpn: '' });
      } else {
        batch.head(target, headOf(this.#script));
      }
    }
    return batch.take();
  }

  /** Runs a batch, and waits for what it parked. */
  async runAll(words: number): Promise<void> {
    this.host.run(words);
    while (this.host.counts.parked > 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function measure(rig: Rig, moment: Moment, size: number, ms: number): Promise<HookCost> {
  const words = rig.fill(moment, size);
  for (let run = 0; run < WARM_RUNS / size; run++) await rig.runAll(words);
  let runs = 0;
  let isAsync = false;
  const before = process.threadCpuUsage();
  const startMs = performance.now();
  let nowMs = startMs;
  while (nowMs - startMs < ms) {
    for (let run = 0; run < RUNS_PER_LOOK; run++) {
      rig.host.run(words);
      if (rig.host.counts.parked > 0) {
        isAsync = true;
        await rig.runAll(0);
      }
    }
    runs += RUNS_PER_LOOK;
    nowMs = performance.now();
  }
  const { user, system } = process.threadCpuUsage(before);
  return {
    hook: isAsync ? `${moment[1]} (waits)` : moment[1],
    batch: size,
    nanoseconds: Math.round(((user + system) * NS_PER_US) / (runs * size)),
    crossings: 1 / size,
    failures: 0,
  };
}

/** Measures every hook of a filter that was checked. */
export async function benchFilter(filter: AnyFilter, script: BenchScript): Promise<HookCost[]> {
  const plan = {
    id: 1,
    filter: filter.name,
    program: '',
    offload: null,
    config: script.config,
    base: pathToFileURL(`${process.cwd()}/`).href,
    generation: GENERATION,
    cell: 0,
  };
  const instance = new FilterInstance(plan, filter, () => {});
  await instance.setUp(script.config, 0);
  const rig = new Rig(instance, script);
  const mask = compileNeeds(filter).mask;
  const costs: HookCost[] = [];
  for (const moment of MOMENTS[filter.kind]) {
    if ((mask & moment[2]) === 0) continue;
    for (const size of BATCHES) {
      const cell = plan.cell + HOOK[moment[1]];
      const before = rig.counters.read(cell, 'failures') + rig.counters.read(cell, 'timeouts');
      const cost = await measure(rig, moment, size, script.msPerFigure);
      const after = rig.counters.read(cell, 'failures') + rig.counters.read(cell, 'timeouts');
      costs.push({ ...cost, failures: after - before });
    }
  }
  await rig.host.close();
  return costs;
}
