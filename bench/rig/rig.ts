/**
 * One measurement's stage: an origin, one candidate in front of it, and load generators on demand.
 *
 * Path: the runner builds a rig for each measurement; a scenario drives it; closing it ends
 * everything. An interrupt ends the processes at once, which fails whatever waits for them.
 * Invariant: the candidate has the gateway cores to itself, origin and generators share the load
 * cores (where the machine has enough cores, see machine.ts). Nothing of a rig outlives `close`.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BUILD } from './build.ts';
import type { Candidate, HttpOptions, Running } from './candidate.ts';
import { type LoadFlags, LoadRun, listArguments } from './load.ts';
import { type Machine, type Placement, placeOn, proxiedConnectionsMax } from './machine.ts';
import { echoOrigin, type Origin, type RunningOrigin } from './origin.ts';
import type { Ports } from './ports.ts';
import { Processes } from './processes.ts';
import { makeCertificate } from './tls.ts';

/** What all rigs of a run share. */
export interface RigParts {
  readonly loadgen: string;
  /** The one with TLS clients, where it could be built. */
  readonly loadgenTls?: string;
  readonly machine: Machine;
  readonly ports: Ports;
  /** Ends waiting when the run is interrupted. */
  readonly signal: AbortSignal;
}

/** How a rig differs from the usual one: one worker, the echo origin on the load cores. */
export interface RigOptions {
  readonly workers?: number;
  /** Cores that the candidate has beside one for each worker. Absent: none. */
  readonly spareCores?: number;
  readonly origin?: Origin;
  readonly originOn?: 'load' | 'gateway';
  /** The candidate speaks HTTP/1.1. */
  readonly http?: HttpOptions;
  /** The candidate terminates TLS. */
  readonly isTls?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** Loopback addresses that clients come from; 28 thousand ports each. */
const SOURCES = '127.0.0.2-127.0.0.41';

/** See the header. */
export class Rig {
  readonly machine: Machine;
  readonly placement: Placement;
  readonly processes: Processes;
  readonly folder: string;
  readonly candidate: Candidate;
  readonly workers: number;
  /** Proxied connections the candidate can hold under the descriptor limit. */
  readonly connectionsMax: number;
  readonly #loadgenTls: string | undefined;
  readonly #signal: AbortSignal;
  readonly #abort = (): void => void this.processes.close();
  #running: Running | undefined;
  #origin: RunningOrigin | undefined;
  #originPort = 0;

  private constructor(parts: RigParts, candidate: Candidate, options: RigOptions) {
    const { workers = 1, spareCores = 0, isTls = false } = options;
    this.machine = parts.machine;
    this.placement = placeOn(parts.machine, workers + spareCores);
    this.processes = new Processes(parts.loadgen);
    this.candidate = candidate;
    this.workers = workers;
    const isHttp = options.http !== undefined;
    const descriptors = candidate.descriptorsPerConnection?.({ isTls, isHttp }) ?? 2;
    this.connectionsMax = proxiedConnectionsMax(parts.machine, descriptors);
    this.#loadgenTls = parts.loadgenTls;
    this.#signal = parts.signal;
    this.#signal.addEventListener('abort', this.#abort, { once: true });
    mkdirSync(BUILD, { recursive: true });
    this.folder = mkdtempSync(join(BUILD, 'rig-'));
  }

  /** Starts origin and candidate; both accept when this resolves. */
  static async start(
    parts: RigParts,
    candidate: Candidate,
    options: RigOptions = {},
  ): Promise<Rig> {
    const rig = new Rig(parts, candidate, options);
    try {
      parts.signal.throwIfAborted();
      const [front, origin] = (await parts.ports.take(2)) as [number, number];
      const { gateway, load } = rig.placement;
      const cores = options.originOn === 'gateway' ? gateway : load;
      rig.#originPort = origin;
      rig.#origin = await (options.origin ?? echoOrigin).start(rig.processes, origin, cores);
      rig.#running = await candidate.start({
        processes: rig.processes,
        folder: rig.folder,
        cores: gateway,
        frontPort: front,
        originPort: origin,
        workers: rig.workers,
        connectionsMax: parts.machine.descriptorsMax,
        ...(options.http === undefined ? {} : { http: options.http }),
        ...(options.isTls === true ? { tls: makeCertificate(rig.folder) } : {}),
        env: options.env ?? {},
      });
      return rig;
    } catch (cause) {
      await rig.close();
      throw cause;
    }
  }

  /** What serves behind the candidate. */
  get originTitle(): string {
    return this.#origin?.title ?? '';
  }

  get running(): Running {
    if (this.#running === undefined) throw new Error('the candidate is not running');
    return this.#running;
  }

  /** Processes of the candidate at this moment. */
  pids(): number[] {
    return this.running.pids();
  }

  /** Starts a load on the candidate's front; CPU of candidate and origin is watched. */
  load(mode: string, flags: LoadFlags): LoadRun {
    const pids = this.pids();
    const gateway = pids.length > 0 ? `gateway=${pids.join('+')},` : '';
    const all: LoadFlags = {
      target: this.running.address,
      ...(mode === 'bulk' ? {} : { source: SOURCES }),
      interactive: 'yes',
      watch: `${gateway}origin=${this.#origin?.pid ?? 0}`,
      ...flags,
    };
    const args = listArguments(mode, all);
    const cores = this.placement.load;
    if (typeof flags['tls'] !== 'string') {
      return new LoadRun(this.processes.startLoadgen(args, cores));
    }
    if (this.#loadgenTls === undefined) throw new Error('the run has no load with TLS');
    return new LoadRun(this.processes.startPinned([this.#loadgenTls, ...args], cores));
  }

  /** The address of the origin itself, past the candidate. */
  get originAddress(): string {
    return `127.0.0.1:${this.#originPort}`;
  }

  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#abort);
    await this.#running?.stop();
    await this.processes.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
