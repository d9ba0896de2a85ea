/**
 * A gateway for tests of bytes: its configuration as objects, a canary beside it, and its numbers.
 *
 * Path: each file of this directory and of faults/ starts one scene in a `before` hook and shares
 * it.
 * Invariant: the canary has a listener, a cluster and an echo of its own, so that what a test does
 * to its own listeners can reach the canary only through what all connections share.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { GatewayProcess, type LogRecord, type Owner, startEcho } from '../harness.ts';
import { Canary } from './canary.ts';
import { type Caller, Flow, type FlowOrigin, type FlowTarget, type Reading } from './flow.ts';

const CANARY = 'canary';
/** Descriptors have settled when so many looks in a row count the same. */
const LOOKS = 5;
const LOOK_MS = 5;

/** A configuration, as an object of the language. */
export interface SceneSetup {
  readonly listeners: readonly object[];
  readonly clusters: readonly object[];
  /** 2 by default. */
  readonly shards?: number;
  readonly limits?: object;
  readonly canary?: { readonly connections?: number; readonly isShortToo?: boolean };
  readonly directory?: string;
}

/** A live connection as the admin API shows it; what tests look at. */
export interface ConnectionEntry {
  readonly id: string;
  readonly client: string;
  readonly state: string;
  readonly pendingBytes: number;
}

/** One access record. */
export type AccessRecord = Readonly<Record<string, unknown>>;

/** A gateway with a canary. */
export class Scene {
  readonly gateway: GatewayProcess;
  readonly canary: Canary;
  readonly #ports: ReadonlyMap<string, number>;
  /** Open when nobody was connected. */
  readonly #descriptors: number;

  private constructor(
    gateway: GatewayProcess,
    parts: { canary: Canary; ports: ReadonlyMap<string, number>; descriptors: number },
  ) {
    this.gateway = gateway;
    this.canary = parts.canary;
    this.#ports = parts.ports;
    this.#descriptors = parts.descriptors;
  }

  /** Starts a gateway, and a canary that has sung once. */
  static async start(owner: Owner, setup: SceneSetup): Promise<Scene> {
    const echo = await startEcho(owner);
    const { shards = 2, limits = {}, directory } = setup;
    const config = {
      shards,
      limits,
      listeners: [{ name: CANARY, bind: '127.0.0.1:0', cluster: CANARY }, ...setup.listeners],
      clusters: [{ name: CANARY, endpoints: [`127.0.0.1:${echo.port}`] }, ...setup.clusters],
    };
    const yaml = Object.entries(config)
      .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
      .join('');
    const gateway = await GatewayProcess.start(owner, {
      yaml,
      ...(directory === undefined ? {} : { directory }),
    });
    const { json } = await gateway.admin('GET', '/v1/status');
    const ports = new Map<string, number>();
    for (const { name, address } of json.listeners) {
      ports.set(name, Number(/:(\d+)$/.exec(address)?.[1] ?? 0));
    }
    const descriptors = await settledDescriptors(gateway.pid);
    const canary = await Canary.start(owner, { ...setup.canary, port: ports.get(CANARY) ?? 0 });
    return new Scene(gateway, { canary, ports, descriptors });
  }

  /** The port that a listener got. */
  port(listener: string): number {
    return this.#ports.get(listener) ?? Number.NaN;
  }

  /** Connects a client and waits for its other end at the origin. */
  async join(
    owner: Owner,
    origin: FlowOrigin,
    target: FlowTarget & Reading,
  ): Promise<{ client: Flow; endpoint: Flow }> {
    const client = await Flow.connect(owner, target, target);
    return { client, endpoint: await origin.next() };
  }

  /** The record of a connection's end. */
  closed({ address, calledPort, since }: Caller): Promise<AccessRecord> {
    const isItsRecord = (each: AccessRecord): boolean =>
      each['event'] === 'close' &&
      each['client'] === address &&
      this.#ports.get(String(each['listener'])) === calledPort &&
      Date.parse(String(each['time'])) >= since;
    return this.gateway.accessed(isItsRecord);
  }

  /** The reason for which a client's connection ended. */
  async reasonOf(caller: Caller): Promise<unknown> {
    return (await this.closed(caller))['reason'];
  }

  /** A counter or gauge of the core, summed over shards. */
  async counter(name: string): Promise<number> {
    const { json } = await this.gateway.counted('/v1/stats');
    return sumOf(json, name);
  }

  /** Waits until a counter or gauge of the core is as wanted. */
  async counterUntil(name: string, isWanted: (value: number) => boolean): Promise<void> {
    await this.gateway.adminUntil('/v1/stats', ({ json }) => isWanted(sumOf(json, name)));
  }

  /** How many connections of a listener ended for a reason. */
  async closedFor(listener: string, reason: string): Promise<number> {
    const { json } = await this.gateway.counted('/v1/stats');
    return closedOf(json, listener, reason);
  }

  /** Waits until the count of connections of a listener that ended for a reason is as wanted. */
  async closedUntil(
    listener: string,
    reason: string,
    isWanted: (count: number) => boolean,
  ): Promise<void> {
    await this.gateway.adminUntil('/v1/stats', ({ json }) =>
      isWanted(closedOf(json, listener, reason)),
    );
  }

  /** The live connections of a listener. */
  async connections(listener: string): Promise<readonly ConnectionEntry[]> {
    const { json } = await this.gateway.admin('GET', `/v1/connections?listener=${listener}`);
    return json.connections;
  }

  /** Waits until no listener but the canary's has a connection. */
  async whenIdle(): Promise<void> {
    await this.gateway.adminUntil('/v1/stats', ({ json }) =>
      json.listeners.every(
        (each: { name: string; connections: number }) =>
          each.name === CANARY || each.connections === 0,
      ),
    );
  }

  /**
   * Ends the canary, which must have lost nothing, and waits until the gateway holds no descriptor
   * and no record that it did not hold at the start.
   */
  async expectNothingLeft(): Promise<void> {
    await this.whenIdle();
    await this.canary.finish();
    for (const gauge of ['tunnels', 'pendingChunks', 'paused', 'timers']) {
      await this.counterUntil(gauge, (value) => value === 0);
    }
    while ((await settledDescriptors(this.gateway.pid)) > this.#descriptors) {
      // What is on its way to be closed will be; a leak hangs here until the test's time is over.
    }
  }

  /** Connects a client surely before the gateway sees it, so that no answer can overtake that. */
  async arrive(owner: Owner, target: FlowTarget & Reading): Promise<Flow> {
    await this.freeze();
    try {
      return await Flow.connect(owner, target, target);
    } finally {
      this.thaw();
    }
  }

  /** Stops every thread of the gateway, so that what peers do meanwhile arrives at once. */
  async freeze(): Promise<void> {
    this.gateway.signal('SIGSTOP');
    const tasks = `/proc/${this.gateway.pid}/task`;
    const isStopped = (task: string): boolean =>
      /^\d+ \(.*\) T/.test(readFileSync(`${tasks}/${task}/stat`, 'latin1'));
    while (!readdirSync(tasks).every(isStopped)) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  thaw(): void {
    this.gateway.signal('SIGCONT');
  }

  /** A log record of the gateway, past or to come. */
  logged(isWanted: (record: LogRecord) => boolean): Promise<LogRecord> {
    return this.gateway.logged(isWanted);
  }
}

function sumOf(
  stats: { readonly shards: readonly { readonly counters: Readonly<Record<string, number>> }[] },
  name: string,
): number {
  return stats.shards.reduce((sum, { counters }) => sum + (counters[name] ?? Number.NaN), 0);
}

function closedOf(
  stats: {
    readonly listeners: readonly {
      readonly name: string;
      readonly closed: Readonly<Record<string, number>>;
    }[];
  },
  listener: string,
  reason: string,
): number {
  const found = stats.listeners.find(({ name }) => name === listener);
  return found?.closed[reason] ?? Number.NaN;
}

/** How many descriptors a process has, once none comes or goes. */
async function settledDescriptors(pid: number): Promise<number> {
  let last = -1;
  for (let same = 0; same < LOOKS; ) {
    const now = readdirSync(`/proc/${pid}/fd`).length;
    same = now === last ? same + 1 : 0;
    last = now;
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS);
    });
  }
  return last;
}
