/**
 * The core as unit tests of the control plane want it: plain memory, no sockets, no threads.
 *
 * Path: tests hand its parts to what they test, and look into what was asked of them.
 * Invariant: it keeps the rules of native/epoll/index.ts that the control plane relies on, and
 * records every call that has an effect.
 */
import { pino } from 'pino';
import type {
  Acceptor,
  Board,
  Latency,
  ListenSpec,
  Native,
  NativeAbi,
  Prober,
  ProbeSpec,
  ShardPulse,
  SnapshotInput,
} from '../../native/epoll/index.ts';
import type { Log } from '../../src/main/observe/index.ts';
import type { ShardPort } from '../../src/main/shards/index.ts';
import type { ShardEnvelope, ShardMessage } from '../../src/shard/index.ts';

/** A log that nobody reads. */
export const SILENT: Log = pino({ level: 'silent' });

export const FAKE_ABI: NativeAbi = {
  shardCounters: [
    { name: 'turns', kind: 'counter', help: 'Turns of the reactor.' },
    { name: 'pausedNanoseconds', kind: 'counter', help: 'Time spent paused.' },
    { name: 'pendingChunks', kind: 'gauge', help: 'Chunks in use.' },
  ],
  listenerCounters: [
    { name: 'opened', kind: 'counter', help: 'Connections opened.' },
    { name: 'closed', kind: 'counter', help: 'Connections closed.' },
    { name: 'bytesFromClients', kind: 'counter', help: 'Bytes from clients.' },
    { name: 'bytesFromEndpoints', kind: 'counter', help: 'Bytes from endpoints.' },
  ],
  endpointCounters: [
    { name: 'active', kind: 'gauge', help: 'Live connections.' },
    { name: 'connectMicros', kind: 'counter', help: 'Microseconds.' },
  ],
  closeReasons: [
    { name: 'client-closed', who: 'client', help: 'The client ended it.' },
    { name: 'shard-stopped', who: 'gateway', help: 'The shard died.' },
  ],
  refusals: [{ name: 'process-limit', help: 'Too many.' }],
  clusterCounters: [
    { name: 'requestsActive', kind: 'gauge', help: 'Requests under way.' },
    { name: 'requestsRefused', kind: 'counter', help: 'Requests refused.' },
  ],
  http: {
    counters: [
      { name: 'requests', kind: 'counter', help: 'Requests.' },
      { name: 'responses2xx', kind: 'counter', help: 'Responses.' },
      { name: 'webSocketMessagesFromClients', kind: 'counter', help: 'Messages.' },
    ],
    clusterCounters: [{ name: 'connectionsReused', kind: 'counter', help: 'Reused.' }],
    routeCounters: ['requests', 'responses2xx', 'responses5xx', 'unanswered', 'webSocketsActive'],
    ends: [
      { name: '-', who: 'endpoint', help: 'It was answered.' },
      { name: 'no-route', who: 'gateway', help: 'Nobody took it.' },
    ],
    violations: ['none', 'line-end', 'method'],
    frameViolations: ['none', 'unmasked'],
    variables: [],
    latencyBoundsMicros: [1000, 2500],
    latencyPermilles: [500],
    accessFormats: ['json', 'common', 'template'],
    routesMax: 4,
    routeNameMax: 127,
  },
  policyCounters: [
    { name: 'allowed', kind: 'counter', help: 'Let through.' },
    { name: 'denied', kind: 'counter', help: 'Refused.' },
  ],
  balancers: ['round-robin'],
  activities: ['idle', 'forwarding bytes'],
  sizes: { chunk: 4096 },
  shardsMax: 8,
  listenersMax: 4,
  clustersMax: 4,
  endpointsMax: 6,
  policiesMax: 6,
};

/** A board whose numbers tests set. */
export class FakeBoard implements Board {
  readonly fd = 3;
  readonly listeners = new Map<number, string>();
  readonly endpoints = new Map<number, string>();
  readonly healthy = new Map<number, boolean>();
  /** Live connections by listener id and by endpoint id. */
  readonly listenerLoad = new Map<number, number>();
  readonly endpointLoad = new Map<number, number>();
  readonly pulses: ShardPulse[] = [];
  readonly pings: number[] = [];
  readonly resets: number[] = [];
  lost = 0;

  shardCounters(): number[] {
    return [7, 2_000_000_000, 3];
  }
  listenerCounters(): number[] {
    return [5, 4, 100, 200];
  }
  closeReasons(listener: number): number[] {
    return [4, listener === 0 ? this.lost : 0];
  }
  refusals(): number[] {
    return [1];
  }
  endpointCounters(): number[] {
    return [2, 1_500_000];
  }
  connections(): number {
    return [...this.listenerLoad.values()].reduce((sum, load) => sum + load, 0);
  }
  shardConnections(): number[] {
    return [this.connections(), 0];
  }
  listenerConnections(listener: number): number {
    return this.listenerLoad.get(listener) ?? 0;
  }
  endpointConnections(endpoint: number): number {
    return this.endpointLoad.get(endpoint) ?? 0;
  }
  /** Names by route id, and values by route id. */
  readonly routes = new Map<number, string>();
  readonly routeValues = new Map<number, readonly number[]>();
  readonly httpListeners = new Set<number>();

  /** Values by policy id. */
  readonly policyValues = new Map<number, readonly number[]>();

  policyCounters(policy: number): number[] {
    return [...(this.policyValues.get(policy) ?? [0, 0])];
  }
  setPolicy(policy: number): void {
    this.policyValues.delete(policy);
  }
  clusterCounters(): number[] {
    return [1, 2];
  }
  httpCounters(): number[] {
    return [9, 8, 7];
  }
  httpEnds(): number[] {
    return [8, 1];
  }
  httpViolations(): ReturnType<Board['httpViolations']> {
    return {
      fromClients: [0, 0, 3],
      fromEndpoints: [0, 1, 0],
      framesFromClients: [0, 2],
      framesFromEndpoints: [0, 0],
    };
  }
  clusterHttpCounters(): number[] {
    return [5];
  }
  clusterLatency(): Latency | null {
    return { count: 2, sumMicros: 3_000_000, counts: [1, 1], quantileMicros: [900] };
  }
  routeCounters(route: number): number[] {
    return [...(this.routeValues.get(route) ?? [0, 0, 0, 0, 0])];
  }
  routeLatency(route: number): Latency | null {
    return this.routeValues.has(route)
      ? { count: 4, sumMicros: 5000, counts: [2, 3], quantileMicros: [800] }
      : null;
  }
  setHttp(listener: number): void {
    this.httpListeners.add(listener);
  }
  setRoute(route: number, name: string): void {
    this.routes.set(route, name);
  }
  setListener(id: number, name: string): void {
    this.listeners.set(id, name);
  }
  setCluster(): void {}
  setEndpoint(id: number, display: string): void {
    this.endpoints.set(id, display);
  }
  setEndpointHealthy(id: number, healthy: boolean): void {
    this.healthy.set(id, healthy);
  }
  endpointEjectedMs(): number {
    return 0;
  }
  pulse(shard: number): ShardPulse {
    return this.pulses[shard] ?? { heartbeats: 0, turnStartNs: 0n, isInTurn: false, activity: 0 };
  }
  ping(shard: number): void {
    this.pings.push(shard);
  }
  resetShard(shard: number): void {
    this.resets.push(shard);
  }
}

/** An acceptor that opens nothing, and fails where a test says so. */
export class FakeAcceptor implements Acceptor {
  readonly open = new Map<number, ListenSpec>();
  readonly calls: string[] = [];
  readonly ready = new Map<number, boolean>();
  /** Errno names by port. */
  readonly failures = new Map<number, string>();
  #handle = 0;

  listen(spec: ListenSpec): ReturnType<Acceptor['listen']> {
    const { address } = spec;
    const port = 'port' in address ? address.port : 0;
    const isTaken = [...this.open.values()].some(
      (other) => JSON.stringify(other.address) === JSON.stringify(address) && port !== 0,
    );
    const code = this.failures.get(port) ?? (isTaken ? 'EADDRINUSE' : undefined);
    if (code !== undefined) {
      throw Object.assign(new Error(`bind: ${code}`), { code, syscall: 'bind' });
    }
    const handle = this.#handle++;
    this.open.set(handle, spec);
    this.calls.push(`listen ${port}`);
    return { handle, address };
  }
  unlisten(handle: number): void {
    this.open.delete(handle);
    this.calls.push(`unlisten ${handle}`);
  }
  update(): void {}
  setLimits(listener: number): void {
    this.calls.push(`limits ${listener}`);
  }
  setConnectionsMax(): void {}
  setDistribution(): void {}
  setShardReady(shard: number, ready: boolean): void {
    this.ready.set(shard, ready);
  }
  errors(): Readonly<Record<string, number>> {
    return { EMFILE: 2, backoffs: 1 };
  }
  close(): void {}
}

/** The calls around snapshots and namespaces. */
export class FakeFds {
  readonly openFds = new Set<number>();
  readonly compiled: SnapshotInput[] = [];
  #nextFd = 100;

  compileSnapshot(input: SnapshotInput): number {
    this.compiled.push(input);
    return this.#take();
  }
  enterBackground(): boolean {
    return true;
  }

  openNetns(name: string): number {
    if (name === 'missing') {
      throw Object.assign(new Error('openat: ENOENT'), { code: 'ENOENT', syscall: 'openat' });
    }
    return this.#take();
  }
  closeFd(fd: number): void {
    if (!this.openFds.delete(fd)) {
      throw new Error(`descriptor ${fd} is not open`);
    }
  }

  #take(): number {
    const fd = this.#nextFd++;
    this.openFds.add(fd);
    return fd;
  }
}

/** A prober whose outcomes tests decide. */
export class FakeProber implements Prober {
  readonly underWay: ((error: string | null, status: number) => void)[] = [];
  readonly specs: ProbeSpec[] = [];
  probe(spec: ProbeSpec, done: Parameters<Prober['probe']>[1]): void {
    this.specs.push(spec);
    this.underWay.push((error, status) => done(error, 50, -1, status));
  }
  readAnswer(): number {
    return 0;
  }
  close(): void {}

  /** Ends every probe that is under way. */
  finish(error: string | null, status = 0): void {
    for (const done of this.underWay.splice(0)) {
      done(error, status);
    }
  }
}

/** A shard thread that answers as a test says. */
export class FakePort implements ShardPort {
  readonly index: number;
  /** Descriptors of the snapshots it was given. */
  readonly applied: number[] = [];
  /** Answers to `apply`; `ok` by default, `mute` never answers. */
  behaviour: 'ok' | 'fail' | 'mute' = 'ok';
  readonly unanswered: ShardEnvelope[] = [];
  #onMessage: (message: ShardMessage) => void = () => {};
  #onError: (error: Error) => void = () => {};
  #onExit: (code: number) => void = () => {};

  constructor(index: number) {
    this.index = index;
    queueMicrotask(() => this.#onMessage({ kind: 'started' }));
  }

  on(event: 'message' | 'error' | 'exit', listener: (given: never) => void): unknown {
    if (event === 'message') {
      this.#onMessage = listener as (message: ShardMessage) => void;
    } else if (event === 'error') {
      this.#onError = listener as (error: Error) => void;
    } else {
      this.#onExit = listener as (code: number) => void;
    }
    return this;
  }

  postMessage(envelope: ShardEnvelope): void {
    if (envelope.name === 'apply') {
      this.applied.push((envelope.argument as { fd: number }).fd);
    }
    if (this.behaviour === 'mute' && envelope.name === 'apply') {
      this.unanswered.push(envelope);
      return;
    }
    const isFailing = this.behaviour === 'fail' && envelope.name === 'apply';
    queueMicrotask(() => {
      this.answer(envelope, isFailing);
      if (envelope.name === 'stop') {
        this.#onExit(0);
      }
    });
  }

  answer({ call }: ShardEnvelope, isFailing = false): void {
    this.#onMessage(
      isFailing
        ? { kind: 'failure', call, message: 'mmap: ENOMEM' }
        : { kind: 'reply', call, result: null },
    );
  }

  die(error: Error | null = null): void {
    if (error !== null) {
      this.#onError(error);
    }
    this.#onExit(1);
  }

  terminate(): Promise<unknown> {
    this.#onExit(1);
    return Promise.resolve();
  }
}

/** The parts of the core that unit tests use, as one. */
export function makeFakeCore(): {
  readonly board: FakeBoard;
  readonly acceptor: FakeAcceptor;
  readonly fds: FakeFds;
  readonly abi: Native['abi'];
} {
  return {
    board: new FakeBoard(),
    acceptor: new FakeAcceptor(),
    fds: new FakeFds(),
    abi: FAKE_ABI,
  };
}
